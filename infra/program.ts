import { Provider, type ProviderArgs } from "@pulumi/aws/provider";
import * as pulumi from "@pulumi/pulumi";
import path from "node:path";
import { chooseCredentials } from "../cloud/credentials";
import { errorInfo, isSpotError, type ErrorInfo } from "../fleet/errors";
import { asFleetId } from "../fleet/identity/fleet-id";
import { hostKeyToken } from "../fleet/identity/generation";
import { groupName } from "../fleet/aws/network";
import type { NodePin, Pins, RegionPin, Slot } from "../fleet/model";
import { networksIn } from "../fleet/plan/pins";
import { NETWORK_UNMADE, parsePins, RUN_VARIABLE, StackKey } from "../fleet/plan/stack-config";
import { endpointsText, foreignEndpoints, parseEndpoints } from "../project/aws-endpoints";
import { buildState } from "../project/build-stamp";
import { loadConfig } from "../project/config-file";
import { loadDefinition, type FleetDefinition } from "../project/definition";
import { readKeptProject } from "../project/kept-project";
import { packageRoot } from "../project/package-root";
import type { Decided } from "./decide";
import { RegionNetwork } from "./region-network";
import { SpotNode } from "./spot-node";

/**
 * Retries of the provider itself. Its default holds a capacity error back for most of an hour; moving a node
 * elsewhere is the fleet's decision.
 */
const PROVIDER_MAX_RETRIES = 3;

/**
 * The Pulumi program: declares the fleet of config.yaml, with the decisions that `spot up` pinned in the stack's
 * configuration. Run by `spot` it asks the cloud nothing; run by plain Pulumi it decides what is open (decide.ts).
 */
export async function program(): Promise<Record<string, unknown>> {
  const config = new pulumi.Config();
  await refuseWrongPlace(config);
  const root = packageRoot();
  const build = buildState(root);
  if (build === "stale" || build === "missing") {
    throw new pulumi.RunError(
      `the compiled program is ${build === "stale" ? "older than its sources" : "incomplete"}; run \`npm run build\``,
    );
  }

  const pinned = parsePins(config.getObject(StackKey.pins));
  const lineage = config.get(StackKey.lineage);
  const account = config.get(StackKey.account);
  if (!pinned || !lineage) {
    throw new pulumi.RunError(
      `stack ${pulumi.getStack()} has no pins yet; run \`spot up\` first: it decides zones and images once and writes them to the stack's configuration`,
    );
  }
  const configFile = path.resolve(root, config.get(StackKey.configFile) ?? "config.yaml");
  const kept = config.get(StackKey.kept);
  const whose = { stack: pulumi.getStack(), lineage: asFleetId(lineage, `Pulumi.${pulumi.getStack()}.yaml`) };
  const definition =
    kept === undefined
      ? loadDefinition({ config: loadConfig(configFile), configFile, ...whose })
      : readKeptProject(kept, whose.stack).definition;
  const { pins, faults } = await decided(config, definition, pinned);
  const unmade = await withoutTraces(() =>
    declare(definition, pins, {
      account,
      providerRegion: config.get(StackKey.providerRegion),
      fleetSecret: config.requireSecret(StackKey.fleetSecret),
    }),
  );
  // After everything else is declared: what goes wrong in one region stops no other, and deletes nothing.
  const wrong = [
    ...[...faults].map(([region, error]) => `${region}: ${wordsOfInfo(error)}`),
    ...unmade.map((region) => `${region}: ${NETWORK_UNMADE}; what stands there stays as it is`),
  ];
  if (wrong.length > 0) throw new pulumi.RunError(wrong.join("\n"));
  // The state alone must be enough to go on from (derived files may be lost), so what they hold is an output too.
  return {
    [StackKey.lineage]: lineage,
    [StackKey.account]: account,
    [StackKey.endpoints]: config.getObject(StackKey.endpoints),
    [StackKey.fleetSecret]: config.requireSecret(StackKey.fleetSecret),
  };
}

/** What `spot` pinned stands where it runs the program itself; plain Pulumi has what is open decided. */
async function decided(config: pulumi.Config, definition: FleetDefinition, pinned: Pins): Promise<Decided> {
  if (isRunBySpot()) return { pins: pinned, faults: new Map() };
  // Not needed where `spot` runs the program, and slow to load: the AWS SDK comes with it.
  const { decideOpen } = await import("./decide.js");
  try {
    return await decideOpen(definition, pinned, config.get(StackKey.account), {
      credentials: chooseCredentials(process.env, undefined).credentials,
      endpoint: config.get(StackKey.endpoint),
      foreignEndpoints: parseEndpoints(config.getObject(StackKey.endpoints)) ?? {},
    });
  } catch (error) {
    throw isSpotError(error) ? new pulumi.RunError(wordsOfInfo(errorInfo(error))) : error;
  }
}

