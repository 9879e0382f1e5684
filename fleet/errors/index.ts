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
  location?: Location;
  /** Problems found together (all faults of a config file at once). */
  problems?: ErrorInfo[];
}

export interface SpotErrorInput {
  message: string;
  cause?: unknown;
  /** Overrides the catalogue's advice where the case at hand allows a better one. */
  next?: string;
  location?: Location;
  problems?: SpotError[];
  /** Overrides the catalogue's class (AWS errors are classed by their own code). */
  class?: ErrorClass;
}

/**
 * Every error that a user can meet: the code, its class, what it means and what to do.
 * docs/errors.md is generated from this table.
 */
export const errorCatalogue = {
  E_USAGE: {
    class: "usage",
    meaning: "The command line is not understood.",
    next: "Run `spot help` or `spot help COMMAND`.",
  },
  E_CONFIG_MISSING: {
    class: "config",
    meaning: "The configuration file does not exist or cannot be read.",
    next: "Name it with --config FILE, or copy config.example.yaml to config.yaml.",
  },
  E_CONFIG_SYNTAX: {
    class: "config",
    meaning: "The configuration file is not valid YAML.",
    next: "Correct the line named; indent with spaces, never with tabs.",
  },
  E_CONFIG_INVALID: {
    class: "config",
    meaning: "The configuration has values that cannot work.",
    next: "Correct the lines named; config.example.yaml documents every key.",
  },
  E_CONFIG_OTHER: {
    class: "config",
    meaning: "Another configuration file changed the default stack last, and nobody said that this one takes it over.",
    next: "Nothing was changed. For a fleet of its own, name a stack with --stack; to take the stack over: --take-over.",
  },
  E_PAYLOAD: {
    class: "config",
    meaning: "A file to upload is missing, unreadable or cannot be packed.",
    next: "Correct the path named, then run the command again.",
  },
  E_USER_DATA_TOO_LARGE: {
    class: "config",
    meaning: "User data is above EC2's limit of 16,384 bytes.",
    next: "Shorten what is large: packages, tags or keys; files belong in files/.",
  },
  E_STALE_BUILD: {
    class: "tooling",
    meaning: "The compiled program is older than its sources.",
    next: "Run `npm run build`, then the command again.",
  },
  E_PULUMI_CLI: {
    class: "tooling",
    meaning: "No usable Pulumi CLI was found and none could be obtained.",
    next: "Install Pulumi (https://www.pulumi.com/docs/install/) or Go 1.25 or newer, or point PULUMI_CLI at a pulumi executable.",
  },
  E_PROVIDER: {
    class: "tooling",
    meaning: "Pulumi's AWS provider cannot be used.",
    next: "Let this machine reach get.pulumi.com (behind a proxy: HTTPS_PROXY), or install it from a file: `pulumi plugin install resource aws VERSION --file ARCHIVE`.",
  },
  E_BACKEND: {
    class: "state",
    meaning: "The state backend cannot be reached or read.",
    next: "Check PULUMI_BACKEND_URL or `backend:` in config.yaml, and your login there.",
  },
  E_PASSPHRASE: {
    class: "state",
    meaning: "The passphrase of the stack is missing or wrong.",
    next: "Set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one that the stack was made with, or unset them if they are another project's. If it is lost for good, `recover --fleet-id ID` ends the fleet by its tags, and `up` makes it anew; `list --json` shows the ID as `lineage`.",
  },
  E_STATE: {
    class: "state",
    meaning: "The stack's state is damaged, lost, or not what was expected. For `down` the exit code is 8.",
    next: "Nothing was changed. `list` shows the fleet by its tags; `recover` restores the last whole state, `recover --fleet-id ID` ends the fleet by its tags, `--stack NEW` leaves it.",
  },
  E_STACK_MISMATCH: {
    class: "state",
    meaning: "The stack belongs to another place: a sandbox stack was met by a command for AWS, or the reverse.",
    next: "Use the same --sandbox and --stack as when the stack was made.",
  },
  E_LOCKED: {
    class: "lock",
    meaning: "Another run holds the stack.",
    next: "Wait for it to end; if its process no longer lives, run the command again and the lock is cleared.",
  },
  E_CREDENTIALS: {
    class: "auth",
    meaning: "AWS credentials are missing, expired or refused.",
    next: "Log in (`aws sso login`, or AWS_PROFILE / --profile), then run the command again: it resumes.",
  },
  E_ACCOUNT: {
    class: "auth",
    meaning:
      "The stack's fleet is in another AWS account, or at another endpoint, than the credentials and settings at hand lead to.",
    next: "Log in to the account named first (AWS_PROFILE / --profile), or choose another --stack. Nothing was read as gone, and nothing was changed.",
  },
  E_PERMISSION: {
    class: "auth",
    meaning: "AWS does not allow this user or role an action, or not in this region.",
    next: "Allow the action that is named, or leave the region out; the other regions go on.",
  },
  E_AWS: {
    class: "transient",
    meaning: "AWS refused or failed a call.",
    next: "See the cause; run the command again: finished work is kept.",
  },
  E_REGION: {
    class: "config",
    meaning: "A region cannot be used.",
    next: "Correct its name, or enable the region in your account.",
  },
  E_INSTANCE_TYPE: {
    class: "config",
    meaning: "A machine type does not exist in a region or does not fit the image.",
    next: "Choose a type that the region offers, or another region.",
  },
  E_IMAGE: {
    class: "config",
    meaning: "No machine image fits.",
    next: "Use `image: auto` or an AMI id that exists in the region.",
  },
  E_NETWORK: {
    class: "config",
    meaning: "The network named in the configuration cannot be used.",
    next: "Use `network: create`, or a VPC that has a subnet with a route to an internet gateway.",
  },
  E_INSTANCE_PROFILE: {
    class: "config",
    meaning: "The account has no instance profile of the name that the configuration gives.",
    next: "Correct aws.iam_instance_profile, or remove it.",
  },
  E_SSH_KEY: {
    class: "config",
    meaning: "An SSH key file is missing or not a key.",
    next: "Correct the path, or remove both key paths to have a pair made for this fleet.",
  },
  E_KEY_LOST: {
    class: "state",
    meaning: "The fleet's own SSH key or passphrase is not on this machine.",
    next: "Copy the fleet's folder from the machine that made it; or name your SSH key in config.yaml, or set PULUMI_CONFIG_PASSPHRASE, if the fleet was made with your own. If the folder is lost for good, `recover --fleet-id ID` ends the fleet by its tags (`down`, if only the SSH key is), and `up` makes it anew; `list --json` shows the ID as `lineage`.",
  },
  E_NO_POOL: {
    class: "capacity",
    meaning: "A node found no pool (zone, machine type, market) with room for it.",
    next: "Name more machine types or regions, allow on-demand (`market: spot-then-on-demand`) or other regions (`allow_other_regions`).",
  },
  E_CREATE: {
    class: "transient",
    meaning: "A resource could not be created, changed or deleted.",
    next: "See the cause; `up` again tries only what is missing.",
  },
  E_UNPLANNED: {
    class: "state",
    meaning: "The engine was about to do more than was planned and agreed to; it was stopped before that.",
    next: "Run `preview`: it shows what would be done now. `up` asks before it does it.",
  },
  E_PROGRAM: {
    class: "bug",
    meaning: "The Pulumi program failed.",
    next: "Run again with --debug and report the log that it names.",
  },
  E_LEFTOVERS: {
    class: "leftover",
    meaning: "Something of this fleet is still there after `down`.",
    next: "Run `down` again; what blocks is named.",
  },
  E_SANDBOX_SETUP: {
    class: "sandbox",
    meaning: "The sandbox cannot be set up on this machine.",
    next: "See the cause; `--sandbox=api` needs only Node and Python.",
  },
  E_SANDBOX_PORT: {
    class: "sandbox",
    meaning: "The sandbox's port is taken by another program.",
    next: "Stop that program, or run `npm run sandbox -- down` to forget this sandbox.",
  },
  E_SANDBOX_DEAD: {
    class: "sandbox",
    meaning: "The sandbox died.",
    next: "Run the command again: the sandbox is reset and starts empty.",
  },
  E_SANDBOX_HOST: {
    class: "sandbox",
    meaning: "A host of the sandbox cannot be booted or ended.",
    next: "See the cause; `npm run sandbox -- down` removes every host, then run the command again.",
  },
  E_ADDRESS_REFUSED: {
    class: "ssh",
    meaning: "A connection to an address outside the sandbox was refused.",
    next: "This is a guard: sandbox commands reach loopback and the sandbox's own hosts only.",
  },
  E_SSH: {
    class: "ssh",
    meaning: "A node cannot be reached over SSH.",
    next: "Run `verify` for the diagnosis in order.",
  },
  E_HOST_KEY: {
    class: "ssh",
    meaning: "A node's host key is not proven or has changed.",
    next: "`replace NODE` makes it anew; nothing was sent to it.",
  },
  E_UPLOAD: {
    class: "deployment",
    meaning: "The upload to a node did not arrive whole.",
    next: "Run `up` again: a node that has not started its deployment is resumed.",
  },
  E_DEPLOYMENT: {
    class: "deployment",
    meaning: "A node's deployment failed.",
    next: "Correct the step named, then `up` replaces the node.",
  },
  E_INSTANCE_GONE: {
    class: "transient",
    meaning: "An instance ended while it was set up: AWS took it back, or somebody ended it.",
    next: "Run `up` again: it makes the node anew.",
  },
  E_VERIFICATION: { class: "verification", meaning: "A check failed.", next: "See the check's cause and next step." },
  E_NOT_FOUND: {
    class: "usage",
    meaning: "The node or stack named does not exist.",
    next: "Run `list` to see what there is.",
  },
  E_INTERRUPTED: {
    class: "interrupted",
    meaning: "The run was interrupted.",
    next: "Run the same command again: it goes on from there.",
  },
  E_DECLINED: {
    class: "interrupted",
    meaning: "The changes were not confirmed.",
    next: "Run again and answer yes, or give --yes.",
  },
  E_UNEXPECTED: {
    class: "bug",
    meaning: "An error that this program does not know.",
    next: "Run again with --debug and report what it prints.",
  },
} as const satisfies Record<string, { class: ErrorClass; meaning: string; next: string }>;

