import { hostKeyProof } from "../identity/host-key-proof";
import { paths } from "../layout";
import { AS_CATALOGUED } from "../errors";
import type { PlacedFile } from "../node/placed";
import { differenceOf, lookAt, lookOf } from "./look";
import type { Check, CommandOutput, NodeExpectation, Span, Verdict } from "./types";
import {
  expectAll,
  firstLine,
  isRecord,
  joinList,
  expectEmpty,
  parseJsonObject,
  QUICK,
  REPLACE,
  SLOW,
  replacing,
  replacingAfter,
  correctConfiguration,
  correctPayload,
} from "./expectations";

/** C: what the first boot did. */
export const cloudInitChecks: readonly Check[] = [
  {
    id: "C1",
    title: "cloud-init finished",
    phase: "cloud-init",
    where: "node",
    needs: ["B3"],
    severity: "fail",
    deadlineMs: QUICK,
    patienceMs: SLOW,
    command: () => "cloud-init status --format json; systemctl list-jobs --no-legend --no-pager",
    judge: judgeCloudInitEnd,
    cause: "A stage of cloud-init hangs.",
    ...replacingAfter("/var/log/cloud-init-output.log on the node"),
  },
  {
    id: "C2",
    title: "cloud-init without errors",
    phase: "cloud-init",
    where: "node",
    needs: ["B3"],
    after: ["C1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () =>
      "cat /run/cloud-init/status.json; sudo -n grep -E ' - [^ ]+\\[(WARNING|ERROR|CRITICAL)\\]: ' /var/log/cloud-init.log | tail -n 5",
    judge: judgeCloudInitErrors,
    cause: "A package, a user or a command of the user data failed.",
    ...correctConfiguration(
      "Correct `packages`; then `up` replaces the node. Where archives could not be reached: `replace NODE`.",
    ),
  },
  {
    id: "C3",
    title: "user data received as sent",
    phase: "cloud-init",
    where: "node",
    needs: ["B3"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: QUICK,
    command: () => "sudo -n sha256sum /var/lib/cloud/instance/user-data.txt",
    judge: ({ stdout, stderr }, { userDataSha256 }) => ({
      ok: stdout.startsWith(userDataSha256),
      expected: userDataSha256,
      actual: stdout.split(" ")[0] || firstLine(stderr),
    }),
    cause: "The instance was launched with other user data.",
    ...REPLACE,
  },
  {
    id: "C4",
    title: "packages installed",
    phase: "cloud-init",
    where: "node",
    needs: ["C1"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: QUICK,
    applies: ({ packages }) => packages.length > 0,
    command: ({ packages }) => `dpkg-query -W -f '\${db:Status-Abbrev} \${Package}\\n' ${packages.join(" ")}`,
    judge: ({ stdout }, { packages }) => {
      const installed = new Set(
        stdout.split("\n").flatMap((line) => (line.startsWith("ii ") ? [line.slice(2).trim()] : [])),
      );
      return expectAll(packages, (name) => (installed.has(name) ? undefined : `${name}: not installed`));
    },
    cause: "The package does not exist in the image's archives, or they could not be reached.",
    ...correctConfiguration(
      "Correct `packages`; then `up` replaces the node. Where archives could not be reached: `replace NODE`.",
    ),
  },
  {
    // By root: others may not even look at dpkg's lock, and then hear of nothing.
    id: "C5",
    title: "dpkg healthy, not locked",
    phase: "cloud-init",
    where: "node",
    needs: ["B3"],
    after: ["C1"],
    severity: "warn",
    deadlineMs: QUICK,
    command: () =>
      'sudo -n dpkg --audit || echo dpkg cannot tell; grep ":$(stat -c %i /var/lib/dpkg/lock-frontend) " /proc/locks; true',
    judge: ({ stdout }) => expectEmpty(stdout),
    cause: "An installation was broken off, or is running.",
    ...replacing(
      "`sudo dpkg --configure -a` on the node shows what is wrong; an installation that runs comes to its end by itself.",
    ),
  },
  {
    id: "C6",
    title: "stages of cloud-init",
    phase: "cloud-init",
    where: "node",
    needs: ["B3"],
    after: ["C1"],
    severity: "info",
    deadlineMs: QUICK,
    command: () => "cat /run/cloud-init/status.json",
    judge: judgeStages,
    cause: "The record of cloud-init's stages is not whole.",
    ...replacingAfter("/var/log/cloud-init.log on the node"),
  },
  {
    id: "C7",
    title: "files of the user data as written",
    phase: "cloud-init",
    where: "node",
    needs: ["B3"],
    after: ["C1"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: QUICK,
    command: ({ userDataFiles }) =>
      `${lookAt([...userDataFiles, PROOF, ...HOST_KEY].map(({ path }) => path))}; cut -d' ' -f2 ${KEY}.pub; sudo -n head -c 200 ${PROOF.path}`,
    judge: judgeWrittenFiles,
    cause: "A file was changed on the node after its first boot.",
    ...REPLACE,
  },
];

const KEY = "/etc/ssh/ssh_host_ed25519_key";
const HOST_KEY: readonly PlacedFile[] = [
  { path: KEY, mode: "600", owner: "root" },
  { path: `${KEY}.pub`, mode: "644", owner: "root" },
];
const PROOF: PlacedFile = { path: paths.hostKeyProof, mode: "644", owner: "root" };

/** The proof is right when it is what the node's token makes of the host key: B2 has proven the key itself. */
function judgeWrittenFiles(
  output: CommandOutput,
  { userDataFiles, instanceId, hostKeyToken }: NodeExpectation,
): Verdict {
  const look = lookOf(output);
  const [key = "", proof = ""] = output.stdout.trimEnd().split("\n").slice(-2);
  const isProven = proof === hostKeyProof(hostKeyToken, instanceId, key);
  return expectAll([...userDataFiles, PROOF, ...HOST_KEY], (file) => {
    const difference = differenceOf(file, look, "f", "what the user data says");
    return difference ?? (file === PROOF && !isProven ? `${file.path}: not the proof of this host key` : undefined);
  });
}

/**
 * The last stage comes after multi-user.target, and so after every unit that it wants. Where the start of an installed
 * unit is all that it waits for, that is a warning: the checks after this one name the unit, and why.
 */
function judgeCloudInitEnd({ stdout, stderr }: CommandOutput, { units }: NodeExpectation): Verdict {
  const end = stdout.lastIndexOf("}") + 1;
  const status = parseJsonObject(stdout.slice(0, end))?.status;
  // "error" is an end, too: C2 says of what.
  const ok = status === "done" || status === "error";
  const actual = typeof status === "string" ? status : firstLine(stderr, stdout);
  const starting = stdout
    .slice(end)
    .split("\n")
    .flatMap((line) => /^\s*\d+ (\S+)\s+start\s+running/.exec(line)?.[1] ?? []);
  if (status !== "running" || starting.length === 0)
    return { ok, expected: "done", actual, pending: status === "running" };
  const isOurs = starting.every((name) => Object.hasOwn(units.installed, name));
  return {
    ok,
    expected: "done",
    actual: `running; the boot waits for ${joinList(starting)}`,
    pending: true,
    ...(isOurs
      ? {
          severity: "warn",
          cause: `${joinList(starting)} hangs in its start, and cloud-init's last stage comes after it.`,
        }
      : {}),
    ...(isOurs ? correctPayload("Correct the unit or what it runs; then `up` replaces the node.") : AS_CATALOGUED),
  };
}

/** status.json has the errors of each stage; since cloud-init 23.4 also the recoverable ones. Before, the log has them. */
function judgeCloudInitErrors({ stdout }: CommandOutput): Verdict {
  const end = stdout.lastIndexOf("}") + 1;
  const status = parseJsonObject(stdout.slice(0, end))?.v1;
  const stages = isRecord(status) ? Object.values(status).filter(isRecord) : [];
  const textsOf = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);
  const errors = stages.flatMap((stage) => textsOf(stage.errors));
  const newer = stages.filter((stage) => "recoverable_errors" in stage);
  const recoverable =
    newer.length > 0
      ? newer.flatMap(({ recoverable_errors: byLevel }) =>
          isRecord(byLevel) ? ["CRITICAL", "ERROR", "WARNING"].flatMap((level) => textsOf(byLevel[level])) : [],
        )
      : stdout
          .slice(end)
          .split("\n")
          .filter((line) => line.trim() !== "");
  const found = [...errors, ...recoverable];
  if (stages.length === 0) return { ok: false, expected: "none", actual: "/run/cloud-init/status.json is missing" };
  return { ok: found.length === 0, expected: "none", actual: joinList(found) || "none" };
}

/** The stages in the order in which they run; times are seconds since the epoch. */
function judgeStages({ stdout, stderr }: CommandOutput): Verdict {
  const status = parseJsonObject(stdout)?.v1;
  const seconds = (value: unknown): string | undefined =>
    typeof value === "number" && value > 0 ? new Date(value * 1000).toISOString() : undefined;
  const spans = Object.entries(isRecord(status) ? status : {}).flatMap(([name, stage]): Span[] => {
    const start = isRecord(stage) ? seconds(stage.start) : undefined;
    const end = isRecord(stage) ? seconds(stage.finished) : undefined;
    return start === undefined ? [] : [{ name, start, ...(end === undefined ? {} : { end }) }];
  });
  const took = ({ name, start, end }: Span): string =>
    `${name} ${end === undefined ? "not finished" : `${((Date.parse(end) - Date.parse(start)) / 1000).toFixed(1)} s`}`;
  return {
    ok: spans.length > 0 && spans.every(({ end }) => end !== undefined),
    expected: "each stage finished",
    actual: joinList(spans.map(took)) || firstLine(stderr, "no stage is recorded"),
    spans,
  };
}
