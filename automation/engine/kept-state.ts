import { existsSync, readFileSync, statSync } from "node:fs";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { writeFileAtomic } from "../../system/atomic-file";
import { stateOf } from "./state";
import type { StateBackup } from "./state-files";

/** What belongs beside the state cannot be written: nothing is begun without a copy to go back to, and notes to go by. */
export function unwritable(what: string, file: string, cause: unknown): SpotError {
  const isFull = ["ENOSPC", "EDQUOT"].includes((cause as NodeJS.ErrnoException).code ?? "");
  return new SpotError("E_BACKEND", {
    message: `${isFull ? "there is no space left where the state is kept" : `${what} cannot be written`}: ${file}`,
    cause,
    next: `${isFull ? "Free some space there" : "Make the file and its folder writable for you"}, then run the command again: it goes on.`,
    step: outside("free-file", again()),
  });
}

/** What is kept in a file beside the state; undefined where there is none. */
export function keptText(file: string): string | undefined {
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/**
 * Keeps a text in the place of what a file beside the state had; one that has it already is not written.
 * @param what it is, for the error
 * @throws SpotError E_BACKEND where it cannot be written
 */
export function keepText(file: string, text: string, what: string): void {
  try {
    if (text !== keptText(file)) writeFileAtomic(file, text, 0o600);
  } catch (cause) {
    throw unwritable(what, file, cause);
  }
}

/** A state as `pulumi stack export` prints it. */
export interface ExportedState {
  version: number;
  deployment: object;
}

/**
 * The copy of a stack's last whole state, outside the engine's own files: a full disk or a kill in the wrong moment
 * cuts those off, the engine's backup among them.
 */
export class KeptState {
  /** @param file of this stack's copy */
  constructor(readonly file: string) {}

  /** Keeps a state in place of the one kept before. @throws SpotError E_BACKEND where it cannot be written */
  keep(state: ExportedState): void {
    keepText(this.file, JSON.stringify(state), "the copy of the stack's state");
  }

  /** The state that is kept; undefined where there is none that can be read. */
  read(): (StateBackup & { exported: ExportedState }) | undefined {
    try {
      const exported = JSON.parse(keptText(this.file) ?? "") as ExportedState;
      return { file: this.file, at: statSync(this.file).mtime, state: stateOf(exported), exported };
    } catch {
      return undefined;
    }
  }
}