export type ErrorCode = keyof typeof errorCatalogue;

const BRAND = Symbol.for("spot-deployer.error");

/** The one error type of this project. Anything else that is thrown is a bug or is translated first. */
export class SpotError extends Error {
  readonly code: ErrorCode;
  readonly class: ErrorClass;
  readonly next: string;
  readonly location: Location | undefined;
  readonly problems: readonly SpotError[];
  readonly [BRAND] = true;

  constructor(code: ErrorCode, input: SpotErrorInput | string) {
    const given: SpotErrorInput = typeof input === "string" ? { message: input } : input;
    super(given.message, given.cause === undefined ? undefined : { cause: given.cause });
    this.name = code;
    this.code = code;
    this.class = given.class ?? errorCatalogue[code].class;
    this.next = given.next ?? errorCatalogue[code].next;
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
    return { code: unexpected.code, class: unexpected.class, message: unexpected.message, next: unexpected.next };
  }
  return {
    code: error.code,
    class: error.class,
    message: error.message,
    ...(error.cause === undefined ? {} : { cause: wordsOf(error.cause) }),
    next: error.next,
    ...(error.location === undefined ? {} : { location: error.location }),
    ...(error.problems.length === 0 ? {} : { problems: error.problems.map(errorInfo) }),
  };
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
