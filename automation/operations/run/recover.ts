import path from "node:path";
import { AwsType, isOfAws } from "../../../fleet/aws/resource-types";
import { errorInfo, SpotError, wordsOf, type ErrorInfo } from "../../../fleet/errors";
import { shortType } from "../../../fleet/plan/resource-changes";
import { again, spot } from "../../../fleet/steps";
import { Tag } from "../../../fleet/model";
import { pluralize } from "../../../fleet/text/words";
import { deleteOfFleet } from "../../../cloud/resources/delete";
import { inventory, type FleetObject, type RegionInventory } from "../../../cloud/resources/inventory";
import { partsOf, type NetworkLook, type NetworkPart } from "../../../cloud/resources/network-parts";
import { lockedError, lockState } from "../../engine/lock";
import { unseenOf, type PendingOperation, type StateResource } from "../../engine/state";
import { endStrays, straysOf } from "../../engine/strays";
import { lostBy } from "../../session/lost-state";
import { madeOf, orphansAmong, tellUnexplained } from "../../session/orphans";
import { dividedLook } from "../../session/ownership";
import { reread, type Session } from "../../session";
import { driftOf, tellUnlooked, type DriftLook } from "./drift";
import { createError } from "./engine-events";
import { networksOfRecorded, removeParts, unrecordedParts } from "./unrecorded-parts";

/** How long what a killed run left running may take to end by itself: a call that is under way comes to its end. */
const STRAY_PATIENCE_MS = 10_000;

/** Resource types whose objects `inventory` lists: for these, not being listed means being gone. */
const LISTED_TYPES: Record<string, "instance" | "network"> = {
  [AwsType.instance]: "instance",
  [AwsType.vpc]: "network",
  [AwsType.subnet]: "network",
  [AwsType.internetGateway]: "network",
  [AwsType.routeTable]: "network",
  [AwsType.securityGroup]: "network",
};

/**
 * Brings record and cloud together again before anything new is begun: what a killed run left running or locked, what
 * was created and never recorded, and what is recorded and no longer there. Changes nothing where the two agree.
 * Never breaks the lock of a run that lives, or that lives on another machine. Call it inside `exclusively`.
 * @param dropped unfinished operations that the caller has dropped from the record already
 * @returns `found`: what was done outside to rules, routes and the like, which is not written into the record: who puts
 *   it right does so (`forgetLost`) once that is agreed to, for afterwards the record does not know what was there
 * @throws SpotError E_LOCKED; E_STATE when the record was lost
 */
export async function recover(
  opened: Session,
  regions: string[],
  dropped: readonly PendingOperation[] = [],
): Promise<{ session: Session; look: Look; found: DriftLook }> {
  const cleared = await clearBrokenRun(opened);
  const pending = [...dropped, ...cleared.pending];
  const seen = await lookAt(cleared.session, regions);
  const others = dividedLook(cleared.session, seen.regions).others.filter(({ kind }) => kind === "instance");
  // An operation that was dropped a moment ago still tells of an instance that it may have made.
  const lost =
    lostBy({ ...cleared.session, state: { ...cleared.session.state, pending } }, seen.regions) ??
    copiedSettings(cleared.session, others);
  if (lost) throw lost;
  const { session, left, removed } = await endOrphans(cleared.session, seen);
  const look = removed === 0 ? seen : { ...seen, ...(await partsAt(session, regions)) };
  if (left === 0 && look.regions.every(({ error }) => error === undefined)) session.stack.notes.settle();
  const doubtful = new Set(pending.flatMap(({ region }) => region ?? []));
  tellUnlooked(session, look);
  const unseen = unseenOf(session.state);
  const recovered = await forgetLost(session, look.regions, { doubtful, asked: unseen });
  // What this run made of the record is believed by the next one, even where it goes no further.
  if (recovered.state !== opened.state && recovered.stackExists) await recovered.stack.keepState();
  // Who may log in was agreed to as it was recorded before anything was forgotten.
  return {
    session: recovered,
    look,
    found: { ...driftOf(recovered, look, unseen), before: session.state, held: unseenRegions(recovered) },
  };
}

/** Ends what a killed run left running and clears its lock. @throws SpotError E_LOCKED */
export async function endKilledRun(opened: Session): Promise<Session> {
  const strays = straysOf(opened.stack.key);
  if (strays.length > 0) {
    say(opened, `a killed run left ${pluralize(strays.length, "process", "processes")}; waiting for them to end`);
    await endStrays(strays, STRAY_PATIENCE_MS);
  }
  const locked = await clearDeadLock(opened);
  // What was read when the session was opened is older than what those processes wrote since.
  return (strays.length > 0 || locked) && !opened.damaged ? reread(opened) : opened;
}

