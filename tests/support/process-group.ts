import { readdirSync } from "node:fs";
import { endGroup as kill, processStat } from "../../system/process";
import { until } from "./sandbox";

/** A killed process ends when the kernel next runs it, which a busy machine puts off. */
const END_MS = 30_000;

/** Kills what a process spawned as `detached` leads, itself with all that joined its group, and waits until none of it runs. */
export async function endGroup(leader: number): Promise<void> {
  kill(leader);
  await until(`no process of group ${leader} runs`, () => running(leader).length === 0, END_MS);
}

/** A zombie runs no more: it waits only until its parent has heard of its end. */
function running(group: number): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      const stat = processStat(Number(pid));
      return stat?.group === group && !stat.hasEnded;
    });
}
