import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, symlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SpotError } from "../../fleet/errors";
import { readJson, writeJson } from "../../system/json-file";
import { createCgroup, isPopulated, killCgroup, removeCgroup } from "./cgroup";
import { commandEnvironment } from "./command";
import { removeTree } from "./mounts";
import { attachHost, detachHost, type LinkRecord } from "./network";

/**
 * Everything of a host that exists on the machine outside its folder; written there before any of it is made. The
 * namespace's name is also the host's own to nspawn, until cloud-init gives it another one.
 */
export interface HostRecord extends LinkRecord {
  /** Folders of its control group: they hold all its processes, and so its mounts. */
  cgroup: string[];
}

/** A host's folder: its record, its console, the layers of its disk. */
const filesOf = (folder: string) => ({
  record: join(folder, "host.json"),
  console: join(folder, "console.log"),
  /** Link to the root image, so that no path has to be quoted for mount. */
  image: join(folder, "image"),
  layers: ["upper", "work", "root"].map((name) => join(folder, name)),
});

const CONSOLE_BYTES = 64 * 1024;

/** How long nspawn may take to tidy up after its host. */
const TIDY_MS = 2_000;

/**
 * Runs in a mount namespace of its own, in the host's folder; arguments: control group folders, `--`, the command.
 * It joins the host's control group first: when that has been removed meanwhile (by a clean-up after the driver was
 * killed), it ends here. The disk is mounted in this namespace only and so goes with the host's last process.
 */
const START = `
set -e
while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done
shift
mount -t overlay overlay -o lowerdir=image,upperdir=upper,workdir=work root
exec "$@"
`;

/** nspawn's exit code when the host asks for a reboot (systemd-nspawn(1), --keep-unit: 133 is for the service manager). */
export const REBOOT_CODE = 133;

/** Signals by which systemd, as process 1, powers off and reboots: SIGRTMIN+4 and +5; systemd(1), "Signals". */
export const InitSignal = { powerOff: 34 + 4, reboot: 34 + 5 } as const;

export interface HostOptions {
  folder: string;
  image: string;
  record: HostRecord;
  network: { bridge: string; address: string; prefix: number; gateway: string };
}

/** One boot of a host: from nspawn's start to its end. */
export interface Boot {
  /** nspawn's process id. */
  pid: number;
  /** Settles when the host is down: with nspawn's exit code, undefined when it was killed. */
  exited: Promise<number | undefined>;
  isOver: () => boolean;
}

/** Makes what a host needs before its first boot. */
export async function prepareHost({ folder, image, record, network }: HostOptions): Promise<void> {
  const files = filesOf(folder);
  await mkdir(folder, { recursive: true });
  writeJson(files.record, record);
  for (const layer of files.layers) await mkdir(layer);
  await symlink(image, files.image);
  await attachHost(record, network);
}

/**
 * Boots the host on its disk; resolves once its process 1 runs.
 * @throws SpotError E_SANDBOX_HOST when it comes to an end before; the cause is what it wrote to its console.
 */
export async function bootHost(options: HostOptions): Promise<Boot> {
  const { folder, record } = options;
  // What an earlier boot left of its groups would be in the way of this one.
  await removeCgroup(record.cgroup);
  await createCgroup(record.cgroup);
  const boot = await startNspawn(options);
  while (initOf(boot.pid) === undefined) {
    if (boot.isOver()) {
      throw new SpotError("E_SANDBOX_HOST", {
        message: `Host ${basename(folder)} did not boot.`,
        cause: consoleTail(folder) || "It wrote nothing to its console.",
      });
    }
    await sleep(20);
  }
  return boot;
}

async function startNspawn({ folder, record }: HostOptions): Promise<Boot> {
  const console = openSync(filesOf(folder).console, "a", 0o600);
  try {
    const child = spawn(
      "unshare",
      [
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        START,
        "start-host",
        ...record.cgroup,
        "--",
        "systemd-nspawn",
        "--quiet",
        "--directory=root",
        "--boot",
        `--machine=${record.namespace}`,
        `--network-namespace-path=/run/netns/${record.namespace}`,
        // No part in the machine's own service manager, settings or logs.
        "--register=no",
        "--keep-unit",
        "--settings=no",
        "--link-journal=no",
        "--resolv-conf=off",
        "--timezone=off",
        // Not in nspawn's default set either; said here so that no host ever sets the machine's clock.
        "--drop-capability=CAP_SYS_TIME",
      ],
      {
        cwd: folder,
        // A process group of its own: an interrupt at the terminal is not meant for hosts.
        detached: true,
        stdio: ["ignore", console, console],
        // Version 2 control groups inside the host, even where the machine has version 1.
        env: { ...commandEnvironment, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1" },
      },
    );
    const exited = once(child, "exit").then(([code]: (number | null)[]) => code ?? undefined);
    await once(child, "spawn");
    return { pid: child.pid as number, exited, isOver: () => child.exitCode !== null || child.signalCode !== null };
  } finally {
    closeSync(console);
  }
}

/** The end of what a host wrote to its console: as much as EC2's GetConsoleOutput gives. */
export function consoleTail(folder: string): string {
  try {
    return readFileSync(filesOf(folder).console).subarray(-CONSOLE_BYTES).toString("utf8");
  } catch {
    return "";
  }
}

/** Sends a signal to the host's process 1; nothing happens when there is none any more. */
export function signalInit(nspawn: number, signal: number): void {
  const init = initOf(nspawn);
  if (init === undefined) return;
  try {
    process.kill(init, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

const initOf = (nspawn: number): number | undefined => childrenOf(nspawn).find(isNamespaceInit);

function childrenOf(pid: number): number[] {
  return (readProc(`${pid}/task/${pid}/children`) ?? "")
    .trim()
    .split(" ")
    .filter((id) => id !== "")
    .map(Number);
}

/** The line `NSpid:` has the ids in each namespace, outermost first. */
const isNamespaceInit = (pid: number): boolean => /^NSpid:\s.*\s1$/m.test(readProc(`${pid}/status`) ?? "");

function readProc(path: string): string | undefined {
  try {
    return readFileSync(join("/proc", path), "utf8");
  } catch {
    return undefined;
  }
}

/** Where nspawn keeps a folder by which mounts could be handed to a host; it removes it unless it is killed itself. */
const propagationFolder = (name: string): string => join("/run/systemd/nspawn/propagate", name);

/** Ends a host's processes at once. nspawn itself, where it lives, sees the end and gets time to tidy up. */
export async function killHost({ cgroup: [unified = ""] }: HostRecord): Promise<void> {
  // nspawn's name for the group of what runs inside; not there when it has just been started.
  const inside = join(unified, "payload");
  await killCgroup(existsSync(inside) ? inside : unified);
  for (const deadline = Date.now() + TIDY_MS; isPopulated(unified) && Date.now() < deadline; ) await sleep(10);
  await killCgroup(unified);
}

/** Ends whatever is left of a host and removes its folder. Works from the record alone, however the host came to be. */
export async function removeHost(folder: string): Promise<void> {
  const record = readJson(filesOf(folder).record) as HostRecord | undefined;
  if (record !== undefined) {
    await killHost(record);
    await removeCgroup(record.cgroup);
    await detachHost(record);
    await removeTree(propagationFolder(record.namespace));
  }
  await removeTree(folder);
}

/** Folders of the hosts below `<home>/hosts`. */
export function hostFolders(hostsFolder: string): string[] {
  return readdirSync(hostsFolder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(hostsFolder, name));
}
