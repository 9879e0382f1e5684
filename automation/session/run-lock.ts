import os from "node:os";
import path from "node:path";
import { readJson } from "../../system/json-file";
import { tryLock } from "../../system/lock";
import { lockedError, type LockOwner } from "../engine/lock";
import { settleConfig } from "./last-config";
import type { Session } from "./index";

/**
 * Runs `work` as the only run of this machine that changes this stack. The engine's own lock is held only while the
 * engine runs; what lies around it (clearing up after a killed run, bringing nodes up, the proof after `down`) must not
 * meet another run either. A lock whose process no longer lives is taken over. Whether this
 * configuration may change the stack is settled first: under the lock, so that no other one comes between.
 * @throws SpotError E_LOCKED, with the owner, its age and that it lives; E_CONFIG_OTHER
 */
export async function exclusively<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const file = path.join(session.target.locksDir, `${session.stack.key}.json`);
  const owner: LockOwner = { user: os.userInfo().username, host: os.hostname(), pid: process.pid, since: new Date() };
  const release = tryLock(file, owner);
  if (release === undefined) {
    const holder = readJson(file) as LockOwner | undefined;
    throw lockedError(session.target.stack, holder ? { ...holder, since: new Date(holder.since) } : owner, "alive");
  }
  try {
    await settleConfig(session);
    return await work();
  } finally {
    release();
  }
}
