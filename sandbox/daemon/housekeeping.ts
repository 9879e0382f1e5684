import { readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { wordsOf } from "../../fleet/errors";
import { removeTree } from "../hosts/mounts";
import { tryLock } from "../../system/lock";

const DAY_MS = 86_400_000;
const UNUSED_DAYS = 30;
const LONG_LOG_BYTES = 5_000_000;

/** What the cache holds per version, and how it is removed. */
const KINDS = {
  moto: (folder: string) => rm(folder, { recursive: true, force: true }),
  images: removeTree,
};

const VERSION = /^[0-9a-f]{16}$/;
const ASIDE = ".removing";

/** A log that has become long gives way to a new one and is kept as `FILE.old`; the one before it goes. */
export function rotateLog(file: string): void {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LONG_LOG_BYTES) renameSync(file, `${file}.old`);
}

/** Marks folders of the cache as used, now and every day, until it is told to stop. */
export function keepMarked(folders: readonly string[]): () => void {
  const mark = (): void => folders.forEach((folder) => writeFileSync(markOf(folder), ""));
  mark();
  const timer = setInterval(mark, DAY_MS).unref();
  return () => clearInterval(timer);
}

/**
 * Removes from the cache what only other versions of this program use and no sandbox has used for 30 days. What cannot
 * be removed stays and is told: it stands in nobody's way.
 * @param keep folders that this version uses, or will
 */
export async function pruneCache(
  cacheDir: string,
  keep: readonly string[],
  report: (detail: string) => void,
  now = Date.now(),
): Promise<void> {
  for (const [kind, remove] of Object.entries(KINDS)) {
    for (const name of entriesOf(join(cacheDir, kind))) {
      const folder = join(cacheDir, kind, name);
      // Of a removal that was broken off.
      if (name.endsWith(ASIDE)) await remove(folder);
      if (!VERSION.test(name) || keep.includes(folder)) continue;
      const used = lastUseOf(folder);
      if (now - used < UNUSED_DAYS * DAY_MS) continue;
      const release = tryLock(`${folder}.lock`);
      if (release === undefined) continue;
      try {
        // Half a folder must not stand under a name that means a whole one.
        renameSync(folder, `${folder}${ASIDE}`);
        await remove(`${folder}${ASIDE}`);
        await rm(markOf(folder), { force: true });
        report(`removed ${folder}: nothing has used it since ${new Date(used).toISOString().slice(0, 10)}`);
      } catch (error) {
        report(`${folder} is of no use any more and cannot be removed: ${wordsOf(error)}`);
      } finally {
        release();
      }
    }
  }
}

const markOf = (folder: string): string => `${folder}.used`;

/** The day of its installation when nothing has marked it. */
const lastUseOf = (folder: string): number =>
  (statSync(markOf(folder), { throwIfNoEntry: false }) ?? statSync(folder)).mtimeMs;

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
