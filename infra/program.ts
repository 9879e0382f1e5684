import { Provider } from "@pulumi/aws/provider";
import * as pulumi from "@pulumi/pulumi";
import path from "node:path";
import { hostKeyToken } from "../fleet/generation";
import type { Pins } from "../fleet/model";
import { parsePins, StackKey } from "../fleet/stack-config";
import { buildState } from "../project/build-stamp";
import { loadConfig } from "../project/config-file";
import { loadDefinition, type FleetDefinition } from "../project/definition";
import { packageRoot } from "../project/package-root";
import { RegionNetwork } from "./region-network";
import { SpotNode } from "./spot-node";

/** The provider needs some region; every resource names its own. This one is enabled in every account. */
const PROVIDER_REGION = "us-east-1";

/**
 * Retries of the provider itself. Its default holds a capacity error back for most of an hour; moving a node
 * elsewhere is the fleet's decision.
 */
const PROVIDER_MAX_RETRIES = 3;

/**
 * The Pulumi program: declares the fleet of config.yaml, with the decisions that `spot up` pinned in the stack's
 * configuration. It asks the cloud nothing, so plain `pulumi up` and `spot up` always see the same desired state.
 */
export async function program(): Promise<Record<string, unknown>> {
  const config = new pulumi.Config();
  refuseWrongPlace(config.get(StackKey.endpoint));
  const root = packageRoot();
  const build = buildState(root);
  if (build === "stale" || build === "missing") {
    throw new pulumi.RunError(`the compiled program is ${build === "stale" ? "older than its sources" : "incomplete"}; run \`npm run build\``);
  }

  const pins = parsePins(config.getObject(StackKey.pins));
  const lineage = config.get(StackKey.lineage);
  if (!pins || !lineage) {
    throw new pulumi.RunError(`stack ${pulumi.getStack()} has no pins yet; run \`spot up\` first: it decides zones and images once and writes them to the stack's configuration`);
  }
  const configFile = path.resolve(root, config.get(StackKey.configFile) ?? "config.yaml");
  const definition = loadDefinition({
    config: loadConfig(configFile),
    configFile,
    stack: pulumi.getStack(),
    lineage,
  });
  declare(definition, pins, config.requireSecret(StackKey.fleetSecret));
  // The state alone must be enough to go on from (derived files may be lost), so what they hold is an output too.
  return { [StackKey.lineage]: lineage, [StackKey.fleetSecret]: config.requireSecret(StackKey.fleetSecret) };
}

function declare(definition: FleetDefinition, pins: Pins, fleetSecret: pulumi.Output<string>): void {
  const { config, owner } = definition;
  const placed = definition.slots.filter((slot) => !(slot.name in pins.unplaced));
  const unpinned = placed.filter((slot) => !pins.nodes[slot.name]).map((slot) => slot.name);
  if (unpinned.length > 0) {
    throw new pulumi.RunError(`no zone and image decided yet for ${unpinned.join(", ")}; run \`spot up\``);
  }

  // Each property of each resource takes a stack trace otherwise: most of the time of a large fleet.
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    const provider = new Provider("aws", { region: PROVIDER_REGION, maxRetries: PROVIDER_MAX_RETRIES });
    const networks = new Map(
      Object.entries(pins.regions).map(([region, pin]) => [
        region,
        new RegionNetwork({ region, pin, ssh: pins.ssh, owner }, { provider }),
      ]),
    );
    for (const slot of placed) {
      const pin = pins.nodes[slot.name]!;
      const network = networks.get(pin.pool.region);
      if (!network) throw new pulumi.RunError(`no network decided yet for ${pin.pool.region}; run \`spot up\``);
      const generation = definition.generationOf(slot, pin, pins.ssh.publicKey);
      new SpotNode(
        {
          name: slot.name,
          pin,
          generation,
          userData: fleetSecret.apply((secret) =>
            definition.userDataOf(slot, generation, pins.ssh.publicKey, hostKeyToken(secret, slot.name, generation)),
          ),
          network,
          owner,
          storageGb: config.storageGb,
          keyName: config.ssh.keyName,
          iamInstanceProfile: config.instanceProfile,
          maxPrice: config.spotPriceLimit?.toString(),
        },
        { provider },
      );
    }
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** A sandbox stack is only ever run against its own sandbox, and a real one only ever against AWS. */
function refuseWrongPlace(pinned: string | undefined): void {
  const actual = process.env.AWS_ENDPOINT_URL || undefined;
  if (pinned === actual) return;
  throw new pulumi.RunError(
    pinned === undefined
      ? `this stack belongs to AWS, but AWS_ENDPOINT_URL points at ${actual}; unset it`
      : `this stack belongs to the sandbox at ${pinned}, but ${actual ? `AWS_ENDPOINT_URL points at ${actual}` : "no sandbox is set"}; run \`eval "$(spot env --sandbox)"\` first`,
  );
}
