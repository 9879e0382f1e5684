import { errorInfo, isSpotError } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import { coloursFor, type Terminal } from "./console";
import { jsonLine } from "./json";
import { errorLines } from "./lines";
import type { Typed } from "./steps";

export interface ErrorOutput {
  json: boolean;
  /** Stack traces too. */
  debug: boolean;
  /** The run's log, when there is one. */
  log?: string;
}

/** The last word of a run that failed: for a person on stderr, for a program as JSON on stdout. */
export function printError(
  typed: Typed & { terminal: Terminal },
  error: unknown,
  { json, debug, log }: ErrorOutput,
): void {
  const { terminal } = typed;
  const told = errorInfo(error);
  const info =
    isSpotError(error) || log === undefined
      ? told
      : { ...told, next: `Report it with the log ${log}.`, step: outside("report") };
  if (json) jsonLine(typed, { type: "error", error: info, ...(log === undefined ? {} : { log }) });
  else terminal.stderr.write(`${coloursFor(terminal.stderr, terminal.env).red(errorLines(info))}\n`);
  if (debug && error instanceof Error && error.stack) terminal.stderr.write(`${error.stack}\n`);
}
