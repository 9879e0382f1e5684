import { isSpotError, wordsOf } from "../../../fleet/errors";
import { classifyFailure } from "../../../fleet/aws/error-codes";
import { unseenOf } from "../../engine/state";
import { endOrphans, forgetLost, lookAt } from "../run/recover";
import { isStopped, type Progress, type UpRun } from "./progress";

/**
 * Brings record and cloud together again. A call whose answer was lost, or that a provider was killed in, may have
 * taken effect all the same; and one that a killed run had made may take effect only now. Another run that has begun
 * meanwhile clears up by itself.
 */
export async function reconcile(run: UpRun, at: Progress): Promise<Progress> {
  const didSomething = at.outcomes.some(
    ({ steps, failures }) => failures.length > 0 || steps.some(({ op }) => op !== "same"),
  );
  if (!didSomething || at.session.interrupts.hard.aborted) return at;
  const isStale = at.outcomes.at(-1)?.failures.some(({ message }) => classifyFailure(message).staleState);
  let { session } = at;
  try {
    const look = await lookAt(session, run.regions);
    ({ session } = await endOrphans(session, look));
    // No engine begins to work once a run is to end.
    if (isStopped(run)) return { ...at, session };
    // A listing may not have what was made a moment ago: beyond what is unseen it is believed only where AWS contradicts
    // the record.
    session = await forgetLost(session, isStale ? look.regions : [], { asked: unseenOf(session.state) });
  } catch (error) {
    if (!isSpotError(error)) throw error;
    // What failed first is to be told, and not this.
    if (error.code !== "E_LOCKED")
      session.reporter.emit({ type: "message", level: "warning", subject: "recovery", message: wordsOf(error) });
  }
  return { ...at, session };
}
