import { again, NODE, outside, spot, stepFor, type Step } from "../steps";
import { ExitCode } from "./exit-codes";

/** Why something failed, in the terms that decide what to do about it. */
export type ErrorClass =
  | "usage"
  | "config"
  | "auth"
  | "opt-in"
  | "capacity"
  | "quota"
  | "price"
  | "throttle"
  | "transient"
  | "lock"
  | "state"
  | "tooling"
  | "sandbox"
  | "ssh"
  | "deployment"
  | "verification"
  | "leftover"
  | "interrupted"
  | "bug";

/** A failing run's exit code follows from the class of what failed. */
export const exitCodeOfClass: Record<ErrorClass, ExitCode> = {
  usage: ExitCode.usage,
  config: ExitCode.usage,
  auth: ExitCode.credentials,
  "opt-in": ExitCode.partial,
  capacity: ExitCode.noCapacity,
  quota: ExitCode.noCapacity,
  price: ExitCode.noCapacity,
  throttle: ExitCode.partial,
  transient: ExitCode.partial,
  lock: ExitCode.locked,
  state: ExitCode.unexpected,
  tooling: ExitCode.unexpected,
  sandbox: ExitCode.unexpected,
  ssh: ExitCode.partial,
  deployment: ExitCode.partial,
  verification: ExitCode.verificationFailed,
  leftover: ExitCode.leftovers,
  interrupted: ExitCode.interrupted,
  bug: ExitCode.unexpected,
};

/** A place in a file of the user's, counted from 1. */
export interface Location {
  file: string;
  line: number;
  column: number;
}

/** An error as data: what `--json` prints and what the human view is made of. */
export interface ErrorInfo {
  /** Stable name, `E_…`; a row of `errorCatalogue`. */
  code: string;
  class: ErrorClass;
  /** What went wrong, in one sentence that names the thing concerned. */
  message: string;
  /** Why, as far as it is known: the lower layer's own words, without stack. */
  cause?: string;
  /** What the user can do now. */
  next: string;
  /** The same as data: what ends the failure. */
  step: Step;
  location?: Location;
  /** Problems found together (all faults of a config file at once). */
  problems?: ErrorInfo[];
}

/** What the user can do, in words and as data. They go together: who says one says the other. */
export interface Advice {
  next: string;
  step: Step;
}

/** Overrides the catalogue's advice where the case at hand allows a better one. */
export type OwnAdvice = Advice | { next?: undefined; step?: undefined };

/** For those who override the advice in some cases only. */
export const AS_CATALOGUED: OwnAdvice = {};

export type SpotErrorInput = OwnAdvice & {
  message: string;
  cause?: unknown;
  location?: Location;
  problems?: SpotError[];
  /** Overrides the catalogue's class (AWS errors are classed by their own code). */
  class?: ErrorClass;
};

/**
 * Every error that a user can meet: the code, its class, what it means and what to do.
 * docs/errors.md is generated from this table.
 */
