import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * Writes a file so that a reader, and a run that is killed, leaves or sees the old content or the new, never a part:
 * first under another name, then renamed. Makes the folder when it is not there.
 * @param mode of the file; with 0o600 it is never readable by others, not even for a moment
 */
export function writeWhole(file: string, content: string, mode = 0o644): void {
  mkdirSync(path.dirname(file), { recursive: true, ...(mode === 0o600 ? { mode: 0o700 } : {}) });
  const draft = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(draft, content, { mode });
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** As `writeWhole`, for what only saves work or time: a folder that is full or read-only is no reason to fail. True: kept. */
export function keepIfPossible(file: string, content: string, mode?: number): boolean {
  try {
    writeWhole(file, content, mode);
    return true;
  } catch {
    return false;
  }
}
