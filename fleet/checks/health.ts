import { AS_CATALOGUED } from "../errors";
import { paths } from "../layout";
import { outside, spot } from "../steps";
import type { Check, CommandOutput, NodeExpectation, Verdict } from "./types";
import {
  fieldOf,
  firstLine,
  joinList,
  METADATA,
  parseJsonObject,
  QUICK,
  SLOW,
  textOf,
  replacing,
  correctConfiguration,
  LET_IT_BE,
} from "./expectations";

/** Runnable processes per processor that a node may have for a quarter of an hour. */
const LOAD_LIMIT = 8;
const FULL_PERCENT = 90;

const REBALANCE = "meta-data/events/recommendations/rebalance";

/** K: how the machine itself is. */
export const healthChecks: readonly Check[] = [
  {
    id: "K1",
    title: "disk, inodes, memory, load",
    phase: "health",
    where: "node",
    needs: ["B3"],
    severity: "warn",
    deadlineMs: QUICK,
    command: () =>
      `df --output=pcent,ipcent,target / /var ${paths.sensorData} ${paths.bacalhauData} 2>/dev/null | tail -n +2 | sort -u; grep -E '^(MemTotal|MemAvailable):' /proc/meminfo; cut -d' ' -f3 /proc/loadavg; nproc`,
    judge: judgeMachine,
    cause: "The node is nearly full, or does more than it can.",
    ...correctConfiguration(
      "Raise the storage size or the machine type, or let the workload clean up; then `up` replaces the node.",
    ),
  },
  {
    id: "K2",
    title: "no kernel or system errors in this boot",
    phase: "health",
    where: "node",
    needs: ["B3"],
    after: ["C1"],
    severity: "fail",
    deadlineMs: SLOW,
    command: () =>
      "sudo -n journalctl -b -q -p err --no-pager -n 200 -o json --output-fields=MESSAGE,_TRANSPORT,UNIT,_SYSTEMD_UNIT,SYSLOG_IDENTIFIER",
    judge: judgeJournal,
    cause: "The kernel ended or hindered one of our programs, for instance because memory ran out.",
    ...correctConfiguration(
      "Choose a larger machine type, then `up` replaces the node; the journal tells more (`journalctl -b -p err` on the node).",
    ),
  },
  {
    id: "K3",
    title: "no reboot pending",
    phase: "health",
    where: "node",
    needs: ["B3"],
    severity: "info",
    deadlineMs: QUICK,
    command: () => `cat /var/run/reboot-required 2>/dev/null; cat ${paths.deploymentComplete}`,
    judge: ({ stdout, at }) => {
      const start = stdout.indexOf("{");
      const deployed = Date.parse(String(parseJsonObject(stdout.slice(Math.max(0, start)))?.completedAt));
      const required = (start === -1 ? stdout : stdout.slice(0, start)).trim();
      const since = Number.isNaN(deployed)
        ? "not deployed"
        : `deployed ${Math.max(0, Math.round((at - deployed) / 60_000))} minutes ago`;
      return {
        ok: required === "",
        expected: "no reboot pending",
        actual: required === "" ? since : `${required}; ${since}`,
      };
    },
    cause: "Packages were upgraded that need a reboot.",
    ...replacing("It can wait until it suits."),
  },
  {
    id: "K4",
    title: "no rebalance recommended",
    phase: "health",
    where: "node",
    needs: ["B4"],
    severity: "warn",
    deadlineMs: QUICK,
    applies: ({ market }) => market === "spot",
    // Where nothing is recommended, the service answers 404, and curl leaves the page out that comes with it.
    command: () =>
      `TOKEN=$(curl -sf -m 4 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' ${METADATA}/api/token) && curl -sf -m 4 -w '\\n%{http_code}\\n' -H "X-aws-ec2-metadata-token: $TOKEN" ${METADATA}/${REBALANCE}`,
    judge: judgeRebalance,
    cause:
      "AWS sees a greater risk that it takes this instance back soon, by what it has left of this machine type there.",
    next: "Let it run: when AWS has taken it back, `up` makes the node again.",
    step: outside("wait", spot("up")),
  },
];

