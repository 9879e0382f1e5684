import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SpotError } from "../../fleet/errors";
import { mounts } from "./mounts";

/*
 * Each host has a control group of its own. Without it all hosts would share one (nspawn makes `payload` below the
 * group that it was started in), and their systemds would wait for, and kill, each other's services. It is also the
 * one name for all processes of a host that no kill can blur: whatever was started for the host is in it.
 */

const KILL_DEADLINE_MS = 20_000;

/** The control group hierarchies that nspawn uses: cgroup2, and systemd's own one of version 1 where there is one. */
function hierarchies(): { unified: string | undefined; named: string | undefined } {
  const all = mounts();
  return {
    unified: all.find(({ type }) => type === "cgroup2")?.point,
    named: all.find(({ type, options }) => type === "cgroup" && options.includes("name=systemd"))?.point,
  };
}

/** True where a host's processes can be held and ended together: cgroup2 with `cgroup.kill` (Linux 5.14). */
export function cgroupsUsable(): boolean {
  const { unified } = hierarchies();
  if (unified === undefined) return false;
  // The root group has no cgroup.kill itself; any other one has.
  const children = readdirSync(unified, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return children.length === 0 || children.some(({ name }) => existsSync(join(unified, name, "cgroup.kill")));
}

/** The folders of a control group of this name, the cgroup2 one first. They need not exist. */
export function cgroupFolders(name: string): string[] {
  const { unified, named } = hierarchies();
  return [unified, named].filter((point) => point !== undefined).map((point) => join(point, name));
}

export async function createCgroup(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await mkdir(folder);
}

/** Ends at once every process in a cgroup2 group and below it. No such group is a success. */
export async function killCgroup(folder: string): Promise<void> {
  if (existsSync(folder)) await writeFile(join(folder, "cgroup.kill"), "1");
}

/** Whether the cgroup2 group or one below it has living processes. */
export function isPopulated(folder: string): boolean {
  try {
    return readFileSync(join(folder, "cgroup.events"), "utf8").includes("populated 1");
  } catch {
    return false;
  }
}

/** Ends what is in the group and removes it with all groups below. Gone already is a success. */
export async function removeCgroup(folders: readonly string[]): Promise<void> {
  const [unified] = folders;
  const deadline = Date.now() + KILL_DEADLINE_MS;
  while (unified !== undefined && isPopulated(unified)) {
    await killCgroup(unified);
    if (Date.now() > deadline)
      throw new SpotError("E_SANDBOX_HOST", `Processes in ${unified} do not end although they were killed.`);
    await sleep(10);
  }
  for (const folder of folders) await removeFolders(folder, deadline);
}

/** A group's files vanish with its folder: only folders can be removed, the deepest first. */
async function removeFolders(folder: string, deadline: number): Promise<void> {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeFolders(join(folder, entry.name), deadline);
  }
  for (;;) {
    try {
      await rmdir(folder);
      return;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "ENOENT") return;
      // The last process has been killed, but the kernel has not let go of it yet.
      if (code !== "EBUSY" || Date.now() > deadline) throw error;
      await sleep(10);
    }
  }
}
