import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import type { HostRecord } from "../../sandbox/hosts/host";

const execute = promisify(execFile);

/** A list of every file of a host fits. */
const MAX_OUTPUT = 64 * 1024 * 1024;

/** Reaches into a booted host of a sandbox without SSH, by the host's processes. */
export class InsideHost {
  private readonly folder: string;

  constructor(home: string, instanceId: string) {
    this.folder = path.join(home, "hosts", instanceId);
  }

  /**
   * Runs a shell command as root in the host; answers its output. Throws when it fails.
   *
   * A shell outside the host's PID namespace waits for it. systemd stops every process before it ends them all, and
   * nsenter itself, told that its child was stopped, would stop as well: for ever, and with it the host's shutdown,
   * which waits until that child is reaped.
   */
  async run(command: string): Promise<string> {
    const namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--no-fork"];
    const { stdout } = await execute(
      "nsenter",
      [
        "--target",
        String(this.firstIn("payload/init.scope")),
        ...namespaces,
        "--",
        "/bin/sh",
        "-c",
        '/bin/sh -c "$1"; exit',
        "sh",
        command,
      ],
      { maxBuffer: MAX_OUTPUT },
    );
    return stdout;
  }

  /** The process that runs the host on this machine (nspawn). Throws where there is none. */
  get supervisor(): number {
    return this.firstIn("supervisor");
  }

  /** False for a moment after the launch: nspawn is being started, and there is nothing to reach yet. */
  get isRun(): boolean {
    if (!existsSync(this.record)) return false;
    const group = path.join(this.group, "supervisor");
    return existsSync(group) && processesOf(group).length > 0;
  }

  /** Where a file that the host wrote since its launch lies on this machine. For reading. */
  written(file: string): string {
    return path.join(this.folder, "upper", file);
  }

  private get record(): string {
    return path.join(this.folder, "host.json");
  }

  private get group(): string {
    const { cgroup } = JSON.parse(readFileSync(this.record, "utf8")) as HostRecord;
    return cgroup[0] ?? "";
  }

  private firstIn(name: string): number {
    const group = path.join(this.group, name);
    const [first] = processesOf(group);
    // Not 0, which to `kill` is every process of our own group.
    if (first === undefined) throw new Error(`no process in ${group}`);
    return first;
  }
}

function processesOf(group: string): number[] {
  const lines = readFileSync(path.join(group, "cgroup.procs"), "utf8").split("\n");
  return lines.filter((line) => line !== "").map(Number);
}
