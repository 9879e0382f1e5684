import { lstatSync, readlinkSync } from "node:fs";

/**
 * Whether nothing at all has this name. A link that leads nowhere (a share that is not mounted) is something, and so is
 * what may not be looked at: neither may be taken for a file or folder that nobody made.
 */
export function isAbsent(file: string): boolean {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}

/** Where the link leads that an error of the file system is about, when what it leads to is not there. */
export function deadLinkOf(error: unknown): string | undefined {
  const { code, path } = error as NodeJS.ErrnoException;
  if (code !== "ENOENT" || path === undefined) return undefined;
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
