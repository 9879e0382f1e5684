import { readFileSync } from "node:fs";

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
  try {
    // The name may hold spaces and brackets; after its last bracket, field 22 of proc(5) is the 20th.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended: nobody has collected it yet.
    if (fields[0] === "Z") return "none";
    const boot = /^btime (\d+)$/m.exec(readFileSync("/proc/stat", "utf8"))![1]!;
    const CLOCK_TICKS = 100;
    return new Date((Number(boot) + Number(fields[19]) / CLOCK_TICKS) * 1000);
  } catch {
    return "unknown";
  }
}
