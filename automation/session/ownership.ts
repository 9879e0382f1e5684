import path from "node:path";
import { accountOfArn } from "../../fleet/identity/account";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { asFleetId } from "../../fleet/identity/fleet-id";
import { isOfStack, shortName } from "../../fleet/identity/ownership";
import { StackKey } from "../../fleet/plan/stack-config";
import { pluralize } from "../../fleet/text/words";
import { endpointsText } from "../../project/aws-endpoints";
import type { Cloud } from "../../cloud/clients";
import { callerIdentity, type Identity } from "../../cloud/identity";
import { inventory, type FleetObject, type RegionInventory } from "../../cloud/resources/inventory";
import type { EngineStack } from "../engine/stack";
import type { StackSettings } from "../engine/stack-config";
import type { StackState } from "../engine/state";
import type { Target } from "../target";

/** What is known of a stack before anything is asked. */
interface Known {
  target: Target;
  stack: EngineStack;
  state: StackState;
  settings: Partial<StackSettings>;
  /** The fleet ID. */
  lineage: string;
}

/**
 * The fleet ID by state and settings; undefined for a stack that has none yet.
 * @throws SpotError E_STATE when one of them is no fleet ID, when they contradict each other, or when the state is that
 *   of another stack
 */
export function fleetIdOf(
  { configFile }: Pick<EngineStack, "configFile">,
  stack: string,
  state: StackState,
  settings: Partial<StackSettings>,
): string | undefined {
  const file = path.basename(configFile);
  const correct = `Correct the line ${StackKey.lineage} in ${file}, or delete the file (all but its line \`encryptionsalt\`): it is derived from the state.`;
  const step = outside("correct-file", again());
  const strange = state.resources.find(({ urn }) => urn.split("::")[0] !== `urn:pulumi:${shortName(stack)}`);
  if (strange) {
    throw new SpotError("E_STATE", {
      message: `the state of stack ${stack} is that of another stack: it holds ${strange.urn}`,
      next: `Nothing was changed. Put the stack's own state back, or name the stack that this one was copied from with --stack; \`pulumi stack rename\` is the way to rename one.`,
      step: outside("correct-file", again()),
    });
  }
  const recorded =
    state.lineage === undefined
      ? undefined
      : asFleetId(state.lineage, `the state of stack ${stack}`, {
          code: "E_STATE",
          next: "Nothing was changed. Restore an older version of the state.",
          step: outside("correct-file", again()),
        });
  const set =
    settings.lineage === undefined
      ? undefined
      : asFleetId(settings.lineage, file, { code: "E_STATE", next: correct, step });
  if (recorded !== undefined && set !== undefined && set !== recorded)
    throw new SpotError("E_STATE", {
      message: `${file} speaks of the fleet ${set}, the state of ${recorded}`,
      next: correct,
      step,
    });
  return recorded ?? set;
}

/**
 * The account that a stack's fleet is in, by what AWS itself said of its resources; else by what was written down when
 * the fleet was made. Undefined when nothing tells.
 * @throws SpotError E_STATE when the two contradict each other
 */
export function recordedAccount(
  state: StackState,
  settings: Partial<StackSettings>,
  configFile: string,
): string | undefined {
  const [seen, ...others] = new Set(
    state.resources.flatMap(
      ({ outputs }) => (typeof outputs.arn === "string" ? accountOfArn(outputs.arn) : undefined) ?? [],
    ),
  );
  if (others.length > 0)
    throw new SpotError("E_STATE", `the state holds resources of several accounts: ${[seen, ...others].join(", ")}`);
  const inState = seen ?? state.account;
  if (inState !== undefined && settings.account !== undefined && inState !== settings.account) {
    throw new SpotError("E_STATE", {
      message: `${path.basename(configFile)} speaks of account ${settings.account}, the state of account ${inState}`,
      next: `Correct the line ${StackKey.account} in ${path.basename(configFile)}: the state is right.`,
      step: outside("correct-file", again()),
    });
  }
  return inState ?? settings.account;
}

