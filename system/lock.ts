import { linkSync, mkdirSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { isRunning, ownMark, type ProcessMark } from "./process";
import { readJson } from "./json-file";

/**
 * Takes the lock file for this process. Undefined when a living process holds it; otherwise the way to give it back.
 * The file appears with its content in one step (a link), so no reader ever meets an empty one; a dead owner's is
 * moved aside before it is replaced, so that of two that find it dead only one wins.
 */
export function tryLock(file: string, content: object = {}): (() => void) | undefined {
  mkdirSync(dirname(file), { recursive: true });
  const draft = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  writeFileSync(draft, JSON.stringify({ ...ownMark(), ...content }));
  try {
    for (;;) {
      if (placed(draft, file)) return () => rmSync(file, { force: true });
      const owner = readJson(file) as ProcessMark | undefined;
      if (owner !== undefined && isRunning(owner)) return undefined;
      if (!removedStale(file, `${draft}.stale`)) return undefined;
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

function placed(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** False when the stale file was replaced by a living owner's in the meantime (put back), or is not ours to remove. */
function removedStale(file: string, aside: string): boolean {
  try {
    renameSync(file, aside);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
  const owner = readJson(aside) as ProcessMark | undefined;
  const alive = owner !== undefined && isRunning(owner);
  if (alive) placed(aside, file);
  unlinkSync(aside);
  return !alive;
}
