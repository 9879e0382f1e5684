import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Pins } from "../../../fleet/model";
import { ingredientsFor, withIngredients } from "../../../fleet/plan/ingredients";
import { StackKey } from "../../../fleet/plan/stack-config";
import { qualified } from "../../engine/stack";
import { writeStackSettings, type StackSettings } from "../../engine/stack-config";
import { rememberConfig } from "../../session/last-config";
import { ensurePassphrase, type Session } from "../../session";
import type { UpPlan } from "./plan-up";
import type { FleetDefinition } from "../../../project/definition";

/** Makes the stack and writes everything that the program reads. Answers the fleet's secret. */
export async function prepareStack(session: Session, plan: UpPlan): Promise<string> {
  const isMinted = await ensurePassphrase(session);
  const isStale = isMinted && session.stackExists && isKeyless(session);
  if (isStale) await session.stack.remove();
  // The lineage first: it is what the passphrase is found by, so a run that is broken off here can be gone on from.
  writePins(session, plan.definition, plan.decisions.pins);
  if (!session.stackExists || isStale) await session.stack.ensure();
  rememberConfig(session);
  keepIngredients(session, plan);
  const key = qualified(StackKey.fleetSecret);
  let secret = await session.stack.readSecretConfig(key);
  if (secret === undefined) {
    secret =
      (session.stackExists ? await session.stack.readSecretOutput(StackKey.fleetSecret) : undefined) ??
      randomBytes(32).toString("hex");
    await session.stack.writeSecretConfig(key, secret);
  }
  return secret;
}

/** Before anything is made: whatever this run comes to, the next plan can tell which file or setting differs. */
function keepIngredients({ stack, state }: Session, { definition, decisions, changes }: UpPlan): void {
  const made = changes.flatMap(({ to }) => to?.generation ?? []);
  const known = withIngredients(stack.ingredients.read(), made, definition.ingredients(decisions.pins.ssh.publicKey));
  stack.ingredients.keep(ingredientsFor(known, [...made, ...state.nodes.map(({ generation }) => generation)]));
}

/**
 * A stack in a folder that holds nothing, and whose settings are lost: the passphrase that its state was made with was
 * found by them alone. Where the settings have a salt, or a service keeps the stack, somebody may have made it by hand.
 */
function isKeyless({ stack }: Session): boolean {
  return (
    stack.stateFiles !== undefined &&
    !(existsSync(stack.configFile) && readFileSync(stack.configFile, "utf8").includes("encryptionsalt"))
  );
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
  const relative = path.relative(session.projectDir, configFile);
  writeStackSettings(file, {
    ...ownerOf(session),
    configFile: relative.startsWith("..") ? configFile : relative,
    kept,
    pins,
  });
}

/**
 * Writes down again whose fleet it is where the settings are lost: once `down` has emptied the state, nothing else tells
 * of what it had to leave.
 */
export function restoreOwner(session: Session): void {
  if (session.settings.lineage === undefined && session.state.lineage !== undefined)
    writeStackSettings(session.stack.configFile, ownerOf(session));
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
