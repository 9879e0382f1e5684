import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

/**
 * Writes a file so that a reader, a run that is killed and a loss of power see or leave the old content or the new,
 * never a part: first under another name, on the disk, then renamed. Makes the folder when it is not there.
 * @param mode of the file; with 0o600 it is never readable by others, not even for a moment
 * @param beforeReplacing what to do with the old file once the new one cannot fail for lack of space any more
 */
export function writeFileAtomic(
  file: string,
  content: string | Uint8Array,
  mode = 0o644,
  beforeReplacing?: () => void,
): void {
  replace(file, mode, (draft) => {
    writeThrough(draft, content, mode);
    beforeReplacing?.();
  });
  syncFolder(path.dirname(file));
}

/** As `writeFileAtomic`, for what is written often, or again: a loss of power may take it, and nobody waits for the disk. */
export function writeFileWhole(file: string, content: string, mode = 0o644): void {
  replace(file, mode, (draft) => {
    writeFileSync(draft, content, { mode });
  });
}

/** As `writeFileWhole`, for what only saves work or time: a folder that is full or read-only is no reason to fail. True: written. */
export function tryWriteFile(file: string, content: string, mode?: number): boolean {
  try {
    writeFileWhole(file, content, mode);
    return true;
  } catch {
    return false;
  }
}

function replace(file: string, mode: number, write: (draft: string) => void): void {
  mkdirSync(path.dirname(file), { recursive: true, ...(mode === 0o600 ? { mode: 0o700 } : {}) });
  const draft = `${file}.${process.pid}.tmp`;
  try {
    write(draft);
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Not by the option `flush` of writeFileSync: Node 20 passes over it where the content is a string. */
function writeThrough(file: string, content: string | Uint8Array, mode: number): void {
  const descriptor = openSync(file, "w", mode);
  try {
    writeFileSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Makes the rename itself survive a loss of power, as far as it can be done: the file is in its place already, and not
 * every folder may be read or can be synced.
 */
function syncFolder(folder: string): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(folder, "r");
    fsyncSync(descriptor);
  } catch {
    // What counts is done.
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
