import { SpotError } from "../../fleet/errors";
import { inventory, type CloudObject } from "../cloud/inventory";
import { sweep } from "../cloud/sweep";
import { lockState, type LockOwner } from "../engine/lock";
import { reread, type Session } from "../session";

/**
 * Clears what a killed run left, before anything new is begun: a dead lock, pending operations, and what was created
 * but never recorded. In this order: the engine alone would create the pending ones a second time.
 * Never breaks the lock of a run that lives, or that lives on another machine.
 * @throws SpotError E_LOCKED
 */
export async function recover(session: Session, regions: string[]): Promise<Session> {
  await clearDeadLock(session);
  if (session.state.pendingOperations > 0) {
    await session.stack.clearPendingOperations();
    say(session, `dropped ${session.state.pendingOperations} operations that an earlier run left unfinished`);
    session = await reread(session);
  }
  const orphans = await orphansOf(session, regions);
  if (orphans.length > 0) {
    const failures = await sweep(session.cloud, session.lineage, orphans, {
      signal: session.interrupts.hard,
      onDeleted: ({ kind, id, region }) => say(session, `ended ${kind} ${id} in ${region}: created by an earlier run and never recorded`),
    });
    for (const { object, error } of failures) {
      session.reporter.emit({
        type: "message",
        level: "warning",
        subject: object.region,
        message: `${object.kind} ${object.id} of an earlier run could not be ended: ${error instanceof Error ? error.message : String(error)}`,
      });
    }
  }
  return session;
}

/** Ours by lineage, and not in the state: nobody will ever end it unless we do. */
async function orphansOf(session: Session, regions: string[]): Promise<CloudObject[]> {
  const recorded = new Set(session.state.resources.map(({ id }) => id));
  const found = await inventory(session.cloud, session.lineage, regions);
  // A root volume goes with its instance; only what no recorded instance holds is an orphan.
  return found.flatMap(({ objects }) => objects).filter(({ kind, id, detail }) => !recorded.has(id) && !(kind === "volume" && detail === "in-use"));
}

async function clearDeadLock(session: Session): Promise<void> {
  const owners = await session.stack.lockOwners();
  if (owners.length === 0) return;
  const holder = owners.find((owner) => lockState(owner) !== "dead");
  if (holder) throw lockedError(session.target.stack, holder);
  await session.stack.clearLock();
  say(session, `cleared the lock of a run that no longer lives (process ${owners.map(({ pid }) => pid).join(", ")})`);
}

/** Who holds the lock, since when, and whether that process lives. */
function lockedError(stack: string, owner: LockOwner): SpotError {
  const minutes = Math.max(0, Math.round((Date.now() - owner.since.getTime()) / 60_000));
  const alive = lockState(owner) === "alive";
  return new SpotError("E_LOCKED", {
    message: `stack ${stack} is locked by ${owner.user} on ${owner.host}, process ${owner.pid}, for ${minutes} min; ${alive ? "it is running" : "whether it still runs cannot be seen from here"}`,
    next: alive ? "Wait for that run to end." : "When that run is surely dead, run `pulumi cancel`, then the command again.",
  });
}

function say(session: Session, message: string): void {
  session.reporter.emit({ type: "message", level: "warning", subject: "recovery", message });
}