/** Only 404 says that nothing is recommended: what did not answer, or otherwise, has said nothing. */
function judgeRebalance({ code, stdout }: CommandOutput): Verdict {
  const expected = "no recommendation";
  const lines = stdout.trim().split("\n");
  const status = lines.pop() ?? "";
  if (status === "404") return { ok: true, expected, actual: expected };
  const noticed = status === "200" ? fieldOf(lines.join("\n"), "noticeTime") : undefined;
  if (noticed !== undefined) return { ok: false, expected, actual: `recommended at ${noticed}` };
  return {
    ok: false,
    expected,
    actual: status === "" ? `no answer (curl ended with ${code})` : `an answer that is none (${status})`,
    cause: "The metadata service did not tell.",
    next: "Run `verify` again.",
    step: spot("verify"),
  };
}

function judgeMachine({ stdout }: CommandOutput): Verdict {
  const expected = `each disk below ${FULL_PERCENT} % of its space and inodes, memory below 95 %; load of the last 15 minutes below ${LOAD_LIMIT} per processor`;
  const lines = stdout.trim().split("\n");
  const disks = lines.flatMap((line) => {
    const [, space, inodes, place] = /^\s*(\d+)%\s+(\d+|-)%?\s+(\S+)$/.exec(line) ?? [];
    return place === undefined ? [] : [{ place, space: Number(space), inodes: Number(inodes) || 0 }];
  });
  const kilobytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(stdout)?.[1]);
  const memory = Math.round(100 * (1 - kilobytes("MemAvailable") / kilobytes("MemTotal")));
  const [load = NaN, processors = NaN] = lines.slice(-2).map(Number);
  if (disks.length === 0 || [memory, load, processors].some(Number.isNaN))
    return { ok: false, expected, actual: firstLine(stdout) };
  const problems = [
    ...disks.flatMap(({ place, space, inodes }) => [
      ...(space >= FULL_PERCENT ? [`${place} ${space} % used`] : []),
      ...(inodes >= FULL_PERCENT ? [`${place} ${inodes} % of its inodes used`] : []),
    ]),
    ...(memory >= 95 ? [`memory ${memory} % used`] : []),
  ];
  const overload = load >= LOAD_LIMIT * processors ? [`load ${load} on ${processors} processors`] : [];
  const seen = `${disks.map(({ place, space }) => `${place} ${space} %`).join(", ")}, memory ${memory} %, load ${load} on ${processors}`;
  // Much to do is no fault by itself.
  const severity = problems.length === 0 && overload.length > 0 ? { severity: "info" as const } : {};
  return {
    ok: problems.length + overload.length === 0,
    expected,
    actual: joinList([...problems, ...overload]) || seen,
    ...severity,
  };
}

/** What any machine with a public address logs as an error: connections that end before a login. */
const NOISE = /^error: (kex_|Protocol major|maximum authentication|beginning MaxStartups)/;

/**
 * Errors of the whole system. Those that one of our units logged itself are F10's; the kernel's about one of ours fail,
 * the rest is for information.
 */
function judgeJournal({ stdout }: CommandOutput, { units }: NodeExpectation): Verdict {
  const names = Object.keys(units.installed);
  const entries = stdout.split("\n").flatMap((line) => {
    const entry = parseJsonObject(line);
    const text = textOf(entry?.MESSAGE ?? "");
    const byOurs = [entry?.UNIT, entry?._SYSTEMD_UNIT].some((unit) => names.includes(String(unit)));
    return entry === undefined || text === "" || byOurs || NOISE.test(text)
      ? []
      : [{ text, isOurs: entry._TRANSPORT === "kernel" && names.some((name) => text.includes(name)) }];
  });
  const ours = entries.filter(({ isOurs }) => isOurs);
  const shown = joinList((ours.length > 0 ? ours : entries).map(({ text }) => text));
  return {
    ok: entries.length === 0,
    expected: "none",
    actual: shown || "none",
    ...(ours.length === 0 ? { severity: "info", cause: "Something of the system itself reported an error." } : {}),
    ...(ours.length === 0 ? LET_IT_BE : AS_CATALOGUED),
  };
}
