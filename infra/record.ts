import * as pulumi from "@pulumi/pulumi";
import { parsePins, RECORD, parseRecord, StackKey, type FleetRecord } from "../fleet/plan/stack-config";
import { parseEndpoints } from "../project/aws-endpoints";
import { valueOf } from "./outputs";

/** What the stack's configuration says of the fleet, as far as it does. */
export type FleetSettings = Partial<FleetRecord> & {
  /** Folder of what was verified last, while it is being put back. */
  kept?: string;
};

export function readSettings(config: pulumi.Config): FleetSettings {
  return {
    lineage: config.get(StackKey.lineage),
    configFile: config.get(StackKey.configFile),
    kept: config.get(StackKey.kept),
    endpoint: config.get(StackKey.endpoint),
    endpoints: parseEndpoints(config.getObject(StackKey.endpoints)),
    account: config.get(StackKey.account),
    providerRegion: config.get(StackKey.providerRegion),
    pins: parsePins(config.getObject(StackKey.pins)),
  };
}

/** A record, and the secret from which the nodes' host-key tokens are derived. */
export interface RecordedFleet {
  record: FleetRecord;
  fleetSecret: pulumi.Output<string>;
}

/** Has the state record this. */
export function declareRecord({ record, fleetSecret }: RecordedFleet): void {
  new pulumi.Stash(RECORD, { input: { ...record, fleetSecret } });
}

/**
 * The record as the state has it; where it has none yet, this one, which it then records.
 * @returns undefined where there is none and none is made: it is outside the targets of the run
 */
export async function recordedOr({ record, fleetSecret }: RecordedFleet): Promise<RecordedFleet | undefined> {
  const stash = new pulumi.Stash(RECORD, { input: { ...record, fleetSecret } }, { ignoreChanges: ["input"] });
  // For what it skips the SDK gives the input back, and no output.
  const [input, output] = await Promise.all([valueOf(stash.input), valueOf(stash.output)]);
  const secret = (input as { fleetSecret?: unknown } | undefined)?.fleetSecret;
  const found = parseRecord(input);
  if (output === undefined || found === undefined || typeof secret !== "string") return undefined;
  return { record: found, fleetSecret: pulumi.secret(secret) };
}
