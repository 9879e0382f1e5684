import { Provider, type ProviderArgs } from "@pulumi/aws/provider";
import * as pulumi from "@pulumi/pulumi";
import { errorInfo, isSpotError, type ErrorInfo } from "../fleet/errors";
import { hostKeyToken } from "../fleet/identity/generation";
import { groupName } from "../fleet/aws/network";
import type { NodePin, RegionPin, Slot } from "../fleet/model";
import { networksIn } from "../fleet/plan/pins";
import { NETWORK_UNMADE, RUN_VARIABLE, StackKey, type FleetRecord } from "../fleet/plan/stack-config";
import { buildState } from "../project/build-stamp";
import type { FleetDefinition } from "../project/definition";
import { packageRoot } from "../project/package-root";
import { fleetOfSpot, type DeclaredFleet } from "./fleet";
import { isMade } from "./outputs";
import { RegionNetwork } from "./region-network";
import { SpotNode } from "./spot-node";

/**
 * Retries of the provider itself. Its default holds a capacity error back for most of an hour; moving a node
 * elsewhere is the fleet's decision.
 */
const PROVIDER_MAX_RETRIES = 3;

/**
 * The Pulumi program: declares the fleet of config.yaml, with what has been decided for it, and records that. Run by
 * `spot` it asks the cloud nothing (fleet.ts); run by plain Pulumi it decides what is open (plain.ts).
 */
export async function program(): Promise<Record<string, unknown>> {
  const build = buildState(packageRoot());
  if (build === "stale" || build === "missing") {
    throw new pulumi.RunError(
      `the compiled program is ${build === "stale" ? "older than its sources" : "incomplete"}; run \`npm run build\``,
    );
  }

  const { record, definition, faults, fleetSecret } = await fleetNow(new pulumi.Config());
  const { unmade, nodes } = await withoutTraces(() => declare(definition, record, fleetSecret));
  if (!isRunBySpot() && !pulumi.runtime.isDryRun()) await pulumi.log.info(NOT_DEPLOYED);
  // After everything else is declared: what goes wrong in one region stops no other, and deletes nothing.
  const wrong = [
    ...[...faults].map(([region, error]) => `${region}: ${wordsOfInfo(error)}`),
    ...unmade.map((region) => `${region}: ${NETWORK_UNMADE}; what stands there stays as it is`),
  ];
  if (wrong.length > 0) throw new pulumi.RunError(wrong.join("\n"));
  return {
    [StackKey.lineage]: record.lineage,
    [StackKey.account]: record.account,
    ...(record.endpoints === undefined ? {} : { [StackKey.endpoints]: record.endpoints }),
    ...(await shown(nodes)),
  };
}

/**
 * The nodes and their regions. Of a preview by `spot` they are not known: what it plans holds a run to its outputs, too,
 * and an address that AWS changes meanwhile is no reason to stop.
 */
async function shown(nodes: readonly SpotNode[]): Promise<Record<"nodes" | "regions", unknown>> {
  const unknown = pulumi.output(pulumi.unknown);
  if (isRunBySpot() && pulumi.runtime.isDryRun()) return { nodes: unknown, regions: unknown };
  const made = await Promise.all(nodes.map(async (node) => ((await isMade(node.instance)) ? [node.shown] : [])));
  const regions = nodes.map(({ shown: { region } }) => region);
  return { nodes: made.flat(), regions: [...new Set(regions)].sort() };
}

const NOT_DEPLOYED =
  "Pulumi launches nodes and ends them, and deploys to none: `spot up` deploys to those that are new, and verifies all.";

/** The fleet to declare. */
async function fleetNow(config: pulumi.Config): Promise<DeclaredFleet> {
  try {
    if (isRunBySpot()) return await fleetOfSpot(config);
    // Not needed where `spot` runs the program, and slow to load: the AWS SDK comes with it.
    const { fleetOfPlain } = await import("./plain.js");
    return await fleetOfPlain(config);
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

/**
 * Declares the fleet.
 * @returns the nodes, and `unmade`: regions whose network is not whole. Run by plain Pulumi their nodes are left out: one that stands in another
 *   network would be ended before it could be made in this one.
 */
async function declare(
  definition: FleetDefinition,
  { pins, account, providerRegion }: FleetRecord,
  fleetSecret: pulumi.Output<string>,
): Promise<{ nodes: SpotNode[]; unmade: string[] }> {
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
    // The account that the fleet is in: absent until the first run of a version that knows it.
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
    if (!network.isWhole && !isRunBySpot()) return [];
    const spec = definition.launchSpec(slot, pin, pins.ssh.publicKey);
    const { generation } = spec;
    const launch = pins.launches[slot.name];
    const userData = fleetSecret.apply((secret) =>
      spec.userData(hostKeyToken(secret, { name: slot.name, generation, launch })),
    );
    return [new SpotNode({ spec, launch, userData, network, owner }, { provider })];
  });
  const broken = [...regions].map(async ([region, { networks }]) => {
    const isWhole = [...(await networks).values()].every((network) => network.isWhole);
    return isWhole ? [] : [region];
  });
  const [unmade, made] = await Promise.all([Promise.all(broken), Promise.all(nodes)]);
  return { nodes: made.flat(), unmade: unmade.flat() };
}
