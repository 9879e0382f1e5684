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
  const folder = path.dirname(file);
  mkdirSync(folder, { recursive: true, ...(mode === 0o600 ? { mode: 0o700 } : {}) });
  const draft = `${file}.${process.pid}.tmp`;
  try {
    writeThrough(draft, content, mode);
    beforeReplacing?.();
    renameSync(draft, file);
    syncFolder(folder);
  } finally {
    rmSync(draft, { force: true });
  }
}

/** As `writeFileAtomic`, for what only saves work or time: a folder that is full or read-only is no reason to fail. True: written. */
export function tryWriteFile(file: string, content: string, mode?: number): boolean {
  try {
    writeFileAtomic(file, content, mode);
    return true;
  } catch {
    return false;
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

/** Where a folder may not be read, or its file system has no such thing. */
const NO_FOLDER_SYNC = ["EACCES", "EPERM", "EINVAL", "EISDIR", "ENOTSUP"];

/** Makes the rename itself survive a loss of power. */
function syncFolder(folder: string): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(folder, "r");
    fsyncSync(descriptor);
  } catch (error) {
    if (!NO_FOLDER_SYNC.includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
