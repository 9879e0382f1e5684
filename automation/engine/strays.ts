import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { RUN_VARIABLE } from "../../fleet/plan/stack-config";
import { endProcess, isRunning, markOf, ownMark, type ProcessMark } from "../../system/process";

/** The environment that marks the processes of a run of this process. `key` names the stack. */
export function runMark(key: string): NodeJS.ProcessEnv {
  const { pid, started } = ownMark();
  return { [RUN_VARIABLE]: `${key}/${pid}/${started}` };
}

/**
 * What a killed run left behind: engine, program and provider of a run of this stack whose own process no longer lives.
 * They may still be creating what nobody will record. Found where the system shows a process's environment (Linux);
 * elsewhere nothing is found, and an engine that lives keeps its lock.
 */
export function straysOf(key: string): ProcessMark[] {
  return processIds().flatMap((pid) => {
    const mark = environmentOf(pid).find((entry) => entry.startsWith(`${RUN_VARIABLE}=${key}/`));
    const [, owner, started] = mark?.split("/") ?? [];
    if (owner === undefined || started === undefined || isRunning({ pid: Number(owner), started })) return [];
    return markOf(pid) ?? [];
  });
}

/** Waits for processes to end by themselves, then ends those that do not. */
export async function endStrays(strays: ProcessMark[], patienceMs: number): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (strays.some(isRunning) && Date.now() < deadline) await sleep(50);
  for (const stray of strays) await endProcess(stray, 0);
}

function processIds(): number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    // Another user's, or ended while we looked.
    return [];
  }
}