/**
 * The same, and drops its pending operations: the engine alone would create those a second time. Answers them: each may
 * have taken effect.
 * @throws SpotError E_LOCKED
 */
export async function clearBrokenRun(opened: Session): Promise<{ session: Session; pending: PendingOperation[] }> {
  let session = await endKilledRun(opened);
  const { pending } = session.state;
  if (pending.length > 0) {
    session.stack.notes.adopt(session.lineage, pending);
    await session.stack.clearPendingOperations();
    say(session, `dropped ${pluralize(pending.length, "operation")} that an earlier run left unfinished`);
    session = await reread(session);
  }
  return { session, pending };
}

/** What there is in AWS, as one moment showed it. */
export interface Look {
  regions: RegionInventory[];
  /** Of the groups and networks that the record held then. */
  networks: NetworkLook[];
  /** Everything in `networks`, each with the way to remove it. */
  parts: NetworkPart[];
}

/** Looks at everything of the fleet in these regions. A region that cannot be looked at spoils no other; `regions` tells of it. */
export async function lookAt(session: Session, regions: string[]): Promise<Look> {
  const [inventories, ofNetworks] = await Promise.all([
    inventory(session.cloud, session.lineage, regions),
    partsAt(session, regions),
  ]);
  return { regions: inventories, ...ofNetworks };
}

async function partsAt(session: Session, regions: string[]): Promise<Pick<Look, "networks" | "parts">> {
  const networks = await networksOfRecorded(session, regions);
  return { networks, parts: networks.flatMap((network) => partsOf(session.cloud, network)) };
}

/**
 * Ends what a run of ours made and could not record: nobody else ever will. What nothing explains is told of and left
 * alone. Safe beside other runs by its order: what was listed before the lock was seen free is in the record read after
 * that, or its run died without recording it.
 * @param look what was listed before this call
 * @returns `left`: how many of them could not be ended; `removed`: how many parts of networks were to go
 * @throws SpotError E_LOCKED while another run is at work
 */
export async function endOrphans(
  session: Session,
  look: Look,
): Promise<{ session: Session; left: number; removed: number }> {
  const { own } = dividedLook(session, look.regions);
  const { explained, unexplained } = orphansAmong(session, own);
  // What somebody put in the place of something recorded goes when that is made again, and is all there is until then.
  const standIns = new Set(driftOf(session, look).drift.flatMap(({ inTheWay }) => inTheWay));
  const parts = look.parts.filter(({ id }) => id === undefined || !standIns.has(id));
  if (explained.length === 0 && unexplained.length === 0 && unrecordedParts(session, parts).length === 0)
    return { session, left: 0, removed: 0 };
  await clearDeadLock(session);
  const current = await reread(session);
  const unrecorded = unrecordedParts(current, parts);
  await removeParts(current, unrecorded);
  const orphans = orphansAmong(current, own);
  tellUnexplained(current, orphans.unexplained);
  const failures = await deleteOfFleet(current.cloud, orphans.explained, {
    signal: current.interrupts.hard,
    onDeleted: (object) => {
      current.stack.notes.found(current.lineage, { ...madeOf(object), id: object.id });
      say(current, `ended ${object.kind} ${object.id} in ${object.region}: created and never recorded`);
    },
  });
  for (const { object, error } of failures) {
    current.reporter.emit({
      type: "message",
      level: "warning",
      subject: object.region,
      message: `${object.kind} ${object.id} of an earlier run could not be ended: ${wordsOf(error)}`,
    });
  }
  return { session: current, left: failures.length, removed: unrecorded.length };
}

/** A stack without anything of its own has the ID of one that has: one took the settings of the other, salt and all. */
function copiedSettings({ state, target, stack, lineage }: Session, others: FleetObject[]): SpotError | undefined {
  if (state.regions.length > 0 || others.length === 0) return undefined;
  const file = path.basename(stack.configFile);
  const owners = [...new Set(others.map(({ tags }) => tags[Tag.stack] ?? "none"))].sort();
  return new SpotError("E_STATE", {
    message: `${file} has the fleet ID ${lineage} of ${pluralize(others.length, "instance")} of stack ${owners.join(", ")}, and stack ${target.stack} has nothing: one of them has a copy of the other's settings`,
    next: `Nothing was changed. Run \`down\` for stack ${target.stack}: it ends nothing, and drops its settings; \`up\` then gives the stack an ID of its own.`,
    step: spot("down"),
  });
}

