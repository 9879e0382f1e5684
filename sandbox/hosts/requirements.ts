import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { cgroupsUsable } from "./cgroup";
import { commandEnvironment, run } from "./command";

/** What hosts need of the machine, and the Debian package that brings it. */
const needed: { command: string; package: string }[] = [
  { command: "systemd-nspawn", package: "systemd-container" },
  { command: "mmdebstrap", package: "mmdebstrap" },
  { command: "nft", package: "nftables" },
  { command: "ip", package: "iproute2" },
  { command: "unshare", package: "util-linux" },
  { command: "setpriv", package: "util-linux" },
  { command: "mount", package: "mount" },
];

/** The archive's keys: Debian has them, its derivatives may not. */
const archiveKeys = { file: "/usr/share/keyrings/debian-archive-keyring.gpg", package: "debian-archive-keyring" };

export type HostRequirements = { possible: true; missingPackages: string[] } | { possible: false; reason: string };

/** What is asked of the machine; given by tests. */
export interface Machine {
  platform: NodeJS.Platform;
  root: boolean;
  cgroups: () => boolean;
  hasCommand: (name: string) => boolean;
  hasFile: (path: string) => boolean;
}

const thisMachine = (): Machine => ({
  platform: process.platform,
  root: process.getuid?.() === 0,
  cgroups: cgroupsUsable,
  hasCommand: (name) =>
    (commandEnvironment.PATH ?? "").split(":").some((folder) => may(join(folder, name), constants.X_OK)),
  hasFile: (path) => may(path, constants.R_OK),
});

function may(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

const WITHOUT_HOSTS = "Run with --sandbox=api to use the sandbox without booted hosts.";

/** Whether this machine can boot hosts, and what must be installed first. Looks only; changes nothing. */
export function hostRequirements(machine: Machine = thisMachine()): HostRequirements {
  const impossible = (reason: string): HostRequirements => ({ possible: false, reason: `${reason} ${WITHOUT_HOSTS}` });
  if (machine.platform !== "linux") return impossible("Hosts boot on Linux only.");
  if (!machine.root) return impossible("Booting hosts needs root (namespaces, mounts, a bridge).");
  if (!machine.cgroups()) return impossible("Booting hosts needs control groups of version 2 and Linux 5.14 or newer.");
  const missing = needed.filter(({ command }) => !machine.hasCommand(command));
  const packages = new Set(missing.map((row) => row.package));
  if (!machine.hasFile(archiveKeys.file)) packages.add(archiveKeys.package);
  if (packages.size > 0 && !machine.hasCommand("apt-get")) {
    const lacking = missing.map(({ command }) => command).join(", ") || archiveKeys.file;
    return impossible(`Booting hosts needs what this machine lacks (${lacking}), and it has no apt-get to install it.`);
  }
  return { possible: true, missingPackages: [...packages] };
}

/**
 * Installs Debian packages with the machine's own package manager.
 * @throws SpotError E_SANDBOX_SETUP with the last lines of apt-get's output.
 */
export async function install(packages: readonly string[], report: (detail: string) => void): Promise<void> {
  if (packages.length === 0) return;
  const aptGet = (...args: string[]): Promise<string> =>
    run("apt-get", ["--yes", "--quiet", ...args], { env: { DEBIAN_FRONTEND: "noninteractive" }, onLine: report });
  await aptGet("update");
  await aptGet("install", ...packages);
}
