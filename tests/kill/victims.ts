import { readFileSync } from "node:fs";
import { descendants } from "../support/workbench";

export const VICTIMS = ["tool", "engine", "provider", "all"] as const;
export type Victim = (typeof VICTIMS)[number];

/** By what its command line says, what a process below the tool is. */
const KINDS: Record<"engine" | "provider", RegExp> = {
  engine: /^([^\0]*\/)?pulumi\0/,
  provider: /\/sandbox\/provider\/main\.js\0/,
};

/** Ids of the provider's processes below a tool. */
export function providersBelow(tool: number): number[] {
  return descendants(tool).filter((pid) => KINDS.provider.test(commandLine(pid)));
}

/** Ids of the processes that are to be hit; all of them when the one wanted does not run just now. */
export function victimsOf(tool: number, victim: Victim): { victim: Victim; pids: number[]; all: number[] } {
  const below = descendants(tool);
  const all = [tool, ...below];
  if (victim === "tool") return { victim, pids: [tool], all };
  const pids = victim === "all" ? [] : below.filter((pid) => KINDS[victim].test(commandLine(pid)));
  return pids.length > 0 ? { victim, pids, all } : { victim: "all", pids: all, all };
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}
