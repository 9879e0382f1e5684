import { isSpotError } from "../../../fleet/errors";
import { classifyFailure } from "../../../fleet/aws/error-codes";
import { endOrphans, forgetLost, lookAt } from "../run/recover";
import type { Progress, UpRun } from "./progress";

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
  const isOutdated = at.outcomes.at(-1)?.failures.some(({ message }) => classifyFailure(message).staleState);
  let { session } = at;
  try {
    const look = await lookAt(session, run.regions);
    ({ session } = await endOrphans(session, look));
    if (isOutdated) session = await forgetLost(session, look.regions);
  } catch (error) {
    if (!isSpotError(error) || error.code !== "E_LOCKED") throw error;
  }
  return { ...at, session };
}
