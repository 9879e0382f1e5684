import { watchSignals, type Interrupts } from "../../automation/session/interrupts";
import { SpotError, type SpotErrorInput } from "../../fleet/errors";
import { again } from "../../fleet/steps";
import type { Reporter } from "../../fleet/report/events";

/** Runs `work` with the signals of this process turned into interrupts. */
export async function interruptible<T>(reporter: Reporter, work: (interrupts: Interrupts) => Promise<T>): Promise<T> {
  // What comes may load the SDK, in a process that is the command line's own.
  await import("../../automation/engine/lean-sdk/preload.js");
  const interrupts = watchSignals((stage) =>
    reporter.emit({
      type: "message",
      level: "warning",
      message:
        stage === "soft"
          ? "interrupted: finishing what is in flight; interrupt again to stop at once"
          : "stopping at once; the next run clears up",
    }),
  );
  try {
    return await work(interrupts);
  } catch (error) {
    // What was cut off because of the second wish did not fail by itself.
    interrupts.hard.throwIfAborted();
    throw error;
  } finally {
    interrupts.release();
  }
}

const UNCHANGED: SpotErrorInput = {
  message: "the command was interrupted; it changes nothing",
  next: "Run it again.",
  step: again(),
};

/**
 * As `interruptible`, for a command that changes nothing: the first wish to stop ends it, and what it failed with, or
 * half found out, because of that is not told.
 * @throws SpotError E_INTERRUPTED
 */
export function reading<T>(
  reporter: Reporter,
  work: (interrupts: Interrupts) => Promise<T>,
  interrupted: SpotErrorInput = UNCHANGED,
): Promise<T> {
  return interruptible(reporter, async (interrupts) => {
    const stopped = new Promise<never>((_resolve, reject) => {
      interrupts.soft.addEventListener("abort", () => reject(new SpotError("E_INTERRUPTED", interrupted)), {
        once: true,
      });
    });
    return Promise.race([work(interrupts), stopped]);
  });
}
