import { z } from "zod";
import { LAUNCH } from "../identity/launch";
import type { Decision, Pins } from "../model";

/** The namespace of our keys in `Pulumi.<stack>.yaml`: the project's name. */
export const PROJECT = "spot-deployer";

/**
 * Set in the environment of everything that an engine run of `spot` starts: which run of which stack it belongs to. The
 * program takes what such a run pinned as it stands.
 */
export const RUN_VARIABLE = "SPOT_DEPLOYER_RUN";

/**
 * The sandbox's endpoint, in the environment of everything that is to act there: what tells it from an endpoint of the
 * user's own.
 */
export const SANDBOX_VARIABLE = "SPOT_SANDBOX_ENDPOINT";

/**
 * With these words about each region the program fails when a network is not whole: the engine deletes nothing in a run
 * whose program failed, and what the program leaves out may be recorded. What really failed is told of by its resource.
 */
export const NETWORK_UNMADE = "its network is not whole";

/**
 * The logical name of the fleet's record in the state, a `pulumi.Stash` (infra/record.ts): what `Pulumi.<stack>.yaml`
 * says, for whoever works on the stack without that file, or with an older one.
 */
export const RECORD = "fleet";
export const STASH_TYPE = "pulumi:index:Stash";

/** Our keys in the stack's configuration. `up` writes them; the Pulumi program reads them. */
export const StackKey = {
  /** The fleet's random id: what ownership is decided by. */
  lineage: "lineage",
  /** Pins, structured (type Pins). */
  pins: "pins",
  /** Hex, secret: what the nodes' host-key tokens are derived from. */
  fleetSecret: "fleetSecret",
  /** The sandbox's endpoint; absent for AWS. */
  endpoint: "endpoint",
  /** Endpoints outside AWS to which the user bound the stack, by service. */
  endpoints: "endpoints",
  /** The AWS account that the fleet is in, 12 digits. */
  account: "account",
  /** The region in which the provider asks AWS whose credentials it has. */
  providerRegion: "providerRegion",
  /** Path of the fleet's configuration, relative to the project where it lies inside it. */
  configFile: "configFile",
  /**
   * Folder of what was verified last (project/kept-project.ts), while it is being put back: the fleet is declared from
   * there instead of `configFile`.
   */
  kept: "kept",
} as const;

const regionPin = z.intersection(
  z.object({ securityGroups: z.array(z.string()), group: z.string().optional() }),
  z.discriminatedUnion("network", [
    z.object({ network: z.literal("create"), availabilityZones: z.array(z.string()) }),
    z.object({ network: z.literal("existing"), vpcId: z.string(), subnets: z.record(z.string(), z.string()) }),
  ]),
);

const nodePin = z.object({
  ami: z.string(),
  pool: z.object({
    region: z.string(),
    availabilityZone: z.string(),
    instanceType: z.string(),
    market: z.enum(["spot", "on-demand"]),
  }),
});

const nodePins = z.record(z.string(), nodePin);

/** What plain Pulumi decided for a slot, as data that was written down. */
export const decisionSchema: z.ZodType<Decision> = z.object({
  pin: nodePin,
  network: regionPin,
  launch: z.string().regex(LAUNCH),
});

/** Pins as data that was written down. */
export const pinsSchema: z.ZodType<Pins> = z.object({
  version: z.literal(1),
  regions: z.record(z.string(), regionPin),
  nodes: nodePins,
  former: z.record(z.string(), z.array(z.object({ network: regionPin, nodes: nodePins }))).optional(),
  // Earlier versions wrote none.
  launches: z.record(z.string(), z.string().regex(LAUNCH)).default({}),
  unplaced: z.record(z.string(), z.string()),
  ssh: z.object({ allow: z.array(z.string()), callers: z.array(z.string()), publicKey: z.string() }),
});

/** Of a fleet for which nothing has been decided yet. */
export const NO_PINS: Pins = {
  version: 1,
  regions: {},
  nodes: {},
  launches: {},
  unplaced: {},
  ssh: { allow: [], callers: [], publicKey: "" },
};

/** What the state holds about the fleet as a whole, its secret aside. Names and values are those of `StackKey`. */
export interface FleetRecord {
  lineage: string;
  /** Relative to the project where it lies inside it. */
  configFile: string;
  endpoint?: string;
  endpoints?: Record<string, string>;
  account?: string;
  providerRegion?: string;
  pins: Pins;
}

const recordSchema: z.ZodType<FleetRecord> = z.object({
  lineage: z.string(),
  configFile: z.string(),
  endpoint: z.string().optional(),
  endpoints: z.record(z.string(), z.string()).optional(),
  account: z.string().optional(),
  providerRegion: z.string().optional(),
  pins: pinsSchema,
});

/** Reads a record as the state holds it; undefined for what is none. */
export function parseRecord(value: unknown): FleetRecord | undefined {
  return recordSchema.safeParse(value).data;
}

/** Reads pins as the stack's configuration holds them; undefined for what no `up` of this version wrote. */
export function parsePins(value: unknown): Pins | undefined {
  const parsed = pinsSchema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}
