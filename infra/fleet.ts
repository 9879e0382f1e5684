import * as pulumi from "@pulumi/pulumi";
import path from "node:path";
import type { ErrorInfo } from "../fleet/errors";
import { asFleetId } from "../fleet/identity/fleet-id";
import { StackKey } from "../fleet/plan/stack-config";
import { loadConfig } from "../project/config-file";
import { loadDefinition, type FleetDefinition } from "../project/definition";
import { readKeptProject } from "../project/kept-project";
import { packageRoot } from "../project/package-root";
import { placeOf, refuseWrongPlace } from "./place";
import { readSettings, declareRecord, type FleetSettings, type RecordedFleet } from "./record";

/** What the program declares. */
export interface DeclaredFleet extends RecordedFleet {
  definition: FleetDefinition;
  /** Why nothing could be decided in a region, by region. What is there stays as it is. */
  faults: ReadonlyMap<string, ErrorInfo>;
}

/**
 * The fleet where `spot` runs the program: just what it wrote into the stack's configuration.
 * @throws SpotError E_STACK_MISMATCH, and what `definitionFor` throws
 */
export async function fleetOfSpot(config: pulumi.Config): Promise<DeclaredFleet> {
  const { kept, ...settings } = readSettings(config);
  refuseWrongPlace(settings, await placeOf(process.env));
  const { lineage, pins, configFile = DEFAULT_CONFIG } = settings;
  if (lineage === undefined || pins === undefined)
    throw new pulumi.RunError(
      `the configuration of stack ${pulumi.getStack()} does not say what was decided; run \`spot up\` again`,
    );
  const record = { ...settings, lineage, pins, configFile };
  const fleet = { record, fleetSecret: config.requireSecret(StackKey.fleetSecret) };
  declareRecord(fleet);
  return { ...fleet, definition: definitionFor({ ...record, kept }), faults: new Map() };
}

export const DEFAULT_CONFIG = "config.yaml";

/** @throws SpotError E_STATE for a fleet ID that is none, and what `loadConfig` and `loadDefinition` throw */
export function definitionFor({
  lineage,
  configFile: file,
  kept,
}: { lineage: string; configFile: string } & Pick<FleetSettings, "kept">): FleetDefinition {
  const configFile = path.resolve(packageRoot(), file);
  const stack = pulumi.getStack();
  const whose = { stack, lineage: asFleetId(lineage, `Pulumi.${stack}.yaml`, { code: "E_STATE" }) };
  return kept === undefined
    ? loadDefinition({ config: loadConfig(configFile), configFile, ...whose })
    : readKeptProject(kept, stack).definition;
}
