import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
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
        String(this.pidIn("payload/init.scope")),
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

  /** The process that runs the host on this machine (nspawn). */
  get supervisor(): number {
    return this.pidIn("supervisor");
  }

  /** Where a file that the host wrote since its launch lies on this machine. For reading. */
  written(file: string): string {
    return path.join(this.folder, "upper", file);
  }

  private pidIn(group: string): number {
    const { cgroup } = JSON.parse(readFileSync(path.join(this.folder, "host.json"), "utf8")) as HostRecord;
    return Number(readFileSync(path.join(cgroup[0] ?? "", group, "cgroup.procs"), "utf8").split("\n", 1)[0]);
  }
}
