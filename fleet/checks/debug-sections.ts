import { paths, units as ourUnits } from "../layout";
import type { NodeExpectation } from "./index";

/** Something of a node that is worth a file in a debug bundle. */
export interface DebugSection {
  /** In the bundle. */
  file: string;
  /** Reads only; run by root's leave (sudo), in a shell. */
  command: (node: NodeExpectation) => string;
}

/** The end of a file, as much as one can read; and why, when there is none. */
const tail = (path: string): string => `sudo -n tail -c 500000 ${path}`;

/** Each file of a folder below its name. */
const each = (pattern: string): string =>
  `sudo -n sh -c 'for f in ${pattern}; do echo "==> $f <=="; cat "$f"; echo; done'`;

const journal = (unit: string): DebugSection => ({
  file: `journal/${unit}.txt`,
  command: () => `sudo -n journalctl -q --no-pager -n 2000 -o short-iso -u ${unit}`,
});

/** What a debug bundle holds, but for its summary and what AWS says. The user data is not in it: it holds a secret. */
export function debugSections({ units }: NodeExpectation): DebugSection[] {
  return [
    { file: "logs/deployment.log", command: () => tail(paths.deploymentLog) },
    { file: "logs/startup.log", command: () => tail(paths.startupLog) },
    { file: "logs/cloud-init.log", command: () => tail("/var/log/cloud-init.log") },
    { file: "logs/cloud-init-output.log", command: () => tail("/var/log/cloud-init-output.log") },
    { file: "records/steps.txt", command: () => each(`${paths.state}/steps*/*.json`) },
    {
      file: "records/state.txt",
      command: () => each(`${paths.state}/*.json ${paths.runtime}/*.json ${paths.node}`),
    },
    { file: "cloud-init/status.json", command: () => "cat /run/cloud-init/status.json" },
    { file: "cloud-init/timings.txt", command: () => "cloud-init analyze show" },
    ...[ourUnits.deploy, ...Object.keys(units.installed), "ssh.service"].map(journal),
    {
      file: "journal/errors.txt",
      command: () => "sudo -n journalctl -b -q --no-pager -n 2000 -o short-iso -p warning",
    },
    {
      file: "system/units.txt",
      command: () => "systemctl list-units --all --no-pager --no-legend --plain; systemctl list-jobs --no-pager",
    },
    {
      file: "system/our-units.txt",
      command: () => `systemctl status --no-pager -n 0 ${Object.keys(units.installed).join(" ")}; true`,
    },
    {
      file: "system/boot.txt",
      command: () => "systemd-analyze; systemd-analyze critical-chain --no-pager; systemd-analyze blame --no-pager",
    },
    {
      file: "system/machine.txt",
      command: () =>
        "uname -a; cat /etc/os-release; uptime; date -u; nproc; free -m; df -hT; df -hi /; cat /proc/loadavg",
    },
    { file: "system/processes.txt", command: () => "ps -eo pid,ppid,user,stat,lstart,rss,comm --sort=-rss" },
    {
      file: "system/network.txt",
      command: () => "ip address; ip route; cat /etc/resolv.conf; grep ^hosts /etc/nsswitch.conf; ss -tlnp",
    },
    { file: "system/packages.txt", command: () => "dpkg --audit; dpkg-query -W" },
    {
      file: "payload/files.txt",
      command: () =>
        `find ${paths.upload} ${paths.sensor} ${paths.bacalhauNode} -printf '%M %u %s %TY-%Tm-%TdT%TH:%TM %p %l\\n'`,
    },
  ];
}
