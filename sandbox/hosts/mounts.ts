import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { run } from "./command";

export interface Mount {
  point: string;
  type: string;
  /** The file system's own options, as `rw,name=systemd`. */
  options: string[];
}

/** What is mounted, in the order of mounting; proc(5), /proc/PID/mountinfo. */
export function mounts(): Mount[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const [before, after] = line.split(" - ") as [string, string];
      const [type, , options] = after.split(" ");
      const point = (before.split(" ")[4] ?? "").replace(/\\([0-7]{3})/g, (_, code: string) =>
        String.fromCharCode(parseInt(code, 8)),
      );
      return { point, type: type ?? "", options: (options ?? "").split(",") };
    });
}

/**
 * Removes a folder that may have been left by a kill: what is mounted below it goes first, so that removing never
 * reaches through a mount into the machine's own files.
 */
export async function removeTree(folder: string): Promise<void> {
  const below = mounts().filter(({ point }) => point === folder || point.startsWith(`${folder}/`));
  for (const { point } of below.reverse()) await run("umount", [point]);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