export const errorCatalogue = {
  E_USAGE: {
    class: "usage",
    meaning: "The command line is not understood.",
    next: "Run `spot help` or `spot help COMMAND`.",
    step: outside("correct-command-line"),
  },
  E_CONFIG_MISSING: {
    class: "config",
    meaning: "The configuration file does not exist or cannot be read.",
    next: "Run `setup` to have one written; or name yours with --config FILE, or copy config.example.yaml to config.yaml.",
    step: spot("setup"),
  },
  E_CONFIG_SYNTAX: {
    class: "config",
    meaning: "The configuration file is not valid YAML.",
    next: "Correct the line named; indent with spaces, never with tabs.",
    step: outside("correct-configuration", again()),
  },
  E_CONFIG_INVALID: {
    class: "config",
    meaning: "The configuration has values that cannot work.",
    next: "Correct the lines named; config.example.yaml documents every key.",
    step: outside("correct-configuration", again()),
  },
  E_CONFIG_OTHER: {
    class: "config",
    meaning: "Another configuration file changed the default stack last, and nobody said that this one takes it over.",
    next: "Nothing was changed. For a fleet of its own, name a stack with --stack; to take the stack over: --take-over.",
    step: outside("decide"),
  },
  E_PAYLOAD: {
    class: "config",
    meaning: "A file to upload is missing, unreadable or cannot be packed.",
    next: "Correct the path named, then run the command again.",
    step: outside("correct-payload", again()),
  },
  E_USER_DATA_TOO_LARGE: {
    class: "config",
    meaning: "User data is above EC2's limit of 16,384 bytes.",
    next: "Shorten what is large: packages, tags or keys; files belong in files/.",
    step: outside("correct-configuration", again()),
  },
  E_STALE_BUILD: {
    class: "tooling",
    meaning: "The compiled program is older than its sources.",
    next: "Run `npm run build`, then the command again.",
    step: outside("build", again()),
  },
  E_PULUMI_CLI: {
    class: "tooling",
    meaning: "No usable Pulumi CLI was found and none could be obtained.",
    next: "Install Pulumi (https://www.pulumi.com/docs/install/) or Go 1.25 or newer, or point PULUMI_CLI at a pulumi executable.",
    step: outside("install-tool", again()),
  },
  E_PROVIDER: {
    class: "tooling",
    meaning: "Pulumi's AWS provider cannot be used.",
    next: "Let this machine reach get.pulumi.com (behind a proxy: HTTPS_PROXY), or install it from a file: `pulumi plugin install resource aws VERSION --file ARCHIVE`.",
    step: outside("mend-connection", again()),
  },
  E_BACKEND: {
    class: "state",
    meaning: "The state backend cannot be reached, read or written.",
    next: "Check PULUMI_BACKEND_URL or `backend:` in config.yaml (in a sandbox SPOT_SANDBOX_BACKEND), and your login there.",
    step: outside("set-environment", again()),
  },
  E_PASSPHRASE: {
    class: "state",
    meaning: "The passphrase of the stack is missing or wrong.",
    next: "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one that the stack was made with, or unset them if they are another project's. If it is lost for good, `recover --fleet-id ID` ends the fleet by its tags, and `up` makes it anew; `list --json` shows the ID as `lineage`.",
    step: outside("set-environment", again()),
  },
  E_STATE: {
    class: "state",
    meaning: "The stack's state is damaged, lost, or not what was expected. For `down` the exit code is 8.",
    next: "Nothing was changed. `list` shows the fleet by its tags; `recover` restores the last whole state, `recover --fleet-id ID` ends the fleet by its tags, `--stack NEW` leaves it.",
    step: spot("recover"),
  },
  E_STACK_MISMATCH: {
    class: "state",
    meaning: "The stack belongs to another place: a sandbox stack was met by a command for AWS, or the reverse.",
    next: "Use the same --sandbox and --stack as when the stack was made.",
    step: outside("correct-command-line"),
  },
  E_LOCKED: {
    class: "lock",
    meaning: "Another run holds the stack.",
    next: "Wait for it to end; if its process no longer lives, run the command again and the lock is cleared.",
    step: outside("wait", again()),
  },
  E_CREDENTIALS: {
    class: "auth",
    meaning: "AWS credentials are missing, expired or refused.",
    next: "Log in (`aws sso login`, or AWS_PROFILE / --profile), then run the command again: it resumes.",
    step: outside("log-in", again()),
  },
  E_ACCOUNT: {
    class: "auth",
    meaning:
      "The stack's fleet is in another AWS account, or at another endpoint, than the credentials and settings at hand lead to.",
    next: "Log in to the account named first (AWS_PROFILE / --profile), or choose another --stack. Nothing was read as gone, and nothing was changed.",
    step: outside("log-in", again()),
  },
  E_PERMISSION: {
    class: "auth",
    meaning: "AWS does not allow this user or role an action, or not in this region.",
    next: "Allow the action that is named, or leave the region out; the other regions go on.",
    step: outside("change-account", again()),
  },
  E_AWS: {
    class: "transient",
    meaning: "AWS refused or failed a call.",
    next: "See the cause; run the command again: finished work is kept.",
    step: again(),
  },
  E_REGION: {
    class: "config",
    meaning: "A region cannot be used.",
    next: "Correct its name, or enable the region in your account.",
    step: outside("correct-configuration", again()),
  },
  E_INSTANCE_TYPE: {
    class: "config",
    meaning: "A machine type does not exist in a region or does not fit the image.",
    next: "Choose a type that the region offers, or another region.",
    step: outside("correct-configuration", again()),
  },
  E_IMAGE: {
    class: "config",
    meaning: "No machine image fits.",
    next: "Use `image: auto` or an AMI id that exists in the region.",
    step: outside("correct-configuration", again()),
  },
  E_NETWORK: {
    class: "config",
    meaning: "The network named in the configuration cannot be used.",
    next: "Use `network: create`, or a VPC that has a subnet with a route to an internet gateway.",
    step: outside("correct-configuration", again()),
  },
  E_INSTANCE_PROFILE: {
    class: "config",
    meaning: "The account has no instance profile of the name that the configuration gives.",
    next: "Correct aws.iam_instance_profile, or remove it.",
    step: outside("correct-configuration", again()),
  },
  E_SSH_KEY: {
    class: "config",
    meaning: "An SSH key file is missing or not a key.",
    next: "Correct the path, or remove both key paths to have a pair made for this fleet.",
    step: outside("correct-configuration", again()),
  },
  E_KEY_LOST: {
    class: "state",
    meaning: "The fleet's own SSH key or passphrase is not on this machine.",
    next: "Copy the fleet's folder from the machine that made it; or name your SSH key in config.yaml, or set PULUMI_CONFIG_PASSPHRASE, if the fleet was made with your own. If the folder is lost for good, `recover --fleet-id ID` ends the fleet by its tags (`down`, if only the SSH key is), and `up` makes it anew; `list --json` shows the ID as `lineage`.",
    step: outside("restore-key", again()),
  },
  E_NO_POOL: {
    class: "capacity",
    meaning: "A node found no pool (zone, machine type, market) with room for it.",
    next: "Name more machine types or regions, allow on-demand (`market: spot-then-on-demand`) or other regions (`allow_other_regions`); then run `up` again.",
    step: outside("correct-configuration", spot("up")),
  },
  E_CREATE: {
    class: "transient",
    meaning: "A resource could not be created, changed or deleted.",
    next: "See the cause; `up` again tries only what is missing.",
    step: spot("up"),
  },
  E_UNPLANNED: {
    class: "state",
    meaning: "The engine was about to do more than was planned and agreed to; it was stopped before that.",
    next: "Run `preview`: it shows what would be done now. `up` asks before it does it.",
    step: spot("up"),
  },
  E_NOT_KEPT: {
    class: "usage",
    meaning:
      "`--rollback-on-failure` cannot hold: the plan changes what stands, and nothing that could be put back is kept.",
    next: "Nothing was changed. Run `up` without --rollback-on-failure: a roll that fails stops at its first batch. To have something to go back to, put the files that the fleet was made of in their places first and run `up`: it verifies the fleet and keeps them.",
    step: spot("up"),
  },
  E_PROGRAM: {
    class: "bug",
    meaning: "The Pulumi program failed.",
    next: "Run again with --debug and report the log that it names.",
    step: outside("report"),
  },
  E_LEFTOVERS: {
    class: "leftover",
    meaning: "Something of this fleet is still there after `down`.",
    next: "Run `down` again; what blocks is named.",
    step: spot("down"),
  },
  E_SANDBOX_SETUP: {
    class: "sandbox",
    meaning: "The sandbox cannot be set up on this machine.",
    next: "See the cause; `--sandbox=api` needs only Node and Python.",
    step: outside("install-tool", again()),
  },
  E_SANDBOX_PORT: {
    class: "sandbox",
    meaning: "The sandbox's port is taken by another program.",
    next: "Stop that program, or run `npm run sandbox -- down` to forget this sandbox.",
    step: outside("stop-program", again()),
  },
  E_SANDBOX_DEAD: {
    class: "sandbox",
    meaning: "The sandbox died.",
    next: "Run the command again: the sandbox is reset and starts empty.",
    step: again(),
  },
  E_SANDBOX_HOST: {
    class: "sandbox",
    meaning: "A host of the sandbox cannot be booted or ended.",
    next: "See the cause; `npm run sandbox -- down` removes every host, then run the command again.",
    step: spot("sandbox", "down"),
  },
  E_ADDRESS_REFUSED: {
    class: "ssh",
    meaning: "A connection to an address outside the sandbox was refused.",
    next: "This is a guard: sandbox commands reach loopback and the sandbox's own hosts only.",
    step: outside("correct-command-line"),
  },
  E_SSH: {
    class: "ssh",
    meaning: "A node cannot be reached over SSH.",
    next: "`verify` shows what is on the way to it, in order; `repair` replaces a node that stays out of reach.",
    step: spot("repair"),
  },
  E_HOST_KEY: {
    class: "ssh",
    meaning: "A node's host key is not proven or has changed.",
    next: "`replace NODE` makes it anew; nothing was sent to it.",
    step: spot("replace", NODE),
  },
  E_UPLOAD: {
    class: "deployment",
    meaning: "The upload to a node did not arrive whole.",
    next: "Run `up` again: a node that has not started its deployment is resumed.",
    step: spot("up"),
  },
  E_DEPLOYMENT: {
    class: "deployment",
    meaning: "A node's deployment failed.",
    next: "`repair` replaces the node. Where the cause is in your files or configuration, correct it first: then `up` replaces the node.",
    step: spot("repair"),
  },
  E_INSTANCE_GONE: {
    class: "transient",
    meaning: "An instance ended while it was set up: AWS took it back, or somebody ended it.",
    next: "Run `up` again: it makes the node anew.",
    step: spot("up"),
  },
  E_VERIFICATION: {
    class: "verification",
    meaning: "A check failed.",
    next: "Each failing check says what to do; `repair` replaces the nodes that fail.",
    step: spot("repair"),
  },
  E_NOT_FOUND: {
    class: "usage",
    meaning: "The node or stack named does not exist.",
    next: "Run `list` to see what there is.",
    step: outside("correct-command-line"),
  },
  E_INTERRUPTED: {
    class: "interrupted",
    meaning: "The run was interrupted.",
    next: "Run the same command again: it goes on from there.",
    step: again(),
  },
  E_DECLINED: {
    class: "interrupted",
    meaning: "The changes were not confirmed.",
    next: "Run again and answer yes, or give --yes.",
    step: outside("decide"),
  },
  E_UNEXPECTED: {
    class: "bug",
    meaning: "An error that this program does not know.",
    next: "Run again with --debug and report what it prints.",
    step: outside("report"),
  },
} as const satisfies Record<string, Advice & { class: ErrorClass; meaning: string }>;

