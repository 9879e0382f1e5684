import type { ExitCode } from "../../fleet/exit-codes";
import type { CommandContext } from "./context";

/** What a command file exports. */
export interface CommandModule {
  run(context: CommandContext): Promise<ExitCode>;
}

/** One option of the command line. `value` is the word that help shows for what it takes; absent: a switch. */
export interface OptionDefinition {
  value?: string;
  /** May stand several times. */
  many?: true;
  /** One letter: `-f`. */
  short?: string;
  /** Says where or on what a command acts: left out unnoticed, it acts elsewhere, on more, or in earnest. */
  decisive?: true;
  /** What it was called before; that goes on working. */
  formerly?: string;
  description: string;
}

/** Every option that any command takes: one name means one thing everywhere. */
export const OPTIONS = {
  sandbox: { value: "[=hosts|images|api]", decisive: true, description: "act on a local AWS instead of the real one: hosts boots real hosts, images such of each image's own release, api boots nothing" },
  config: { value: "FILE", decisive: true, description: "the fleet's configuration (default: config.yaml)" },
  stack: { value: "NAME", decisive: true, description: "the Pulumi stack (default: fleet, in the sandbox: sandbox)" },
  profile: { value: "NAME", decisive: true, description: "the AWS profile to use" },
  "no-wait": { description: "return as soon as every node's deployment has started; nothing is verified" },
  "rollback-on-failure": { description: "all or nothing: when anything fails, remove what this run made" },
  legacy: { decisive: true, description: "show what the predecessor left behind, and ask about each VPC with all that is in it, and about each thing elsewhere" },
  vpc: { value: "ID", many: true, decisive: true, description: "with --legacy: this VPC alone, or several by several --vpc; with --yes, nothing is asked" },
  only: { value: "CHECKS", description: "run these checks and what they need, e.g. D2,E*" },
  node: { value: "NODES", decisive: true, description: "these nodes only, e.g. us-west-2-*" },
  region: { value: "REGION", decisive: true, description: "everything of the fleet in this region, and nothing elsewhere" },
  "all-regions": { decisive: true, description: "look in every region of the account, not only in those that the fleet is known to use" },
  "dry-run": { decisive: true, description: "show what would be ended or deleted, and change nothing" },
  "fleet-id": { value: "ID", formerly: "lineage", decisive: true, description: "end the fleet with this ID by its tags, after confirmation, in every region of the account" },
  end: { value: "ID", many: true, decisive: true, description: "delete this thing, which carries the fleet's tags and is not in its record; several by several --end" },
  release: { value: "ID", many: true, decisive: true, description: "take the fleet's tags off this thing, which is not in its record: it is somebody else's; several by several --release" },
  phase: { value: "PHASES", description: "run the checks of these phases and what they need, e.g. files,units" },
  "one-at-a-time": { description: "go through the list as a person would: see a check, its command and its result, then Enter" },
  "until-first-failure": { description: "run one check after the other, and stop at the first that fails" },
  deadline: { value: "SECONDS", description: "for one node; what is not begun by then is unknown (default: 300)" },
  "min-healthy": { value: "SHARE", description: "succeed when this share of the nodes is verified, e.g. 80%, or this number" },
  junit: { value: "FILE", description: "write the result there as JUnit XML, too" },
  tap: { description: "print the result in the Test Anything Protocol" },
  report: { value: "FILE.html", description: "write the result there as one page for a browser, too" },
  list: { description: "print the list of checks and run none" },
  seconds: { value: "N", description: "how long before its end the node is told of its interruption (default: 120, as on AWS)" },
  cached: { description: "show what the last `list` or `up` saw, without asking AWS" },
  columns: { value: "NAMES", description: "these columns, in this order, e.g. name,state,cost; `all` for every one" },
  sort: { value: "COLUMN", description: "in the order of this column; --sort=-COLUMN for the reverse" },
  watch: { description: "show it again every few seconds, until Ctrl-C" },
  follow: { short: "f", description: "go on with what is added, until Ctrl-C" },
  defaults: { description: "ask nothing: take the proposed answer for everything" },
  yes: { description: "answer every question with yes" },
  "take-over": { description: "let this configuration change the default stack although another one changed it last (--yes does not answer that)" },
  json: { description: "machine output on stdout: one document, or one event a line for up and down" },
  quiet: { description: "show warnings, errors and the result alone" },
  verbose: { description: "show debug messages too" },
  plain: { description: "one line an event instead of the live view" },
  "log-file": { value: "FILE", description: "write the full log there (default: a file of its own in .spot/logs)" },
  debug: { description: "show stack traces of errors" },
} as const satisfies Record<string, OptionDefinition>;

