import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A process as a record names it: the id alone could have been given to another process since. */
export interface ProcessMark {
  pid: number;
  /** When it started, in the system's own terms; only compared for equality. */
  started: string;
}

/** The mark of a running process; undefined when there is none (a zombie is none). */
export function markOf(pid: number): ProcessMark | undefined {
  const started = process.platform === "linux" ? startOnLinux(pid) : startByPs(pid);
  return started === undefined ? undefined : { pid, started };
}

/** /proc/PID/stat: the name stands in brackets and may hold anything, so fields count from the last bracket. */
function startOnLinux(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" || state === "X" ? undefined : rest[18];
  } catch {
    return undefined;
  }
}

function startByPs(pid: number): string | undefined {
  try {
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim() || undefined;
  } catch {
    return undefined;
  }
}

export function isRunning(mark: ProcessMark): boolean {
  return markOf(mark.pid)?.started === mark.started;
}

export const ownMark: ProcessMark = markOf(process.pid) ?? { pid: process.pid, started: "" };

/** Ends the marked process, first asking, after `patienceMs` by force. True when it was running. */
export async function endProcess(mark: ProcessMark, patienceMs: number): Promise<boolean> {
  if (!isRunning(mark)) return false;
  signal(mark, "SIGTERM");
  if (!(await goneWithin(mark, patienceMs))) {
    signal(mark, "SIGKILL");
    await goneWithin(mark, 5_000);
  }
  return true;
}

function signal(mark: ProcessMark, name: NodeJS.Signals): void {
  try {
    process.kill(mark.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function goneWithin(mark: ProcessMark, ms: number): Promise<boolean> {
  const deadline = Date.now() + ms;
  while (isRunning(mark)) {
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}
