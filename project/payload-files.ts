import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import type { ConfigPath } from "../fleet/config";
import { wordsOf, type Advice } from "../fleet/errors";
import type { PayloadEntry } from "../fleet/node/payload";
import { deadLinkOf } from "../system/absent";

/** A file of the payload, and its content: an absolute path, or the bytes themselves when it is on no disk. */
export interface PayloadFile {
  entry: PayloadEntry & { type: "file" };
  source: string | Buffer;
}

/** What keeps a payload from being made. */
export interface PayloadProblem {
  message: string;
  /** What to do; absent: correct the path named. */
  advice?: Advice;
  /** The key of config.yaml that led here, when one did. */
  key?: ConfigPath;
}

/** Size and digest of one reading, so that they belong together even when the file is being written to. */
export function contentOf(source: string | Buffer): { size: number; sha256: string } {
  const hash = createHash("sha256");
  if (Buffer.isBuffer(source)) return { size: source.length, sha256: hash.update(source).digest("hex") };
  const block = Buffer.allocUnsafe(1 << 20);
  const descriptor = openSync(source, "r");
  try {
    let size = 0;
    for (let read = 0; (read = readSync(descriptor, block)) > 0; size += read) hash.update(block.subarray(0, read));
    return { size, sha256: hash.digest("hex") };
  } finally {
    closeSync(descriptor);
  }
}

const reasons: Record<string, string> = {
  ENOENT: "does not exist",
  EACCES: "may not be read (permissions)",
  EPERM: "may not be read (permissions)",
  EISDIR: "is a directory",
  ELOOP: "is a link that leads round in a circle",
  ENOTDIR: "stands below something that is not a directory",
};

/** Why a file could not be read, as a predicate. */
export function reason(error: Error): string {
  const link = deadLinkOf(error);
  return link === undefined
    ? (reasons[(error as NodeJS.ErrnoException).code ?? ""] ?? wordsOf(error))
    : `is a link to ${link}, which is not there`;
}

export function tryTo<T>(action: () => T): T | Error {
  try {
    return action();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
