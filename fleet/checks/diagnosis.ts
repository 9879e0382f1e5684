import { AS_CATALOGUED, type Advice, type OwnAdvice } from "../errors";
import { plainLine } from "../text/words";
import { admitting, cloudChecks, lettingIn, notAdmitted } from "./cloud";
import type { CloudFacts, Lookup, NodeExpectation } from "./types";

/** One thing on the way to a node's shell, and what it shows. */
export interface DiagnosisStep {
  subject: string;
  /** `unknown`: it could not be looked at, or what comes before it stands in the way. */
  state: "ok" | "problem" | "unknown";
  evidence: string;
}

/** Where the way to a node's shell ended. */
export type ReachStage = "banner" | "host-key" | "login";

/** What is known when no login succeeded. */
export interface FailedReach {
  cloud: CloudFacts;
  stage: ReachStage;
  /** The lower layer's words. */
  failure: string;
  /** What the instance wrote to its console. */
  console: Lookup<string>;
}

/** Lines of a console that say why nothing answers. */
const FATAL =
  /kernel panic|emergency mode|out of memory: killed process|failed to start .*(ssh|network)|no space left on device|cloud-init.*(critical|traceback)/i;

/** The end of a boot. What stands before the last one is of an earlier boot. */
const WENT_DOWN = /reached target .*(shutdown|power-?off|reboot|halt)|reboot: (power down|restarting|system halted)/i;

/** Everything between here and a node's shell, in the order in which it is passed, each with its evidence. */
export function diagnose({ cloud, stage, failure, console }: FailedReach): DiagnosisStep[] {
  return [
    instanceState(cloud),
    consoleOutput(console),
    securityGroup(cloud),
    route(cloud),
    publicAddress(cloud),
    ...connection(stage, failure),
  ];
}

type Asked = Pick<NodeExpectation, "mayAdmitCallers">;

/** What helps when one of these is what is wrong. Of the others, it is the advice of the check that failed. */
const ADVICE: Readonly<Record<string, (node: Asked) => Advice>> = {
  "instance state": () => ofCheck("A2"),
  "security group": lettingIn,
  route: () => ofCheck("A3"),
  "public address": () => ofCheck("A3"),
};

function ofCheck(id: string): Advice {
  const check = cloudChecks.find((one) => one.id === id);
  if (check === undefined) throw new Error(`there is no check ${id}`);
  return { next: check.next, step: check.step };
}

/** The first thing that is wrong: the likely cause, in one sentence, and what to do when that is known. */
export function rootOf(steps: readonly DiagnosisStep[], node: Asked): ({ cause: string } & OwnAdvice) | undefined {
  const found = steps.find(({ state }) => state === "problem");
  if (found === undefined) return undefined;
  return {
    cause: `${found.subject}: ${found.evidence}`,
    ...(ADVICE[found.subject]?.(node) ?? AS_CATALOGUED),
  };
}

function instanceState({ instance, unanswered }: CloudFacts): DiagnosisStep {
  const subject = "instance state";
  if (unanswered !== undefined) return { subject, state: "unknown", evidence: unanswered };
  const state = instance?.state ?? "no such instance";
  return {
    subject,
    state: state === "running" ? "ok" : "problem",
    evidence: instance?.stateReason && state !== "running" ? `${state}: ${instance.stateReason}` : state,
  };
}

function consoleOutput(console: Lookup<string>): DiagnosisStep {
  const subject = "console output";
  if (console.failure !== undefined) return { subject, state: "unknown", evidence: console.failure };
  const lines = console.value
    .split("\n")
    .map(plainLine)
    .filter((line) => line !== "");
  const down = lines.filter((line) => WENT_DOWN.test(line)).at(-1);
  const boot = down === undefined ? lines : lines.slice(lines.lastIndexOf(down) + 1);
  if (down !== undefined && boot.length === 0) return { subject, state: "problem", evidence: `it went down: ${down}` };
  const fatal = boot.filter((line) => FATAL.test(line)).at(-1);
  if (fatal !== undefined) return { subject, state: "problem", evidence: fatal };
  return lines.length === 0
    ? { subject, state: "unknown", evidence: "empty" }
    : { subject, state: "ok", evidence: `last line: ${lines.slice(-1).join()}` };
}

/** Nothing came through, so an address that no group admits is a problem here, however uncertain it is. */
function securityGroup({ groups, caller, unanswered }: CloudFacts): DiagnosisStep {
  const subject = "security group";
  if (groups === undefined || groups.failure !== undefined)
    return { subject, state: "unknown", evidence: unanswered ?? groups?.failure ?? "no such instance" };
  if (caller === undefined) return { subject, state: "unknown", evidence: "your own address could not be found out" };
  const [found] = admitting(groups.value, caller.cidr);
  return found
    ? { subject, state: "ok", evidence: `${found.id} admits SSH from ${caller.cidr}` }
    : { subject, state: "problem", evidence: notAdmitted(caller.cidr) };
}

function route({ internetRoute, unanswered }: CloudFacts): DiagnosisStep {
  const subject = "route";
  if (internetRoute === undefined || internetRoute.failure !== undefined)
    return { subject, state: "unknown", evidence: unanswered ?? internetRoute?.failure ?? "no such instance" };
  const target = internetRoute.value;
  return {
    subject,
    state: target?.startsWith("igw-") ? "ok" : "problem",
    evidence: target === null ? "the subnet has no route to the internet" : `the subnet's route leads to ${target}`,
  };
}

function publicAddress({ instance, unanswered }: CloudFacts): DiagnosisStep {
  const subject = "public address";
  if (unanswered !== undefined) return { subject, state: "unknown", evidence: unanswered };
  return {
    subject,
    state: instance?.publicAddress === undefined ? "problem" : "ok",
    evidence: instance?.publicAddress ?? "none",
  };
}

const SUBJECTS: Record<ReachStage, string> = { banner: "banner", "host-key": "host key", login: "authentication" };
const STAGES = Object.keys(SUBJECTS) as ReachStage[];

function connection(stage: ReachStage, failure: string): DiagnosisStep[] {
  const failed = STAGES.indexOf(stage);
  return STAGES.map((name, n): DiagnosisStep => {
    if (n === failed) return { subject: SUBJECTS[name], state: "problem", evidence: failure };
    return n < failed
      ? { subject: SUBJECTS[name], state: "ok", evidence: "passed" }
      : { subject: SUBJECTS[name], state: "unknown", evidence: "not come to" };
  });
}
