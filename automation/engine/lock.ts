import { existsSync, readdirSync, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { PROJECT } from "../../fleet/stack-config";
import { processStartedAt } from "../processes";

/** Who holds a stack's lock, as the engine's message tells. */
export interface LockOwner {
  user: string;
  host: string;
  pid: number;
  since: Date;
}

export type LockState = "alive" | "dead" | "unknown";

/**
 * Reads the owners of a lock from the engine's refusal: `created by USER@HOST (pid N) at 2026-11-22T10:00:00Z`.
 * The same text comes from every self-managed backend (file, S3, …).
 */
export function lockOwners(message: string): LockOwner[] {
  return [...message.matchAll(/created by (\S+)@(\S+) \(pid (\d+)\) at (\S+)/g)].map(([, user, host, pid, since]) => ({
    user: user!,
    host: host!,
    pid: Number(pid),
    since: new Date(since!.replace(/[.,;]$/, "")),
  }));
}

/** The lock files of a file backend, one per holder (engine: `.pulumi/locks/organization/PROJECT/STACK/UUID.json`). */
export function fileLockOwners(backendUrl: string, stack: string): LockOwner[] {
  const root = backendUrl.startsWith("file://~") ? path.join(os.homedir(), backendUrl.slice("file://~".length)) : fileURLToPath(backendUrl);
  const folder = path.join(root, ".pulumi/locks/organization", PROJECT, stack);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name): LockOwner[] => {
      try {
        const lock = JSON.parse(readFileSync(path.join(folder, name), "utf8")) as { pid: number; username: string; hostname: string; timestamp: string };
        return [{ user: lock.username, host: lock.hostname, pid: lock.pid, since: new Date(lock.timestamp) }];
      } catch {
        // Released, or half written, while we looked.
        return [];
      }
    });
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
