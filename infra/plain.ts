import * as pulumi from "@pulumi/pulumi";
import { randomBytes } from "node:crypto";
import path from "node:path";
import { cloudOf, type CloudPlace } from "../cloud/clients";
import { chooseCredentials } from "../cloud/credentials";
import { callerIdentity, type Identity } from "../cloud/identity";
import { isSpotError, SpotError } from "../fleet/errors";
import { newFleetId } from "../fleet/identity/fleet-id";
import { NO_PINS, StackKey, type FleetRecord } from "../fleet/plan/stack-config";
import { again, outside, spot } from "../fleet/steps";
import { loadConfig } from "../project/config-file";
import { packageRoot } from "../project/package-root";
import { decideOpen, refuseOpenAccess } from "./decide";
import { DEFAULT_CONFIG, definitionFor, type DeclaredFleet } from "./fleet";
import { placeOf, refuseWrongPlace, type Place } from "./place";
import { readSettings, recordedOr, type FleetSettings } from "./record";

/**
 * The fleet where plain Pulumi runs the program: as the state has it recorded, with what is open decided by the rules of
 * `spot up`. Without a record it is the fleet of the stack's configuration, and without that a new one.
 * @throws SpotError E_STATE for a fleet that an earlier version made and whose settings are lost, or for settings that are
 *   another fleet's; E_STACK_MISMATCH, E_ACCOUNT, E_CREDENTIALS, and what `decideOpen` and `loadConfig` throw
 */
export async function fleetOfPlain(config: pulumi.Config): Promise<DeclaredFleet> {
  const settings = readSettings(config);
  const secret = config.getSecret(StackKey.fleetSecret);
  const here = await placeOf(process.env);
  if (settings.lineage !== undefined) refuseWrongPlace(settings, here);
  const isComplete = settings.pins !== undefined && secret !== undefined;
  if (!isComplete) await refuseUnknown(settings);
  const cloudPlace = {
    credentials: chooseCredentials(process.env, undefined).credentials,
    endpoint: here.endpoint,
    foreignEndpoints: here.endpoints,
  };
  const identity = await identityFor(settings, cloudPlace);
  const record = freshRecord(settings, here, identity);
  const fresh = { record, fleetSecret: secret ?? pulumi.secret(randomBytes(32).toString("hex")) };
  const fleet = (await recordedOr(fresh)) ?? (isComplete ? fresh : undefined);
  if (fleet === undefined) {
    throw new SpotError("E_STATE", {
      message: `stack ${pulumi.getStack()} has no record of its fleet yet, and this run is not to make one`,
      next: "Run `pulumi up` once without targets.",
      step: outside("correct-command-line"),
    });
  }
  const kept = fleet.record;
  refuseOtherFleet(settings, kept);
  refuseWrongPlace(kept, here);
  refuseOtherAccount(kept, identity);
  const definition = definitionFor({ ...kept, ...given(settings) });
  const { pins, faults } = await decideOpen(definition, kept.pins, cloudPlace);
  return { ...fleet, record: { ...kept, pins }, definition, faults };
}

/** What only the stack's configuration has: which file the fleet is declared by, and what is being put back. */
const given = ({ configFile, kept }: FleetSettings): Pick<FleetSettings, "configFile" | "kept"> => ({
  ...(configFile === undefined ? {} : { configFile }),
  ...(kept === undefined ? {} : { kept }),
});

function freshRecord(settings: FleetSettings, here: Place, identity: Identity | undefined): FleetRecord {
  const isKnown = settings.lineage !== undefined;
  const place = isKnown ? settings : here;
  return {
    lineage: settings.lineage ?? newFleetId(),
    configFile: settings.configFile ?? DEFAULT_CONFIG,
    endpoint: place.endpoint,
    endpoints: Object.keys(place.endpoints ?? {}).length > 0 ? place.endpoints : undefined,
    account: settings.account ?? identity?.account,
    providerRegion: settings.providerRegion ?? identity?.region,
    pins: settings.pins ?? NO_PINS,
  };
}

/**
 * Whose the credentials are, asked where the work is. Undefined where the configuration that tells this cannot be read:
 * the record may name another one.
 */
async function identityFor({ configFile, pins }: FleetSettings, place: CloudPlace): Promise<Identity | undefined> {
  const regions = Object.keys(pins?.regions ?? {});
  if (regions.length === 0) {
    try {
      const config = loadConfig(path.resolve(packageRoot(), configFile ?? DEFAULT_CONFIG));
      regions.push(...config.regions.map(({ name }) => name));
    } catch (error) {
      if (isSpotError(error)) return undefined;
      throw error;
    }
  }
  const cloud = cloudOf(place);
  try {
    return await callerIdentity(cloud, regions);
  } finally {
    cloud.close();
  }
}

/** What another account answers would be taken for this fleet's. */
function refuseOtherAccount({ account }: FleetRecord, identity: Identity | undefined): void {
  if (account !== undefined && identity !== undefined && identity.account !== account)
    throw new SpotError("E_ACCOUNT", `the fleet is in account ${account}, the credentials are of ${identity.account}`);
}

function refuseOtherFleet(settings: FleetSettings, record: FleetRecord): void {
  const file = `Pulumi.${pulumi.getStack()}.yaml`;
  if (settings.lineage !== undefined && settings.lineage !== record.lineage)
    throw new SpotError("E_STATE", {
      message: `${file} speaks of the fleet ${settings.lineage}, the state of ${record.lineage}`,
      next: `Correct the line ${StackKey.lineage} in ${file}, or delete the file (all but its line \`encryptionsalt\`): the state is right.`,
      step: outside("correct-file", again()),
    });
}

/**
 * Called before anything is recorded, for a stack whose settings are missing or incomplete. Earlier versions recorded no more
 * than the stack's outputs, among them the fleet's secret: without its settings such a fleet would be taken for none, and
 * all of it for left over. And a stack that no run has made yet is not to be bound to an account by one that is refused.
 * @throws SpotError E_STATE; E_CONFIG_*, E_NETWORK, E_SSH_KEY for a new stack
 */
async function refuseUnknown({ configFile = DEFAULT_CONFIG, pins = NO_PINS }: FleetSettings): Promise<void> {
  const outputs = await lastOutputs();
  if (outputs[StackKey.fleetSecret] !== undefined)
    throw new SpotError("E_STATE", {
      message: `stack ${pulumi.getStack()} was made by an earlier version, and its settings are missing or incomplete`,
      next: "Run `spot up` once: it writes them again, and records them in the state.",
      step: spot("up"),
    });
  if (outputs[StackKey.lineage] === undefined)
    refuseOpenAccess(loadConfig(path.resolve(packageRoot(), configFile)), pins.ssh);
}

/** The stack's outputs after the last run that succeeded. */
async function lastOutputs(): Promise<Record<string, unknown>> {
  const name = `${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`;
  const answer: unknown = await pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", { name });
  return (answer as { outputs?: Record<string, unknown> }).outputs ?? {};
}
