import { setTimeout as delay } from "node:timers/promises";
import { errorInfo, isSpotError, type SpotError } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import type { Reporter } from "../../fleet/report/events";
import { retryableClasses } from "../../fleet/aws/error-codes";
import { jsonLine } from "../output/json";
import type { CommandContext } from "./context";

export interface Watch {
  reporter: Reporter;
  /** Between the end of a look and the next. */
  everyMs: number;
  /** The user's wish to stop, the only thing that ends a watch of what is in order. */
  signal: AbortSignal;
  look: () => Promise<unknown>;
}

/**
 * `--watch`: looks again and again. A look that failed for what passes by itself is told of, and the next one follows;
 * whoever left it running wants to see how it goes on.
 * @throws what a look failed with that another one cannot mend
 */
export async function watching(
  context: Pick<CommandContext, "command" | "args" | "options" | "terminal">,
  { reporter, everyMs, signal, look }: Watch,
): Promise<never> {
  for (;;) {
    try {
      await look();
    } catch (failure) {
      signal.throwIfAborted();
      if (!isSpotError(failure) || !passes(failure)) throw failure;
      const error = {
        ...errorInfo(failure),
        next: `Nothing: the next look follows in ${everyMs / 1000} s.`,
        step: outside("let-it-be"),
      };
      reporter.emit({ type: "message", level: "error", message: error.message, error });
      if (context.options.json) jsonLine(context, { type: "error", error });
    }
    await delay(everyMs, undefined, { signal });
  }
}

/** A state that lies far away is out of reach while the network is. */
const passes = ({ class: errorClass, code }: SpotError): boolean =>
  retryableClasses.has(errorClass) || code === "E_BACKEND";