export type OptionName = keyof typeof OPTIONS;

export interface CommandDefinition {
  name: string;
  aliases: string[];
  summary: string;
  options: OptionName[];
  /** What stands after the command, for help; absent: nothing may. */
  positionals?: { usage: string; min?: number; max: number };
  /** What stands behind `--` and is passed on as it is; absent: nothing may. */
  rest?: string;
  examples: string[];
  load(): Promise<CommandModule>;
}

const TARGET: OptionName[] = ["sandbox", "stack", "profile"];
const OUTPUT: OptionName[] = ["json", "verbose", "debug"];
/** Of commands that work on nodes and show how it goes. */
const PROGRESS: OptionName[] = ["json", "quiet", "verbose", "plain", "log-file", "debug"];

/** The commands: parser, help and documentation are made from this table. Each is loaded only when it is run. */
export const COMMANDS: CommandDefinition[] = [
  {
    name: "up",
    aliases: ["create"],
    summary: "create the fleet, or bring it to what config.yaml says",
    options: [...TARGET, "config", "no-wait", "rollback-on-failure", "yes", "take-over", ...PROGRESS],
    examples: ["npm run up -- --sandbox", "npm run up -- --config staging.yaml --stack staging"],
    load: () => import("./up.js"),
  },
  {
    name: "list",
    aliases: [],
    summary: "show the nodes: the record joined with what AWS says now",
    options: [...TARGET, "config", "cached", "columns", "sort", "region", "watch", ...OUTPUT],
    examples: ["npm run list", "npm run list -- --watch --region us-west-2", "npm run list -- --columns name,state,reason,cost --sort=-cost", "npm run -s list -- --json"],
    load: () => import("./list.js"),
  },
  {
    name: "verify",
    aliases: [],
    summary: "run the list of checks on every node over SSH",
    options: [
      ...TARGET, "config", "only", "phase", "node", "list", "one-at-a-time", "until-first-failure", "watch", "deadline", "min-healthy", "junit", "tap", "report", ...PROGRESS,
    ],
    examples: [
      "npm run verify -- --sandbox",
      "npm run verify -- --one-at-a-time --node us-west-2-0",
      "npm run verify -- --only D2,E* --node us-west-2-*",
      "npm run verify -- --junit verify.xml --report verify.html --min-healthy 80%",
      "npm run -s verify -- --json",
    ],
    load: () => import("./verify.js"),
  },
  {
    name: "check",
    aliases: [],
    summary: "ask every region whether `up` can work there, and change nothing",
    options: [...TARGET, "config", ...OUTPUT],
    examples: ["npm run check", "npm run -s check -- --json"],
    load: () => import("./check.js"),
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
    summary: "end the fleet, or a part of it, and prove that nothing is left",
    options: [...TARGET, "config", "region", "all-regions", "dry-run", "yes", "take-over", ...PROGRESS],
    positionals: { usage: "[NODES]", max: 1 },
    examples: ["npm run down -- --sandbox", "npm run down -- --dry-run", "npm run down -- us-west-2-0,us-west-2-1", "npm run down -- --region eu-west-1"],
    load: () => import("./down.js"),
  },
  {
    name: "replace",
    aliases: [],
    summary: "make nodes anew in the same place of the fleet, one batch after the other",
    options: [...TARGET, "config", "yes", "take-over", ...PROGRESS],
    positionals: { usage: "NODES", max: 1 },
    examples: ["npm run spot -- replace us-west-2-0", "npm run spot -- replace 'us-west-2-*' --yes"],
    load: () => import("./replace.js"),
  },
  {
    name: "repair",
    aliases: [],
    summary: "make anew what was ended by hand or by AWS, and what fails verification",
    options: [...TARGET, "config", "yes", "take-over", ...PROGRESS],
    positionals: { usage: "[NODES]", max: 1 },
    examples: ["npm run spot -- repair", "npm run spot -- repair 'eu-west-1-*'"],
    load: () => import("./repair.js"),
  },
  {
    name: "recover",
    aliases: [],
    summary: "clear up after a killed run, restore a lost state, or end what the record does not know: a thing by its ID, a fleet by its tags",
    options: [...TARGET, "config", "fleet-id", "end", "release", "yes", "take-over", ...PROGRESS],
    examples: ["npm run spot -- recover", "npm run spot -- recover --fleet-id 0123456789abcdef", "npm run spot -- recover --end vol-0123456789abcdef0", "npm run spot -- recover --release i-0123456789abcdef0"],
    load: () => import("./recover.js"),
  },
  {
    name: "cost",
    aliases: [],
    summary: "show what each node costs: spot price now, on-demand price, and what it came to so far",
    options: [...TARGET, "config", ...OUTPUT],
    examples: ["npm run cost", "npm run -s cost -- --json"],
    load: () => import("./cost.js"),
  },
  {
    name: "ssh",
    aliases: [],
    summary: "log in on a node, or run one command there; its host key must be the proven one",
    options: [...TARGET, "config", "debug"],
    positionals: { usage: "NODE", min: 1, max: 1 },
    rest: "COMMAND",
    examples: ["npm run ssh -- us-west-2-0", "npm run ssh -- us-west-2-0 -- systemctl --failed"],
    load: () => import("./ssh.js"),
  },
  {
    name: "exec",
    aliases: [],
    summary: "run one command on all nodes at once, and say where it failed",
    options: [...TARGET, "config", "node", ...OUTPUT],
    rest: "COMMAND",
    examples: ["npm run exec -- -- uptime", "npm run exec -- --node us-west-2-* -- sudo systemctl restart sensor"],
    load: () => import("./exec.js"),
  },
  {
    name: "logs",
    aliases: [],
    summary: "show a node's own logs: deployment, startup and the journal of its services",
    options: [...TARGET, "config", "follow", "debug"],
    positionals: { usage: "NODE", min: 1, max: 1 },
    examples: ["npm run logs -- us-west-2-0", "npm run logs -- us-west-2-0 -f"],
    load: () => import("./logs.js"),
  },
  {
    name: "debug",
    aliases: [],
    summary: "collect everything about a node into one archive: checks, logs, records, journals, console; secrets masked",
    options: [...TARGET, "config", "json", "debug"],
    positionals: { usage: "NODE|ADDRESS", min: 1, max: 1 },
    examples: ["npm run spot -- debug us-west-2-0", "npm run spot -- debug 203.0.113.7"],
    load: () => import("./debug.js"),
  },
  {
    name: "status",
    aliases: [],
    summary: "show how the last run ended, or how far the present one is",
    options: ["sandbox", "json", "debug"],
    examples: ["npm run status"],
    load: () => import("./status.js"),
  },
  {
    name: "allow-me",
    aliases: [],
    summary: "let your present address log in on the nodes, after confirmation",
    options: [...TARGET, "config", "yes", "take-over", ...OUTPUT],
    examples: ["npm run allow-me"],
    load: () => import("./allow-me.js"),
  },
  {
    name: "setup",
    aliases: ["init"],
    summary: "write a config.yaml by a few questions, with the nearest regions proposed; needs no AWS credentials",
    options: ["config", "defaults", "yes", "debug"],
    examples: ["npm run setup", "npm run setup -- --defaults --config fleet.yaml"],
    load: () => import("./setup.js"),
  },
  {
    name: "import",
    aliases: [],
    summary: "show what the predecessor left running, from its instances.json, and offer to end it",
    options: ["sandbox", "profile", "yes", ...OUTPUT],
    positionals: { usage: "FILE", min: 1, max: 1 },
    examples: ["npm run import -- ../old/instances.json"],
    load: () => import("./import.js"),
  },
  {
    name: "completion",
    aliases: [],
    summary: "print the shell's completion of these commands; `nodes` is what it asks for the names of the fleet's nodes",
    options: [],
    positionals: { usage: "bash | zsh | fish | nodes", min: 1, max: 1 },
    rest: "WORDS",
    examples: ['eval "$(npx spot completion bash)"', "npx spot completion fish > ~/.config/fish/completions/spot.fish"],
    load: () => import("./completion.js"),
  },
  {
    name: "cleanup-vpcs",
    aliases: [],
    summary: "find what is left of this fleet in every enabled region, and delete it",
    options: [...TARGET, "config", "dry-run", "legacy", "vpc", "yes", "take-over", ...OUTPUT],
    examples: ["npm run cleanup-vpcs -- --dry-run", "npm run cleanup-vpcs -- --legacy", "npm run cleanup-vpcs -- --legacy --vpc vpc-0123456789abcdef0 --yes"],
    load: () => import("./cleanup-vpcs.js"),
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
    summary: "look at the local AWS, let it interrupt a node, or end it with everything in it",
    options: ["seconds", "json", "debug"],
    positionals: { usage: "status | interrupt NODE | rebalance NODE | down", max: 2 },
    examples: ["npm run sandbox -- status", "npm run sandbox -- interrupt us-west-2-0 --seconds 30", "npm run sandbox -- rebalance us-west-2-0", "npm run sandbox -- down"],
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