const isRunBySpot = (): boolean => process.env[RUN_VARIABLE] !== undefined;

/** Each property of each resource takes a stack trace otherwise: most of the time of a large fleet. */
async function withoutTraces<T>(work: () => Promise<T>): Promise<T> {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return await work();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

const wordsOfInfo = ({ code, message, next }: ErrorInfo): string => `${message} (${code}). ${next}`;

interface Settings {
  /** The account that the fleet is in: the provider refuses to work in any other. Absent until the first `spot up` of this version. */
  account: string | undefined;
  /** Where the provider asks AWS whose credentials it has. Every resource names its own region. */
  providerRegion: string | undefined;
  fleetSecret: pulumi.Output<string>;
}

/**
 * Declares the fleet.
 * @returns regions whose network is not whole. Run by plain Pulumi their nodes are left out: one that stands in another
 *   network would be ended before it could be made in this one.
 */
async function declare(
  definition: FleetDefinition,
  pins: Pins,
  { account, providerRegion, fleetSecret }: Settings,
): Promise<string[]> {
  const { owner } = definition;
  const placed: { slot: Slot; pin: NodePin; network?: RegionPin }[] = [];
  const former = Object.values(pins.former ?? {}).flat();
  const unpinned: string[] = [];
  for (const slot of definition.slots.filter(({ name }) => !(name in pins.unplaced))) {
    const waiting = former.find(({ nodes }) => slot.name in nodes);
    const pin = waiting?.nodes[slot.name] ?? pins.nodes[slot.name];
    if (pin) placed.push({ slot, pin, network: waiting?.network ?? pins.regions[pin.pool.region] });
    else unpinned.push(slot.name);
  }
  if (unpinned.length > 0) {
    throw new pulumi.RunError(`no zone and image decided yet for ${unpinned.join(", ")}; run \`spot up\``);
  }

  // A region of the fleet: one that it does not use must not be able to stop it.
  const region = (providerRegion ?? Object.keys(pins.regions).sort()[0]) as ProviderArgs["region"];
  const provider = new Provider("aws", {
    region,
    allowedAccountIds: account === undefined ? undefined : [account],
    maxRetries: PROVIDER_MAX_RETRIES,
  });
  const regions = new Map(
    Object.entries(networksIn(pins)).map(([region, networks]) => {
      const args = { region, pins: networks, ssh: pins.ssh, owner };
      return [region, new RegionNetwork(args, { provider })];
    }),
  );
  // A node is declared as soon as its own region is ready: a slow one keeps no other waiting.
  const nodes = placed.map(async ({ slot, pin, network: networkPin }) => {
    const { region } = pin.pool;
    const network = networkPin && (await regions.get(region)?.networks)?.get(groupName(region, networkPin));
    if (!network) throw new pulumi.RunError(`no network decided yet for ${region}; run \`spot up\``);
    if (!network.isWhole && !isRunBySpot()) return;
    const spec = definition.launchSpec(slot, pin, pins.ssh.publicKey);
    const { generation } = spec;
    const launch = pins.launches[slot.name];
    const userData = fleetSecret.apply((secret) =>
      spec.userData(hostKeyToken(secret, { name: slot.name, generation, launch })),
    );
    new SpotNode({ spec, launch, userData, network, owner }, { provider });
  });
  const broken = [...regions].map(async ([region, { networks }]) => {
    const isWhole = [...(await networks).values()].every((network) => network.isWhole);
    return isWhole ? [] : [region];
  });
  const [unmade] = await Promise.all([Promise.all(broken), Promise.all(nodes)]);
  return unmade.flat();
}

/**
 * A sandbox stack is only ever run against its own sandbox, and a real one only ever against AWS, or the endpoints to
 * which its user bound it.
 */
async function refuseWrongPlace(config: pulumi.Config): Promise<void> {
  const pinned = config.get(StackKey.endpoint);
  const actual = process.env.AWS_ENDPOINT_URL || undefined;
  if (pinned !== undefined && pinned === actual) return;
  const bound = endpointsText(parseEndpoints(config.getObject(StackKey.endpoints)) ?? {});
  const found = endpointsText(pinned === undefined ? await foreignEndpoints(process.env) : {});
  if (pinned === undefined && bound === found) return;
  throw new pulumi.RunError(
    pinned === undefined
      ? `this stack belongs to ${bound}, but AWS_ENDPOINT_URL* or the profile's \`endpoint_url\` lead to ${found}; set them as they were when the stack was made`
      : `this stack belongs to the sandbox at ${pinned}, but ${actual ? `AWS_ENDPOINT_URL points at ${actual}` : "no sandbox is set"}; run \`eval "$(spot env --sandbox)"\` first`,
  );
}