/**
 * Has the engine ask for what is recorded and not listed, and for whatever else must be asked for; it forgets what is
 * really gone, so that it is made again.
 * Where a part of a network is gone, or a network stands without nodes (a broken-off `down`), the whole region is asked
 * for: routes and associations have no tags to list them by.
 * @param more `asked`: URNs of what was changed outside, or was not seen whole yet
 * @throws SpotError E_PROVIDER, E_PROGRAM when the engine could not ask at all
 */
export async function forgetLost(
  session: Session,
  look: readonly RegionInventory[],
  { doubtful, asked = [] }: { doubtful?: ReadonlySet<string>; asked?: readonly string[] } = {},
): Promise<Session> {
  const lost = new Set([...lostOf(session, look, doubtful).map(({ urn }) => urn), ...asked]);
  if (lost.size === 0) return session;
  const outcome = await session.stack.refresh([...lost]);
  const { failures, programErrors, interrupted } = outcome;
  if (programErrors.length > 0 && !interrupted) throw createError(outcome, session);
  for (const { step, message } of failures)
    session.reporter.emit({
      type: "message",
      level: "warning",
      subject: "recovery",
      message: `what became of ${step.name} could not be found out: ${message}`,
    });
  const current = await reread(session);
  const kept = new Set(current.state.resources.map(({ id }) => id));
  for (const { name, instanceId, pin } of session.state.nodes.filter(({ instanceId }) => !kept.has(instanceId))) {
    session.reporter.emit({
      type: "message",
      level: "warning",
      subject: name,
      message: `its instance ${instanceId} in ${pin.pool.region} is gone; \`up\` makes it again`,
    });
  }
  return current;
}

/**
 * Regions in which something is half made although the engine was to ask for it: whoever planned there would take it for
 * whole.
 */
export function unseenRegions({ state }: Session): ReadonlyMap<string, ErrorInfo> {
  const held = new Map<string, ErrorInfo>();
  for (const { type, name, id, inputs, isHalfMade } of state.resources) {
    const { region } = inputs;
    if (!isHalfMade || typeof region !== "string" || held.has(region)) continue;
    const error = new SpotError("E_AWS", {
      message: `${region}: what became of ${shortType(type)} ${name} (${id}), which was left half made, could not be found out; what stands there stays as it is`,
      next: "Put right what the warning says, or wait, and run the command again.",
      step: again(),
    });
    held.set(region, errorInfo(error));
  }
  return held;
}

/** What is recorded and not there any more, as far as a listing tells, and what must be asked for because of it. */
export function lostOf(
  { state }: Session,
  look: readonly RegionInventory[],
  doubtful: ReadonlySet<string> = new Set(),
): StateResource[] {
  return look
    .filter(({ error }) => error === undefined)
    .flatMap(({ region, objects }) => {
      const here = state.resources.filter(
        ({ custom, type, inputs }) => custom && isOfAws(type) && inputs.region === region,
      );
      const alive = new Set(objects.filter(({ detail }) => detail !== "shutting-down").map(({ id }) => id));
      const gone = here.filter(({ type, id }) => LISTED_TYPES[type] !== undefined && !alive.has(id));
      const empty = here.length > 0 && !here.some(({ type }) => LISTED_TYPES[type] === "instance");
      const whole = doubtful.has(region) || empty || gone.some(({ type }) => LISTED_TYPES[type] === "network");
      return whole ? here : gone;
    });
}

/** True when there was a lock to clear. @throws SpotError E_LOCKED */
async function clearDeadLock(session: Session): Promise<boolean> {
  await session.stack.refuseUpdateUnderWay();
  await session.stack.clearUnfinishedLocks();
  const owners = await session.stack.lockOwners();
  if (owners.length === 0) return false;
  const holder = owners.find((owner) => lockState(owner) !== "dead");
  if (holder) throw lockedError(session.target.stack, holder, lockState(holder));
  await session.stack.clearLocks(owners);
  say(session, `cleared the lock of a run that no longer lives (process ${owners.map(({ pid }) => pid).join(", ")})`);
  return true;
}

function say(session: Session, message: string): void {
  session.reporter.emit({ type: "message", level: "warning", subject: "recovery", message });
}
