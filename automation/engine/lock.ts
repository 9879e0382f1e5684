import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { PROJECT } from "../../fleet/plan/stack-config";
import { processStartedAt } from "../../system/process";

/** Who holds a stack's lock, as the engine's message tells. */
export interface LockOwner {
  user: string;
  host: string;
  pid: number;
  since: Date;
  /** The lock's own file, in a file backend. */
  file?: string;
}

export type LockState = "alive" | "dead" | "unknown";

/**
 * Reads the owners of a lock from the engine's refusal: `created by USER@HOST (pid N) at 2026-11-22T10:00:00Z`.
 * The same text comes from every self-managed backend (file, S3, …).
 */
export function lockOwners(message: string): LockOwner[] {
  return [...message.matchAll(/created by (\S+)@(\S+) \(pid (\d+)\) at (\S+)/g)].flatMap(
    ([, user, host, pid, since]) =>
      user && host && pid && since
        ? { user, host, pid: Number(pid), since: new Date(since.replace(/[.,;]$/, "")) }
        : [],
  );
}

/** Who holds a stack in a file backend. */
export function fileLockOwners(backendUrl: string, stack: string): LockOwner[] {
  return lockFiles(backendUrl, stack).flatMap((file) => ownerIn(file) ?? []);
}

/** How long the writing of a lock may take: a few bytes, and a new name for their file. */
const WRITING_MS = 2_000;

/**
 * Removes what an engine left that was ended, or found no space, while it wrote its lock, and which every later engine
 * takes for a damaged one. What is still there after a while is nobody's.
 */
export async function removeUnfinishedLocks(backendUrl: string, stack: string): Promise<void> {
  const unfinished = (): string[] => lockFiles(backendUrl, stack).filter((file) => ownerIn(file) === undefined);
  const found = unfinished();
  if (found.length === 0) return;
  await sleep(WRITING_MS);
  for (const file of unfinished().filter((again) => found.includes(again))) removeLockFile(file);
}

/** One file per holder, and its draft (engine: `.pulumi/locks/organization/PROJECT/STACK/UUID.json`, `UUID.json.HEX.tmp`). */
function lockFiles(backendUrl: string, stack: string): string[] {
  const folder = path.join(fileBackendRoot(backendUrl), ".pulumi/locks/organization", PROJECT, stack);
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => /\.(json|tmp)$/.test(name))
        .map((name) => path.join(folder, name))
    : [];
}

/** Undefined for a draft, for what is half written, and for what was released while we looked. */
function ownerIn(file: string): LockOwner | undefined {
  if (file.endsWith(".tmp")) return undefined;
  try {
    const lock = JSON.parse(readFileSync(file, "utf8")) as {
      pid: number;
      username: string;
      hostname: string;
      timestamp: string;
    };
    return { user: lock.username, host: lock.hostname, pid: lock.pid, since: new Date(lock.timestamp), file };
  } catch {
    return undefined;
  }
}

/** The folder that a `file://` backend is kept in; `~` is the home directory, as for the engine. */
export function fileBackendRoot(backendUrl: string): string {
  return fileURLToPath(
    backendUrl.startsWith("file://~")
      ? `${pathToFileURL(homeOfUser()).href}${backendUrl.slice("file://~".length)}`
      : backendUrl,
  );
}

/** What the engine takes `~` for, by Go's os/user: the user's entry in the system's list, whatever HOME says. */
function homeOfUser(): string {
  try {
    return os.userInfo().homedir;
  } catch {
    // A container may run as a user that is in no list.
    return os.homedir();
  }
}

/** Removes a lock's own file and no other: a run that began a moment ago keeps its lock. */
export function removeLockFile(file: string): void {
  for (const part of [file, `${file}.attrs`]) rmSync(part, { force: true });
}

/** Who holds the stack, for how long, and whether that process lives. */
export function lockedError(stack: string, owner: LockOwner, state: LockState): SpotError {
  const alive = state === "alive";
  return new SpotError("E_LOCKED", {
    message: `stack ${stack} is locked by ${owner.user} on ${owner.host}, process ${owner.pid}, for ${age(owner.since)}; ${alive ? "it is running" : "whether it still runs cannot be seen from here"}`,
    next: alive
      ? "Wait for that run to end."
      : "When that run is surely dead, run `pulumi cancel`, then the command again.",
    step: alive ? outside("wait", again()) : outside("stop-program", again()),
  });
}

function age(since: Date): string {
  const seconds = Math.max(0, Math.round((Date.now() - since.getTime()) / 1000));
  return seconds < 120 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}

/**
 * Does the owner still live? Only this machine's processes can be judged. A process with that id which began after
 * the lock was made is another one: ids are used again.
 */
export function lockState(owner: LockOwner, hostname = os.hostname(), startedAt = processStartedAt): LockState {
  if (owner.host !== hostname) return "unknown";
  const started = startedAt(owner.pid);
  if (started === "none") return "dead";
  if (started === "unknown") return "alive";
  return started.getTime() > owner.since.getTime() + 1000 ? "dead" : "alive";
}
