import { randomBytes } from "node:crypto";
import path from "node:path";
import type { Pins } from "../../../fleet/model";
import { ingredientsFor, withIngredients } from "../../../fleet/plan/ingredients";
import { StackKey } from "../../../fleet/plan/stack-config";
import { qualified } from "../../engine/stack";
import { holdsNothing } from "../../engine/state";
import {
  forgetSalt,
  holdsSecrets,
  readStackSettings,
  writeStackSettings,
  type StackSettings,
} from "../../engine/stack-config";
import { rememberConfig } from "../../session/last-config";
import { ensurePassphrase, type Session } from "../../session";
import type { UpPlan } from "./plan-up";
import type { FleetDefinition } from "../../../project/definition";

/** Makes the stack and writes everything that the program reads. Answers the fleet's secret. */
export async function prepareStack(session: Session, plan: UpPlan): Promise<string> {
  await ensureStack(session, () => writePins(session, plan.definition, plan.decisions.pins));
  rememberConfig(session);
  keepIngredients(session, plan);
  const key = qualified(StackKey.fleetSecret);
  let secret = await session.stack.readSecretConfig(key);
  if (secret === undefined) {
    secret =
      (session.stackExists ? await session.stack.readRecordedSecret() : undefined) ?? randomBytes(32).toString("hex");
    await session.stack.writeSecretConfig(key, secret);
  }
  return secret;
}

/** Makes a stack where there is none, for plain Pulumi to fill: what tells whose it is, and the key to its secrets. */
export async function beginStack(session: Session): Promise<void> {
  const configFile = session.settings.configFile ?? configPath(session, session.configFile);
  await ensureStack(session, () => writeStackSettings(session.stack.configFile, { ...ownerOf(session), configFile }));
}

async function ensureStack(session: Session, writeSettings: () => void): Promise<void> {
  const isMinted = await ensurePassphrase(session);
  const isStale = isMinted && session.stackExists && holdsNothing(session.state) && isKeyless(session);
  if (isStale) {
    await session.stack.remove();
    forgetSalt(session.stack.configFile);
  }
  // The lineage first: it is what the passphrase is found by, so a run that is broken off here can be gone on from.
  writeSettings();
  if (!session.stackExists || isStale) await session.stack.ensure();
}

/** Before anything is made: whatever this run comes to, the next plan can tell which file or setting differs. */
function keepIngredients({ stack, state }: Session, { definition, decisions, changes }: UpPlan): void {
  const made = changes.flatMap(({ to }) => to?.generation ?? []);
  const known = withIngredients(stack.ingredients.read(), made, definition.ingredients(decisions.pins.ssh.publicKey));
  stack.ingredients.keep(ingredientsFor(known, [...made, ...state.nodes.map(({ generation }) => generation)]));
}

/**
 * Nothing that anybody keeps depends on the passphrase of this stack, which is lost. Where the settings have secrets, or a
 * service keeps the stack, somebody may have made it by hand.
 */
function isKeyless({ stack }: Session): boolean {
  return stack.stateFiles !== undefined && !holdsSecrets(stack.configFile);
}

/**
 * Writes what the program and plain `pulumi up` read: whose fleet it is, and what was decided.
 * @param file in the place of the stack's own settings
 */
export function writePins(
  session: Session,
  { configFile, kept }: FleetDefinition,
  pins: Pins,
  file = session.stack.configFile,
): void {
  writeStackSettings(file, { ...ownerOf(session), configFile: configPath(session, configFile), kept, pins });
}

/** Relative where the file lies in the project. */
function configPath({ projectDir }: Session, configFile: string): string {
  const relative = path.relative(projectDir, configFile);
  return relative.startsWith("..") ? configFile : relative;
}

/**
 * Writes down again whose fleet it is where the settings are lost: once `down` has emptied the state, nothing else tells
 * of what it had to leave.
 */
export function restoreOwner(session: Session): void {
  const { configFile } = session.stack;
  if (session.state.lineage !== undefined && readStackSettings(configFile).lineage === undefined)
    writeStackSettings(configFile, ownerOf(session));
}

/** Fleet ID, place and account. */
function ownerOf({ lineage, target, identity }: Session): Omit<StackSettings, "configFile" | "kept" | "pins"> {
  const { endpoint, foreignEndpoints } = target;
  return {
    lineage,
    endpoint,
    endpoints: Object.keys(foreignEndpoints).length > 0 ? foreignEndpoints : undefined,
    account: identity.account,
    providerRegion: identity.region,
  };
}
