import { errorCatalogue, type ErrorCode } from "../../fleet/errors";
import { AGAIN, type ActionName, type Step } from "../../fleet/steps";
import { galleryCases } from "../e2e/gallery/cases";
import type { World } from "./world";

/** One check that fails on a broken node, and ends to fail by its step. */
export interface StepTrial {
  check: string;
  /** What is wrong, as a person would say it. */
  name: string;
  breaks: (world: World) => Promise<unknown>;
  /** What is done by hand where the step is an action outside the program. */
  byHand?: { action: ActionName; does: (world: World) => Promise<unknown> };
  /** How many nodes it takes. */
  nodes?: 1 | 2;
}

/** Breaks the node as the gallery does. */
const gallery = (check: string, name: string, more: Partial<StepTrial> = {}): StepTrial => {
  const broken = galleryCases.find((one) => one.name === name);
  if (broken === undefined) throw new Error(`no case of the gallery is called ${name}`);
  return { check, name, breaks: (world) => world.inHost(broken.breaks), ...more };
};

const payload: Partial<StepTrial> = {
  byHand: { action: "correct-payload", does: (world) => world.correctPayload() },
};
const configuration: Partial<StepTrial> = {
  byHand: { action: "correct-configuration", does: (world) => world.correctConfiguration() },
};

/** Every check that can be made to fail here and whose step can be taken. To add one, add a row. */
export const stepTrials: readonly StepTrial[] = [
  { check: "A2", name: "the instance ended by hand", breaks: (world) => world.endInstance() },
  { check: "A3", name: "the way to the internet gone", breaks: (world) => world.deleteRoute() },
  { check: "A4", name: "the rule that lets us in gone", breaks: (world) => world.revokeOwnRule() },
  {
    check: "A4",
    name: "a port opened to the world",
    breaks: (world) => world.openPortToAll(),
    byHand: { action: "revoke-rule", does: (world) => world.closePortToAll() },
  },
  { check: "A5", name: "IMDSv1 allowed", breaks: (world) => world.allowFirstMetadataVersion() },
  { check: "A6", name: "an interruption announced", breaks: (world) => world.notice("interruption") },
  gallery("B1", "sshd stopped"),
  gallery("B2", "host key changed"),
  gallery("B3", "key refused (L37)"),
  gallery("B4", "metadata service dead (L21)"),
  gallery("B5", "no reboot happened (L3)"),
  gallery("B7", "resolver dead"),
  gallery("C1", "cloud-init still running"),
  gallery("C2", "an error of cloud-init", configuration),
  gallery("C3", "other user data"),
  gallery("C4", "package missing", configuration),
  gallery("C5", "package half configured"),
  gallery("C6", "cloud-init still running"),
  gallery("C7", "node's own name changed"),
  gallery("D1", "upload root of another owner"),
  gallery("D2", "script altered by one byte (L12)"),
  gallery("D3", "foreign file", payload),
  gallery("D4", "directory missing (L2)"),
  gallery("D5", "another payload"),
  gallery("E1", "deployment ended with an error"),
  gallery("E2", "deployment step failed"),
  gallery("E3", "deployment marker missing"),
  gallery("E4", "deployment log ends early"),
  gallery("E5", "settings overwritten"),
  gallery("F1", "unit file changed"),
  gallery("F2", "unit masked", payload),
  gallery("F3", "unit disabled (L4, L6)"),
  gallery("F4", "units that order themselves in a circle (L5)", payload),
  gallery("F5", "startup failed"),
  gallery("F6", "startup failed"),
  gallery("F7", "workload stopped"),
  gallery("F8", "service that restarts for ever (L7)"),
  gallery("F9", "another unit of the system failed"),
  gallery("F10", "startup failed"),
  gallery("G1", "identity missing"),
  gallery("G2", "identity of another instance"),
  gallery("G3", "identity edited"),
  gallery("G5", "placeholder left"),
  gallery("G6", "rendered configuration changed"),
  gallery("H5", "sensor that writes nothing"),
  gallery("H6", "a unit of the user's own stopped", payload),
  gallery("H7", "metadata service dead (L21)"),
  gallery("K1", "disk full", configuration),
  { check: "K3", name: "a reboot pending", breaks: (world) => world.inHost("echo restart > /run/reboot-required") },
  {
    check: "K4",
    name: "a rebalance recommended",
    breaks: (world) => world.notice("rebalance"),
    byHand: { action: "wait", does: (world) => world.endInstance() },
  },
  gallery("U-nothing-wrong", "a check of the user's own fails", {
    byHand: { action: "correct-own-check", does: (world) => world.inHost("rm /tmp/wrong") },
  }),
  gallery("G4", "identity of another node of the fleet", { nodes: 2 }),
];

