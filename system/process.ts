import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** A process as a record names it: the id alone could have been given to another process since. */
export interface ProcessMark {
  pid: number;
  /** When it started, in the system's own terms; only compared for equality. */
  started: string;
}

/** What the system tells of a process (Linux). */
export interface ProcessStat {
  /** A zombie has ended, too: only nobody has collected it yet. */
  hasEnded: boolean;
  parent: number;
  group: number;
  /** In clock ticks since the machine's start. */
  started: string;
}

/** Reads /proc/PID/stat; undefined where there is no such file, or it may not be read. */
export function processStat(pid: number): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name stands in brackets and may hold anything, so fields count from the last bracket; numbers as in proc(5).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const field = (number: number): string => {
      const value = fields[number - 3];
      if (value === undefined) throw new RangeError(`/proc/${pid}/stat has no field ${number}`);
      return value;
    };
    return {
      hasEnded: ["Z", "X"].includes(field(3)),
      parent: Number(field(4)),
      group: Number(field(5)),
      started: field(22),
    };
  } catch {
    return undefined;
  }
}

/** The mark of a running process; undefined when there is none (a zombie is none). */
export function markOf(pid: number): ProcessMark | undefined {
  const started = process.platform === "linux" ? startOnLinux(pid) : startByPs(pid);
  return started === undefined ? undefined : { pid, started };
}

function startOnLinux(pid: number): string | undefined {
  const stat = processStat(pid);
  return stat === undefined || stat.hasEnded ? undefined : stat.started;
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

/** The mark of this process. */
export function ownMark(): ProcessMark {
  return markOf(process.pid) ?? { pid: process.pid, started: "" };
}

const CLOCK_TICKS = 100;

/**
 * When the process with this id began: "none" when there is no such process, "unknown" when there is one and the
 * system does not tell (no /proc).
 */
export function processStartedAt(pid: number): Date | "none" | "unknown" {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPERM") return "none";
  }
  const stat = processStat(pid);
  if (stat?.hasEnded) return "none";
  const boot = bootTime();
  return stat && boot ? new Date((boot + Number(stat.started) / CLOCK_TICKS) * 1000) : "unknown";
}

/** When the machine started, in seconds since the epoch. */
function bootTime(): number | undefined {
  try {
    return Number(/^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))?.[1]);
  } catch {
    return undefined;
  }
}

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

/** Ends a process and all that it started, where it leads a group of its own. One that is gone is what is wanted. */
export function endGroup(leader: number): void {
  try {
    // A negative id means the group.
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
