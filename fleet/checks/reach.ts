import { AS_CATALOGUED } from "../errors";
import { paths } from "../layout";
import { NODE, outside, spot } from "../steps";
import type { Check, CloudFacts, Verdict } from "./types";
import {
  firstLine,
  joinList,
  REPLACE_BY_LOG,
  METADATA,
  parseJsonObject,
  QUICK,
  REPLACE,
  SLOW,
  replacing,
  adviceOn,
  correctConfiguration,
} from "./expectations";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** In a command for people, where the address would stand. */
const NO_ADDRESS = "ADDRESS";

/** Only names of orchestrators are not resolved. */
const WRONG_NAME = correctConfiguration(
  "Correct `bacalhau.orchestrators`, then `up` replaces the node. Where the names are right, the node's resolver was changed: `replace NODE`.",
);

/** The host names in `nats://host:port`, each once. */
const namesOf = (urls: readonly string[] = []): string[] => [
  ...new Set(urls.map((url) => url.replace(/^nats:\/\/|:\d+$/g, ""))),
];

/**
 * Where AWS did not say whether the node is still there and at which address, no connection to the recorded one proves
 * nothing: it may be another machine's by now, or this one is cut off from the network altogether.
 */
export function atRecordedAddress(verdict: Verdict, { unanswered }: CloudFacts): Verdict {
  if (verdict.ok || unanswered === undefined) return verdict;
  return {
    ...verdict,
    severity: "unknown",
    cause: `AWS did not say whether the node is still at the address that is recorded: ${unanswered}`,
    ...adviceOn(unanswered),
  };
}

/** B: the way to the node, and that it is the one that was meant. */
export const reachChecks: readonly Check[] = [
  {
    id: "B1",
    title: "SSH answers",
    phase: "reach",
    where: "client",
    needs: ["A3", "A4"],
    severity: "fail",
    deadlineMs: SLOW,
    command: ({ address, username }) => `ssh -v ${username}@${address ?? NO_ADDRESS}`,
    judge: ({ address, bannerFailure }) => ({
      ok: bannerFailure === undefined,
      expected: `an SSH banner from ${address}`,
      actual: bannerFailure ?? "it answers",
    }),
    cause: "Nothing listens on the node's SSH port, or something on the way drops the packets.",
    ...replacing("What is on the way to it is shown in order: what is wrong there is to be mended first."),
  },
  {
    id: "B2",
    title: "host key proven and pinned",
    phase: "reach",
    where: "client",
    needs: ["B1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: ({ address }) => `ssh-keyscan -t ed25519 ${address ?? NO_ADDRESS}`,
    judge: ({ hostKeyFailure }) => ({
      ok: hostKeyFailure === undefined,
      expected: "the key that the node made",
      actual: hostKeyFailure ?? "proven",
    }),
    cause: "Something stands between, the node's first boot failed, or its key was made anew.",
    next: "`replace NODE` makes it anew; nothing was sent to it.",
    step: spot("replace", NODE),
  },
  {
    id: "B3",
    title: "login and sudo",
    phase: "reach",
    where: "node",
    needs: ["B2"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => "sudo -n true && id -un",
    judge: ({ stdout, stderr, code }, { username }) => ({
      ok: code === 0 && stdout.trim() === username,
      expected: username,
      actual: firstLine(stdout, stderr),
    }),
    cause: "cloud-init did not make the user, or its key is another one.",
    ...REPLACE,
  },
  {
    id: "B4",
    title: "instance id from IMDSv2",
    phase: "reach",
    where: "node",
    needs: ["B3"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () =>
      `TOKEN=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' ${METADATA}/api/token) && curl -sf -m 5 -H "X-aws-ec2-metadata-token: $TOKEN" ${METADATA}/meta-data/instance-id`,
    judge: ({ code, stdout }, { instanceId }) => ({
      ok: code === 0 && stdout.trim() === instanceId,
      expected: instanceId,
      actual: stdout.trim() || `no answer (curl ended with ${code})`,
    }),
    cause: "The metadata service is switched off, or another machine answers.",
    ...REPLACE,
  },
  {
    id: "B5",
    title: "booted again since its deployment",
    phase: "reach",
    where: "node",
    needs: ["E2"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `cat ${BOOT_ID} && cat ${paths.deploymentComplete}`,
    judge: ({ stdout, stderr, code }) => {
      const now = stdout.split("\n", 1)[0] ?? "";
      const then = parseJsonObject(stdout.slice(now.length))?.bootId;
      return {
        ok: code === 0 && typeof then === "string" && then !== now,
        expected: "another boot id than during the deployment",
        actual: code !== 0 ? firstLine(stderr) : then === now ? `still ${now}` : `${now}, then ${String(then)}`,
        // Without the record of it nobody can say: what should have come after the reboot says whether it did.
        ...(code === 0 ? {} : { blocks: [] }),
      };
    },
    cause: "The deployment did not come to its end, so nothing asked for the reboot.",
    ...REPLACE_BY_LOG,
  },
  {
    id: "B6",
    title: "clock within 2 s",
    phase: "reach",
    where: "node",
    needs: ["B3"],
    severity: "warn",
    deadlineMs: QUICK,
    command: () => "date +%s.%3N",
    judge: ({ stdout, at }) => {
      const off = Number.parseFloat(stdout) - at / 1000;
      return {
        ok: Math.abs(off) <= 2,
        expected: "at most 2 s off this machine's clock",
        actual: `${off.toFixed(1)} s off`,
      };
    },
    cause: "One of both clocks is not synchronised.",
    next: "Check the time on this machine, then chrony or timesyncd on the node; then run `verify` again.",
    step: outside("set-clock", spot("verify")),
  },
  {
    id: "B7",
    title: "name resolution and a way out",
    phase: "reach",
    where: "node",
    needs: ["B3"],
    severity: "fail",
    deadlineMs: QUICK,
    command: ({ bacalhau }) =>
      `ip route show default | head -n 1; for name in "$(hostname)" ${namesOf(bacalhau?.orchestrators).join(" ")}; do getent hosts "$name" >/dev/null && echo "$name ok" || echo "$name"; done`,
    judge: ({ stdout }) => {
      const [first = "", ...rest] = stdout.trim().split("\n");
      const hasRoute = first.startsWith("default ");
      const [own = "", ...others] = hasRoute ? rest : [first, ...rest];
      const unresolved = (lines: string[]): string[] =>
        lines.flatMap((line) => (line.endsWith(" ok") ? [] : [`${line} is not resolved`]));
      const ofNode = [...(hasRoute ? [] : ["no default route"]), ...unresolved([own])];
      const problems = [...ofNode, ...unresolved(others)];
      return {
        ok: problems.length === 0,
        expected: "a default route; its own name and those that it needs resolved",
        actual: joinList(problems) || first,
        ...(ofNode.length === 0 ? WRONG_NAME : AS_CATALOGUED),
      };
    },
    cause: "The node's resolver or routes were changed.",
    ...replacing("/etc/nsswitch.conf, /etc/resolv.conf and `ip route` on the node show what was changed."),
  },
];
