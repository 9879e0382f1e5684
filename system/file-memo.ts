import { readFileSync, statSync } from "node:fs";
import { tryWriteFile } from "./atomic-file";

interface Entry<T> {
  mtimeMs: number;
  size: number;
  value: T;
}

/** What was once found out about files, kept as long as each is the very same one. What cannot be kept is found out again. */
export class FileMemo<T> {
  /** @param memoFile a file of a cache: it may be deleted at any time */
  constructor(private readonly memoFile: string) {}

  /**
   * @param smallest in bytes: what is found out about a smaller file is not kept
   * @throws Error where there is no such file, and what `find` throws
   */
  async about(file: string, find: () => Promise<T>, smallest: number): Promise<T> {
    // Before it is asked: what takes its place meanwhile is another one.
    const { mtimeMs, size } = statSync(file);
    const known = this.entries()[file];
    if (known?.value !== undefined && known.mtimeMs === mtimeMs && known.size === size) return known.value;
    const value = await find();
    const entry: Entry<T> = { mtimeMs, size, value };
    if (size >= smallest) tryWriteFile(this.memoFile, JSON.stringify({ ...this.entries(), [file]: entry }));
    return value;
  }

  private entries(): Record<string, Entry<T> | undefined> {
    try {
      const entries = JSON.parse(readFileSync(this.memoFile, "utf8")) as Record<string, Entry<T> | undefined> | null;
      return entries ?? {};
    } catch {
      return {};
    }
  }
}