/**
 * Who the credentials belong to, once it is proven that the fleet is in that account: what is seen in another one says
 * nothing about the fleet, and "not found" there is not "gone".
 * @param regions in which the fleet is or is to be
 * @throws SpotError E_ACCOUNT that names both accounts; E_CREDENTIALS, E_STATE
 */
export async function ownIdentity(cloud: Cloud, known: Known, regions: readonly string[]): Promise<Identity> {
  const { state, settings, stack, target } = known;
  const recorded = recordedAccount(state, settings, stack.configFile);
  const identity = await callerIdentity(cloud, regions);
  if (recorded === identity.account) return identity;
  if (recorded !== undefined) {
    throw new SpotError(
      "E_ACCOUNT",
      `stack ${target.stack} is in account ${recorded}, these credentials are of account ${identity.account} (${identity.arn})`,
    );
  }
  if (state.regions.length === 0 || (await isSeen(cloud, known))) return identity;
  throw new SpotError("E_ACCOUNT", {
    message: `nothing tells in which account the ${pluralize(state.resources.length, "resource")} of stack ${target.stack} are, and none of them can be seen in account ${identity.account}`,
    next: `Nothing was changed. Log in to the account that the fleet was made in (AWS_PROFILE / --profile). \`recover --fleet-id ${known.lineage} --stack NEW\` ends what is left of it in an account, by its tags.`,
    step: outside("log-in", again()),
  });
}

/** One object that has both an id of the state and the fleet's tag proves the account: ids are not reused. */
async function isSeen(cloud: Cloud, { state, lineage }: Known): Promise<boolean> {
  const ids = new Set(state.resources.map(({ id }) => id));
  const looked = await inventory(cloud, lineage, state.regions);
  return looked.some(({ objects }) => objects.some(({ id }) => ids.has(id)));
}

/**
 * Divides what carries the fleet ID of a stack: what is the stack's, by its tags too or because its state holds it, and
 * what another stack with the same ID owns.
 */
export function divided<T extends { id: string; tags: Record<string, string> }>(
  { state, target }: Pick<Known, "state" | "target">,
  objects: readonly T[],
): { own: T[]; others: T[] } {
  const recorded = new Set(state.resources.map(({ id }) => id));
  const isOwn = ({ id, tags }: T): boolean => recorded.has(id) || isOfStack(tags, target.stack);
  return { own: objects.filter(isOwn), others: objects.filter((object) => !isOwn(object)) };
}

/** The same of what a look at regions showed; one that did not answer shows nothing. */
export function dividedLook(
  place: Pick<Known, "state" | "target">,
  look: readonly RegionInventory[],
): { own: FleetObject[]; others: FleetObject[] } {
  return divided(
    place,
    look.flatMap(({ objects }) => objects),
  );
}

/** What is said, and asked by `up`, when a stack is first used at a place that is not AWS. */
export interface NewEndpoints {
  notice: string;
  question: string;
}

/**
 * An endpoint counts as part of the account. A stack that was made or brought up since endpoints are recorded is bound
 * to those that it has; any other is asked about, by `up` alone.
 * @throws SpotError E_ACCOUNT
 */
export function newEndpoints(
  { target, state, settings }: Pick<Known, "target" | "state" | "settings">,
  asks: boolean,
): NewEndpoints | undefined {
  const now = target.foreignEndpoints;
  if (target.kind === "sandbox") return undefined;
  const isRecorded = (settings.account ?? state.account) !== undefined;
  const recorded = settings.endpoints ?? state.endpoints ?? {};
  if (endpointsText(now) === endpointsText(recorded)) return undefined;
  if (isRecorded || (state.regions.length > 0 && !asks)) {
    throw new SpotError("E_ACCOUNT", {
      message: `stack ${target.stack} belongs to ${endpointsText(recorded)}, the settings of this shell lead to ${endpointsText(now)}`,
      next: "Set AWS_ENDPOINT_URL*, or `endpoint_url` of the profile, as they were when the stack was made, or choose another --stack.",
      step: outside("set-environment", again()),
    });
  }
  const notice = `${endpointsText(now)} is asked instead of AWS (AWS_ENDPOINT_URL*, or \`endpoint_url\` of the profile)`;
  return { notice, question: `Stack ${target.stack}: ${notice}. Does the stack belong there, from now on?` };
}