/** The advice for a node: with its name where one stands for it. */
export const adviceFor = (node: string, { next, step }: Advice): Advice => ({
  next: next.replaceAll(new RegExp(`\\b${NODE}\\b`, "g"), node),
  step: stepFor(node, step),
});

export type ErrorCode = keyof typeof errorCatalogue;

/** What the catalogue says to do, where the case at hand has nothing better. */
export function adviceOf(code: ErrorCode): Advice {
  const { next, step } = errorCatalogue[code];
  return { next, step };
}

const BRAND = Symbol.for("spot-deployer.error");

/** The one error type of this project. Anything else that is thrown is a bug or is translated first. */
export class SpotError extends Error {
  readonly code: ErrorCode;
  readonly class: ErrorClass;
  readonly next: string;
  readonly step: Step;
  readonly location: Location | undefined;
  readonly problems: readonly SpotError[];
  readonly [BRAND] = true;

  constructor(code: ErrorCode, input: SpotErrorInput | string) {
    const given: SpotErrorInput = typeof input === "string" ? { message: input } : input;
    super(given.message, given.cause === undefined ? undefined : { cause: given.cause });
    this.name = code;
    this.code = code;
    this.class = given.class ?? errorCatalogue[code].class;
    const { next, step } = given.next === undefined ? adviceOf(code) : given;
    this.next = next;
    this.step = step;
    this.location = given.location;
    this.problems = given.problems ?? [];
  }

