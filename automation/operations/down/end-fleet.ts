import { existsSync } from "node:fs";
import path from "node:path";
import { SpotError } from "../../../fleet/errors";
import { again, outside, spot, type Step } from "../../../fleet/steps";
import { Tag } from "../../../fleet/model";
import { pluralize } from "../../../fleet/text/words";
import { enabledRegionsAnd } from "../../../cloud/enabled-regions";
import type { FleetObject } from "../../../cloud/resources/find";
import { inventory, inventoryOfIds } from "../../../cloud/resources/inventory";
import type { HeldVpc } from "../../../cloud/resources/strangers";
import { holdsNothing } from "../../engine/state";
import { lostBy } from "../../session/lost-state";
import { recordedObjects } from "../../session/orphans";
import { exclusively } from "../../session/run-lock";
import { fleetRegions, type Session } from "../../session";
import { clearBrokenRun, endKilledRun } from "../run/recover";
import { deleteByTags } from "./delete-by-tags";
import { forgetStack } from "./forget-stack";
import { staysFor, tellHeld } from "./held";
import { coverageOf } from "./proof";
import { isProven, nothingFound, type DownResult } from "./result";

/**
 * Ends a whole fleet by its tags alone, in every region of the account, after confirmation, and proves it. For a fleet
 * whose record is lost, or cannot be used because its passphrase is; then what the record holds must be gone too.
 * @throws SpotError E_NOT_FOUND when nothing carries the fleet ID, E_USAGE when this stack's record holds it, E_DECLINED,
 *   E_LOCKED, E_KEY_LOST, E_PASSPHRASE
 */
export function endFleet(opened: Session, lineage: string): Promise<DownResult> {
  return exclusively(opened, async () => {
    const record = await recordOf(opened, lineage);
    const { isOwn, sealed } = record;
    const session = sealed ? await endKilledRun(opened) : (await clearBrokenRun(opened)).session;
    const { account } = session.identity;
    const used = isOwn ? fleetRegions(session) : [];
    const regions = await enabledRegionsAnd(session.cloud, used);
    const found = (await inventory(session.cloud, lineage, regions)).flatMap(({ objects }) => objects);
    if (found.length === 0 && !isOwn)
      throw new SpotError("E_NOT_FOUND", `nothing in account ${account} carries the fleet ID ${lineage}`);
    if (found.length > 0 || sealed) await confirmEnd(session, lineage, found, record);
    const held = await tellHeld(session, lineage, found);
    await deleteByTags(session, goingNow(found, held));
    const looked = [
      ...(await inventory(session.cloud, lineage, regions)),
      ...(sealed ? await inventoryOfIds(session.cloud, recordedObjects(session.state)) : []),
    ];
    const result: DownResult = {
      ...nothingFound(),
      account,
      found,
      held,
      leftovers: [...new Map(looked.flatMap(({ objects }) => objects).map((object) => [object.id, object])).values()],
      ...coverageOf(looked, [...used, ...found.map(({ region }) => region)], true),
    };
    return isOwn && isProven(result)
      ? { ...result, setAside: await forgetStack(session, [], sealed !== undefined) }
      : result;
  });
}

/** What the record of this place has to do with a fleet. */
interface FoundRecord {
  /** This stack is the fleet's. */
  isOwn: boolean;
  /** Why the record cannot be believed. */
  lost?: SpotError;
  /** Why the engine cannot go on with it. */
  sealed?: SpotError;
}

/** @throws SpotError E_USAGE, E_KEY_LOST, E_PASSPHRASE for a record by which the fleet is to be ended */
async function recordOf(opened: Session, lineage: string): Promise<FoundRecord> {
  const isOwn = opened.lineage === lineage;
  const look = async () => inventory(opened.cloud, lineage, fleetRegions(opened, opened.configured));
  const lost = opened.lost ?? (isOwn ? lostBy(opened, await look()) : undefined);
  const sealed = isOwn && opened.stackExists && !opened.damaged ? await opened.stack.sealed() : undefined;
  if (opened.state.lineage === lineage && !holdsNothing(opened.state) && !lost) refuseUsable(opened, sealed);
  return { isOwn, lost, sealed };
}

/** All but what somebody holds. A volume goes no sooner than the instance that it is attached to. */
function goingNow(found: readonly FleetObject[], held: HeldVpc[]): FleetObject[] {
  const ids = new Set(found.map(({ id }) => id));
  return found.filter((object) => !staysFor(held, object) && (object.heldBy === undefined || ids.has(object.heldBy)));
}

/**
 * A stack that the engine can go on with is ended by `down`. One that it cannot is ended here only where it is known who
 * else works on it: other backends than a folder tell nobody of their lock who has no passphrase.
 * @throws SpotError E_USAGE, E_KEY_LOST, E_PASSPHRASE
 */
function refuseUsable({ target, lineage, stack, keys }: Session, sealed: SpotError | undefined): void {
  if (!sealed)
    throw new SpotError("E_USAGE", {
      message: `the fleet ${lineage} is that of stack ${target.stack}, whose state is whole`,
      next: "Run `down` to end it.",
      step: spot("down"),
    });
  const own = path.join(keys, "passphrase");
  const refuse = (next: string, step: Step) =>
    new SpotError(sealed.code, { message: sealed.message, cause: sealed.cause, next, step });
  if (existsSync(own) && target.env.PULUMI_CONFIG_PASSPHRASE_FILE !== own)
    throw refuse(
      `Unset PULUMI_CONFIG_PASSPHRASE and PULUMI_CONFIG_PASSPHRASE_FILE: the fleet's own passphrase is in ${own}.`,
      outside("set-environment", again()),
    );
  if (!stack.stateFiles)
    throw refuse(
      `When nobody works on the stack: \`recover --fleet-id ${lineage} --stack NEW\` ends the fleet by its tags, \`pulumi stack rm --force\` forgets this stack.`,
      spot("recover", `--fleet-id=${lineage}`, "--stack=NEW"),
    );
}

/** Asked in the sandbox too: no record of this place says that the fleet is ours to end, or none that can be used. */
async function confirmEnd(
  session: Session,
  lineage: string,
  found: FleetObject[],
  { lost, sealed }: FoundRecord,
): Promise<void> {
  const { identity, target, reporter } = session;
  const instances = found.filter(({ kind }) => kind === "instance").length;
  const stacks = [...new Set(found.flatMap(({ tags }) => tags[Tag.stack] ?? []))].join(", ");
  const otherWay =
    sealed && !lost
      ? "Its state is whole: with the right passphrase, `down` ends it."
      : "If another machine has its state, run `down` there instead.";
  const what =
    found.length === 0
      ? `forget stack ${target.stack}: nothing carries the ID of its fleet ${lineage} any more`
      : `end the fleet ${lineage} (stack ${stacks}) by its tags, ${pluralize(instances, "instance")} and ${pluralize(found.length - instances, "other resource")}`;
  if (!(await reporter.confirm({ message: `Account ${identity.account}: ${what}? ${otherWay}`, unattended: false })))
    throw new SpotError("E_DECLINED", "nothing was changed");
}
