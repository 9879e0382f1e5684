import { shellQuote } from "./text/shell-quote";

/** A command of this program as data: what is typed behind `spot`. */
export interface CommandStep {
  /** A command's name, or `again`. */
  command: string;
  /** Its words and options, one each. A word in capitals stands for what only the reader knows. */
  args: string[];
}

/** What no command of this program can do, and where it is not the end of it, the command to run then. */
export interface OutsideStep {
  action: ActionName;
  then?: CommandStep;
}

/** What ends a failure. */
export type Step = CommandStep | OutsideStep;

/** Stands for the command that failed. Who started it knows its words, and puts them in its place. */
export const AGAIN = "again";

/** Stands for the node concerned, where only who tells of the failure knows its name. */
export const NODE = "NODE";

interface Action {
  /** What is to be done, in one sentence. */
  what: string;
  /** Why no command of this program can do it. */
  why: string;
}

/** Every step outside the program. docs/steps.md is generated from this table. */
export const actions = {
  "correct-command-line": {
    what: "Give the command the words, options or values that it lacks, or correct those that cannot be.",
    why: "Only you know what was meant.",
  },
  "correct-configuration": {
    what: "Correct config.yaml, or the configuration file that was named.",
    why: "It says what you want, so nothing but you changes it.",
  },
  "correct-payload": {
    what: "Correct what is uploaded: your files, units and scripts, or what they run.",
    why: "It is yours: the program uploads it and does not know how it should be.",
  },
  "correct-own-check": {
    what: "Correct what the check looks at, or what it expects (`checks:` in config.yaml).",
    why: "It is a check of your own: only you know whether the node or the expectation is wrong.",
  },
  "correct-file": {
    what: "Correct, restore or remove the file named.",
    why: "What a file should say that cannot be read, or contradicts another one, would be a guess.",
  },
  "free-file": {
    what: "Make the file or folder named accessible to your user, or free some space there.",
    why: "Rights and space are given by who owns the machine.",
  },
  "install-tool": {
    what: "Install the program named, or point to it.",
    why: "It belongs to the machine, or could not be obtained from here.",
  },
  build: {
    what: "Build the program: `npm run build`.",
    why: "The program that is compiled is the one that is out of date.",
  },
  "mend-connection": {
    what: "Let this machine reach the address named.",
    why: "Networks, proxies and firewalls on the way are not the program's.",
  },
  "log-in": {
    what: "Log in to AWS, with credentials of the account that is named.",
    why: "The program keeps no credentials and asks for none.",
  },
  "change-account": {
    what: "Change what the AWS account has or allows: a permission, a quota, a region, a key pair, a role.",
    why: "It takes rights that a fleet does not need, or a decision of AWS or of who runs the account.",
  },
  "revoke-rule": {
    what: "Remove the rule from the security group, by the AWS CLI command that is shown.",
    why: "Somebody added it, and may need it: the program takes away only what it made.",
  },
  "mend-network": {
    what: "Give the network named in the configuration a route to the internet, and its subnets public addresses.",
    why: "The network is yours: the program changes nothing in it.",
  },
  "mend-orchestrator": {
    what: "Start the orchestrator, or have its firewall admit the nodes; or correct its address in the configuration.",
    why: "It is no part of the fleet, and the program has no access to it.",
  },
  "set-environment": {
    what: "Set, correct or unset the environment variables named.",
    why: "A command cannot change the environment that it was started in.",
  },
  "set-clock": {
    what: "Set the clock that is wrong: of this machine, or of the node.",
    why: "It cannot be told from here which of both is right, and the clock is the machine's.",
  },
  "restore-key": {
    what: "Copy the fleet's folder with its key and passphrase from the machine that has it.",
    why: "There is no other copy: the program never uploads them.",
  },
  "stop-program": {
    what: "Stop the program that is in the way.",
    why: "It is not one of ours.",
  },
  decide: {
    what: "Choose one of the ways that are named.",
    why: "Each has another end, and only you know which of them you want.",
  },
  wait: {
    what: "Wait: it passes by itself.",
    why: "It is under way elsewhere, and nothing can hasten it.",
  },
  "let-it-be": {
    what: "Nothing has to be done.",
    why: "It is a note: nothing is broken by it.",
  },
  report: {
    what: "Report the fault, with the log that is named.",
    why: "It is a fault of the program itself.",
  },
} as const satisfies Record<string, Action>;

export type ActionName = keyof typeof actions;

/** A command of this program. */
export const spot = (command: string, ...args: string[]): CommandStep => ({ command, args });

/** The command that failed, once more, with what is to be added to it. */
export const again = (...args: string[]): CommandStep => ({ command: AGAIN, args });

/** Something outside the program, and what to run then. */
export const outside = (action: ActionName, then?: CommandStep): OutsideStep => ({
  action,
  ...(then === undefined ? {} : { then }),
});

/** The step with its command changed, where it has one. */
export function withCommand(step: Step, change: (command: CommandStep) => CommandStep): Step {
  if ("command" in step) return change(step);
  return step.then === undefined ? step : { ...step, then: change(step.then) };
}

/** The step for a node, with its name where one stands for it. */
export const stepFor = (node: string, step: Step): Step =>
  withCommand(step, ({ command, args }) => ({ command, args: args.map((word) => (word === NODE ? node : word)) }));

/** A step as a person takes it. */
export function stepText(step: Step): string {
  const typed = ({ command, args }: CommandStep): string => `npx spot ${[command, ...args.map(shellQuote)].join(" ")}`;
  if ("command" in step) return typed(step);
  const what: string = actions[step.action].what;
  return step.then === undefined ? what : `${what} Then: ${typed(step.then)}`;
}
