import type { ExitCode } from "../../fleet/exit-codes";
import type { CommandContext } from "./context";

/** What a command file exports. */
export interface CommandModule {
  run(context: CommandContext): Promise<ExitCode>;
}

/** One option of the command line. `value` is the word that help shows for what it takes; absent: a switch. */
export interface OptionDefinition {
  value?: string;
  description: string;
}

/** Every option that any command takes: one name means one thing everywhere. */
export const OPTIONS = {
  sandbox: { value: "[=hosts|api]", description: "act on a local AWS instead of the real one: hosts boots real hosts, api boots nothing" },
  config: { value: "FILE", description: "the fleet's configuration (default: config.yaml)" },
  stack: { value: "NAME", description: "the Pulumi stack (default: fleet, in the sandbox: sandbox)" },
  profile: { value: "NAME", description: "the AWS profile to use" },
  "no-wait": { description: "return as soon as every node's deployment has started; nothing is verified" },
  only: { value: "CHECKS", description: "run these checks and what they need, e.g. D2,E*" },
  node: { value: "NODES", description: "these nodes only, e.g. us-west-2-*" },
  list: { description: "print the list of checks and run none" },
  yes: { description: "answer every question with yes" },
  json: { description: "machine output on stdout: one document, or one event a line for up and down" },
  verbose: { description: "show debug messages too" },
  debug: { description: "show stack traces of errors" },
} as const satisfies Record<string, OptionDefinition>;

export type OptionName = keyof typeof OPTIONS;

export interface CommandDefinition {
  name: string;
  aliases: string[];
  summary: string;
  options: OptionName[];
  /** What stands after the command, for help; absent: nothing may. */
  positionals?: { usage: string; max: number };
  examples: string[];
  load(): Promise<CommandModule>;
}

const TARGET: OptionName[] = ["sandbox", "stack", "profile"];
const OUTPUT: OptionName[] = ["json", "verbose", "debug"];

/** The commands: parser, help and documentation are made from this table. Each is loaded only when it is run. */
export const COMMANDS: CommandDefinition[] = [
  {
    name: "up",
    aliases: ["create"],
    summary: "create the fleet, or bring it to what config.yaml says",
    options: [...TARGET, "config", "no-wait", "yes", ...OUTPUT],
    examples: ["npm run up -- --sandbox", "npm run up -- --config staging.yaml --stack staging"],
    load: () => import("./up.js"),
  },
  {
    name: "list",
    aliases: [],
    summary: "show the nodes: the record joined with what AWS says now",
    options: [...TARGET, "config", ...OUTPUT],
    examples: ["npm run list", "npm run -s list -- --json"],
    load: () => import("./list.js"),
  },
  {
    name: "verify",
    aliases: [],
    summary: "run the list of checks on every node over SSH",
    options: [...TARGET, "config", "only", "node", "list", ...OUTPUT],
    examples: ["npm run verify -- --sandbox", "npm run verify -- --only D2,E* --node us-west-2-*", "npm run -s verify -- --json"],
    load: () => import("./verify.js"),
  },
  {
    name: "preview",
    aliases: [],
    summary: "show what `up` would change, and change nothing",
    options: [...TARGET, "config", ...OUTPUT],
    examples: ["npm run preview"],
    load: () => import("./preview.js"),
  },
  {
    name: "down",
    aliases: ["destroy"],
    summary: "end the whole fleet and prove that nothing is left",
    options: [...TARGET, "config", "yes", ...OUTPUT],
    examples: ["npm run down -- --sandbox", "npm run down -- --stack staging --yes"],
    load: () => import("./down.js"),
  },
  {
    name: "env",
    aliases: [],
    summary: "print what plain `pulumi` needs to work on the same stack",
    options: [...TARGET, "config", "verbose", "debug"],
    examples: ['eval "$(npm run -s spot -- env --sandbox)" && pulumi preview'],
    load: () => import("./env.js"),
  },
  {
    name: "sandbox",
    aliases: [],
    summary: "look at the local AWS, or end it with everything in it",
    options: ["json", "verbose", "debug"],
    positionals: { usage: "status | down", max: 1 },
    examples: ["npm run sandbox -- status", "npm run sandbox -- down"],
    load: () => import("./sandbox.js"),
  },
  {
    name: "version",
    aliases: [],
    summary: "print the version of this program",
    options: [],
    examples: ["npx spot version"],
    load: () => import("./version.js"),
  },
  {
    name: "help",
    aliases: [],
    summary: "explain the program, or one command",
    options: [],
    positionals: { usage: "[COMMAND]", max: 1 },
    examples: ["npx spot help up"],
    load: () => import("./help.js"),
  },
];

export function commandNamed(name: string): CommandDefinition | undefined {
  return COMMANDS.find((command) => command.name === name || command.aliases.includes(name));
}
