import { errorInfo } from "../../fleet/errors";
import { coloursFor, errorLines, type Terminal } from "./console";
import { jsonLine } from "./json";

/** The last word of a run that failed: for a person on stderr, for a program as JSON on stdout. */
export function printError(terminal: Terminal, error: unknown, { json, debug }: { json: boolean; debug: boolean }): void {
  const info = errorInfo(error);
  if (json) jsonLine(terminal, { type: "error", error: info });
  else terminal.stderr.write(`${coloursFor(terminal.stderr, terminal.env).red(errorLines(info))}\n`);
  if (debug && error instanceof Error && error.stack) terminal.stderr.write(`${error.stack}\n`);
}
