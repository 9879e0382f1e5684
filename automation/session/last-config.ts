import { readFileSync, realpathSync, rmSync } from "node:fs";
import path from "node:path";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import {
  lastConfigText,
  otherConfigWords,
  parseLastConfig,
  type OtherConfig,
  type OtherConfigWords,
} from "../../fleet/config/last-config";
import { shortName } from "../../fleet/identity/ownership";
import { isAbsent } from "../../system/absent";
import type { Session } from "./index";
import { DEFAULT_STACK } from "../target";
import { writeFileAtomic } from "../../system/atomic-file";

/** What of a session tells which configuration is at hand, and where the last one is remembered. */
type Known = Pick<Session, "target" | "stack" | "stackExists" | "configFile">;

/**
 * Where a stack remembers the configuration that last changed it: beside its state, which all folders share. Undefined
 * for a stack that has no default name, and for backends that are no folder of this machine.
 */
function memoryOf({ target, stack }: Pick<Known, "target" | "stack">): string | undefined {
  return shortName(target.stack) === DEFAULT_STACK[target.kind] ? stack.stateFiles?.lastConfig : undefined;
}

/** The configuration that last changed the stack, when it is another one and nobody chose the stack by name. */
function otherConfig(known: Known): OtherConfig | undefined {
  const memory = known.target.isChosen || !known.stackExists ? undefined : memoryOf(known);
  if (memory === undefined) return undefined;
  const text = readMemory(memory);
  if (text === undefined) return undefined;
  const last = parseLastConfig(text);
  if (last === undefined) return { kind: "unreadable", file: memory };
  return isSameFile(last, known.configFile) ? undefined : { kind: isAbsent(last) ? "gone" : "there", file: last };
}

/** Undefined: nothing is remembered. What cannot be read is no text of ours, and so damaged. */
function readMemory(file: string): string | undefined {
  if (isAbsent(file)) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** One path in two spellings, over links or not, is one configuration; so is a path whose link leads elsewhere now. */
function isSameFile(one: string, other: string): boolean {
  return path.resolve(one) === path.resolve(other) || whereabouts(one) === whereabouts(other);
}

/** A path without links; of a file that is not there, its folder's. */
function whereabouts(file: string): string {
  try {
    return realpathSync.native(file);
  } catch {
    const folder = path.dirname(file);
    return folder === file ? file : path.join(whereabouts(folder), path.basename(file));
  }
}

/** Words for a default stack that another configuration changed last; undefined when nothing is to be said. */
export function wordsOnConfig(known: Known): OtherConfigWords | undefined {
  const other = otherConfig(known);
  return other && otherConfigWords(other, known.target.stack, known.configFile);
}

/**
 * Asks before a configuration changes a default stack that another one changed last. --yes does not answer it: who
 * gives that means his own fleet.
 * @throws SpotError E_CONFIG_OTHER when the answer is no, or nobody is there to give one
 */
export async function settleConfig(session: Known & Pick<Session, "reporter">): Promise<void> {
  const words = wordsOnConfig(session);
  if (words === undefined) return;
  if (await session.reporter.confirm({ message: words.question, unattended: false, answeredBy: "take-over" })) return;
  throw new SpotError("E_CONFIG_OTHER", {
    message: words.fact,
    cause: words.cause,
    next: words.next,
    step: words.step,
  });
}

/**
 * Remembers that this configuration changes the stack, before it does.
 * @throws SpotError E_BACKEND when that cannot be written
 */
export function rememberConfig(known: Known): void {
  const memory = memoryOf(known);
  if (memory === undefined) return;
  const text = lastConfigText(known.configFile);
  if (readMemory(memory) === text) return;
  try {
    writeFileAtomic(memory, text, 0o600);
  } catch (cause) {
    throw new SpotError("E_BACKEND", {
      message: `which configuration changes stack ${known.target.stack} cannot be written to ${memory}`,
      cause,
      next: `Let this user write to ${path.dirname(memory)} (or free some space there), then run the command again.`,
      step: outside("free-file", again()),
    });
  }
}

/** Forgets it with the stack. */
export function forgetConfig(known: Known): void {
  const memory = memoryOf(known);
  if (memory !== undefined) rmSync(memory, { force: true });
}