/** Checks whose step is not taken here, each with the reason. */
export const untriedChecks: Readonly<Record<string, string>> = {
  A1: "the sandbox takes every credential, so that none can be refused",
  B6: "hosts share the clock of the machine that they run on",
  D6: "takes scripts of the user's own that the image's Python cannot read; its step is F2's",
  H1: "takes a real Bacalhau of another version; its step is H2's and that of every other check of a node",
  H2: "takes a real Bacalhau; its step is that of every other check of a node",
  H3: "takes a real orchestrator",
  H4: "takes a real orchestrator; its step is C2's",
  K2: "the kernel's log is the machine's, and no host may write it; its step is K1's",
};

const ELSEWHERE = {
  words: "the words of a command line are tried in tests/integration/command-line.test.ts",
  config: "a faulty configuration is corrected in tests/unit/fleet/config/config.test.ts, whose good one passes",
  machine: "it changes the machine that the tests run on",
  account: "it takes a real AWS account",
  again: "runs that were broken off are run again in tests/kill and tests/faults",
  state: "a lost state is restored in tests/integration/lost-state.test.ts",
  setup: "`setup` is run where there is no configuration in tests/integration/command-line.test.ts",
  leftovers: "`down` is run again after leftovers in tests/faults",
  many: "`repair` is what `replace` is for all nodes that fail; it is run in tests/e2e/node-failures.test.ts",
  bug: "it reports a fault of the program, and ends none",
};

/** Distinct steps of the catalogue of errors that no trial takes, by one error that has each, with the place or the reason. */
export const untriedErrors: Readonly<Partial<Record<ErrorCode, string>>> = {
  E_USAGE: ELSEWHERE.words,
  E_CONFIG_MISSING: ELSEWHERE.setup,
  E_CONFIG_SYNTAX: ELSEWHERE.config,
  E_CONFIG_OTHER: "the choice is tried both ways in tests/integration/two-configurations.test.ts",
  E_PAYLOAD: ELSEWHERE.config,
  E_STALE_BUILD: ELSEWHERE.machine,
  E_PULUMI_CLI: ELSEWHERE.machine,
  E_PROVIDER: ELSEWHERE.machine,
  E_BACKEND: ELSEWHERE.machine,
  E_STATE: ELSEWHERE.state,
  E_LOCKED: ELSEWHERE.again,
  E_CREDENTIALS: ELSEWHERE.account,
  E_PERMISSION: ELSEWHERE.account,
  E_AWS: ELSEWHERE.again,
  E_KEY_LOST: ELSEWHERE.state,
  E_PROGRAM: ELSEWHERE.bug,
  E_LEFTOVERS: ELSEWHERE.leftovers,
  E_SANDBOX_PORT: ELSEWHERE.machine,
  E_SANDBOX_HOST: "`sandbox down` is run in tests/integration/sandbox.test.ts",
  E_SSH: ELSEWHERE.many,
};

/** A step without what differs from case to case. */
export function kindOf(step: Step): string {
  const command = "command" in step ? step : step.then;
  const words =
    command === undefined ? [] : [command.command, ...command.args.filter((word) => !word.startsWith("--"))];
  const then = command?.command === AGAIN ? AGAIN : words.join(" ");
  return "action" in step ? [step.action, then].join(" then ") : then;
}

/** The distinct steps of the catalogue of errors, each with those that have it. */
export function stepsOfErrors(): Map<string, ErrorCode[]> {
  const found = new Map<string, ErrorCode[]>();
  for (const [code, { step }] of Object.entries(errorCatalogue) as [ErrorCode, { step: Step }][])
    found.set(kindOf(step), [...(found.get(kindOf(step)) ?? []), code]);
  return found;
}