  get exitCode(): ExitCode {
    return exitCodeOfClass[this.class];
  }
}

/** True for a SpotError of any copy of this package (two installs in one tree have two classes). */
export function isSpotError(error: unknown): error is SpotError {
  return typeof error === "object" && error !== null && BRAND in error;
}

/** The error as plain data. An unknown error becomes E_UNEXPECTED with its own words as the message. */
export function errorInfo(error: unknown): ErrorInfo {
  if (!isSpotError(error)) {
    const unexpected = new SpotError("E_UNEXPECTED", { message: wordsOf(error) });
    const { code, class: errorClass, message, next, step } = unexpected;
    return { code, class: errorClass, message, next, step };
  }
  return {
    code: error.code,
    class: error.class,
    message: error.message,
    ...(error.cause === undefined ? {} : { cause: wordsOf(error.cause) }),
    next: error.next,
    step: error.step,
    ...(error.location === undefined ? {} : { location: error.location }),
    ...(error.problems.length === 0 ? {} : { problems: error.problems.map(errorInfo) }),
  };
}

/** The error of one node as plain data: its advice has the node's name. */
export function errorInfoOf(node: string, error: unknown): ErrorInfo {
  const info = errorInfo(error);
  return { ...info, ...adviceFor(node, info) };
}

/** An error's own words and those of what caused it, in one line. */
export function wordsWithCause(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? wordsOf(error) : `${wordsOf(error)}: ${wordsOf(cause)}`;
}

/** An error's own words, whatever was thrown. */
export function wordsOf(error: unknown): string {
  if (error instanceof Error) return error.message || error.name;
  return String(error);
}
