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
  sandbox: {
    value: "[=hosts|images|api]",
    decisive: true,
    description:
      "act on a local AWS instead of the real one: hosts boots real hosts, images such of each image's own release, api boots nothing",
  },
  config: { value: "FILE", decisive: true, description: "the fleet's configuration (default: config.yaml)" },
  stack: { value: "NAME", decisive: true, description: "the Pulumi stack (default: fleet, in the sandbox: sandbox)" },
  profile: { value: "NAME", decisive: true, description: "the AWS profile to use" },
  create: {
    description:
      "make the stack where there is none yet, and what its secrets are encrypted with, for plain Pulumi to fill",
  },
  "no-wait": { description: "return as soon as every node's deployment has started; nothing is verified" },
  "rollback-on-failure": {
    description:
      "all or nothing: when anything fails, have the fleet again that was verified last; a run that only adds removes what it made",
  },
  legacy: {
    decisive: true,
    description:
      "show what the predecessor left behind, and ask about each VPC with all that is in it, and about each thing elsewhere",
  },
  vpc: {
    value: "ID",
    many: true,
    decisive: true,
    description: "with --legacy: this VPC alone, or several by several --vpc; with --yes, nothing is asked",
  },
  only: { value: "CHECKS", description: "run these checks and what they need, e.g. D2,E*" },
  node: { value: "NODES", decisive: true, description: "these nodes only, e.g. us-west-2-*" },
  region: {
    value: "REGION",
    decisive: true,
    description: "everything of the fleet in this region, and nothing elsewhere",
  },
  "all-regions": {
    decisive: true,
    description: "look in every region of the account, not only in those that the fleet is known to use",
  },
  "dry-run": { decisive: true, description: "show what would be ended or deleted, and change nothing" },
  "fleet-id": {
    value: "ID",
    formerly: "lineage",
    decisive: true,
    description: "end the fleet with this ID by its tags, after confirmation, in every region of the account",
  },
  end: {
    value: "ID",
    many: true,
    decisive: true,
    description: "delete this thing, which carries the fleet's tags and is not in its record; several by several --end",
  },
  release: {
    value: "ID",
    many: true,
    decisive: true,
    description:
      "take the fleet's tags off this thing, which is not in its record: it is somebody else's; several by several --release",
  },
  phase: { value: "PHASES", description: "run the checks of these phases and what they need, e.g. files,units" },
  "one-at-a-time": {
    description: "go through the list as a person would: see a check, its command and its result, then Enter",
  },
  "until-first-failure": { description: "run one check after the other, and stop at the first that fails" },
  deadline: {
    value: "SECONDS",
    description: "for one node; what has not ended by then is skipped, and the node is not verified (default: 300)",
  },
  "min-healthy": {
    value: "SHARE",
    description: "succeed when this share of the nodes is verified, e.g. 80%, or this number",
  },
  junit: { value: "FILE", description: "write the result there as JUnit XML, too" },
  tap: { description: "print the result in the Test Anything Protocol" },
  report: { value: "FILE.html", description: "write the result there as one page for a browser, too (.html or .htm)" },
  list: { description: "print the list of checks and run none" },
  seconds: {
    value: "N",
    description: "how long before its end the node is told of its interruption (default: 120, as on AWS)",
  },
  cached: { description: "show what the last `list` or `up` saw, without asking AWS" },
  columns: { value: "NAMES", description: "these columns, in this order, e.g. name,state,cost; `all` for every one" },
  sort: { value: "COLUMN", description: "in the order of this column; --sort=-COLUMN for the reverse" },
  watch: { description: "show it again every few seconds, until Ctrl-C" },
  follow: { short: "f", description: "go on with what is added, until Ctrl-C" },
  defaults: { description: "ask nothing: take the proposed answer for everything" },
  yes: { description: "answer every question with yes" },
  "take-over": {
    description:
      "let this configuration change the default stack although another one changed it last (--yes does not answer that)",
  },
  json: { description: "machine output on stdout: one document, or one event a line for up and down" },
  quiet: { description: "show warnings, errors and the result alone" },
  verbose: { description: "show debug messages too" },
  plain: { description: "one line an event instead of the live view" },
  "log-file": { value: "FILE", description: "write the full log there (default: a file of its own in .spot/logs)" },
  debug: { description: "show stack traces of errors" },
} as const satisfies Record<string, OptionDefinition>;

export type OptionName = keyof typeof OPTIONS;
