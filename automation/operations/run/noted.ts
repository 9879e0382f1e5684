import { wordsOf } from "../../../fleet/errors";
import type { RegionInventory } from "../../../cloud/resources/inventory";
import { recordedIds } from "../../engine/state";
import type { Session } from "../../session";

/**
 * Does what changes a stack, once it is on disk what there was before: a copy of the whole state to go back to, and a
 * note that tells later runs what this one made and could not record.
 * @param look what carried the fleet's ID just now
 * @throws SpotError E_BACKEND where that cannot be written: then nothing was begun
 */
export async function noted<T>(session: Session, look: readonly RegionInventory[], work: () => Promise<T>): Promise<T> {
  const { stack, stackExists, lineage } = session;
  if (stackExists) await stack.keepState();
  const seen = Object.fromEntries(
    look.flatMap(({ region, objects, error }) => (error ? [] : [[region, objects.map(({ id }) => id)]])),
  );
  stack.notes.begin(lineage, seen);
  try {
    return await work();
  } finally {
    await close(session);
  }
}

/** What is recorded whole needs no notes any more. A run whose work is done does not fail because of its notes. */
async function close({ stack, reporter }: Session): Promise<void> {
  if (!stack.notes.isOpen) return;
  try {
    const state = await stack.readState();
    if (state === undefined || state.pending.length > 0) return;
    stack.notes.end(recordedIds(state));
    await stack.keepState();
  } catch (error) {
    reporter.emit({
      type: "message",
      level: "warning",
      subject: "state",
      message: `no copy of the state was kept at the end of this run: ${wordsOf(error)}`,
    });
  }
}
