import { setMaxListeners } from "node:events";
import { errorInfo, SpotError, type ErrorInfo } from "../../fleet/errors";

/** How a run is asked to stop. The reason of each signal is a SpotError, so `throwIfAborted` ends the run rightly. */
export interface Interrupts {
  /** Finish what is in flight, begin nothing new. */
  soft: AbortSignal;
  /** Stop now. */
  hard: AbortSignal;
}

/**
 * Every call that is under way listens to the signals of its run: as many as there are regions and nodes. Node takes
 * eleven for a leak and warns.
 */
export function admitListeners({ soft, hard }: Interrupts): void {
  setMaxListeners(0, soft, hard);
}

/** What is told of a run that came to an early end in this way. */
export function interruption({ hard }: Interrupts): ErrorInfo {
  return errorInfo(
    new SpotError(
      "E_INTERRUPTED",
      hard.aborted
        ? "the run was stopped at once; the next one clears up what it left"
        : "the run was interrupted; what was in flight is finished and recorded",
    ),
  );
}

/** Of a run that nobody can interrupt. */
export function neverInterrupted(): Interrupts {
  return { soft: new AbortController().signal, hard: new AbortController().signal };
}

/**
 * npm sends a signal on that the terminal has already sent to the whole group (under some shells), so two within a
 * second are one wish.
 */
const ONE_WISH_MS = 1000;

/**
 * Turns SIGINT, SIGTERM and SIGHUP into interrupts. `tell` is called once for each wish that counts.
 * Returns the interrupts and a function that takes the handlers away again.
 */
export function watchSignals(
  tell: (stage: "soft" | "hard") => void,
  source: Pick<NodeJS.Process, "on" | "off"> = process,
  now: () => number = Date.now,
): Interrupts & { release(): void } {
  const soft = new AbortController();
  const hard = new AbortController();
  const interrupts = { soft: soft.signal, hard: hard.signal };
  admitListeners(interrupts);
  let last = -Infinity;
  const handler = () => {
    const at = now();
    if (at - last < ONE_WISH_MS) return;
    last = at;
    const stage = soft.signal.aborted ? "hard" : "soft";
    tell(stage);
    (stage === "soft" ? soft : hard).abort(new SpotError("E_INTERRUPTED", "the run was interrupted"));
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) source.on(signal, handler);
  return {
    ...interrupts,
    release: () => {
      for (const signal of signals) source.off(signal, handler);
    },
  };
}
