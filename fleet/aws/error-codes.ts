import { adviceOf, type Advice, type ErrorClass } from "../errors";
import { again, outside } from "../steps";
import type { PoolScope } from "./pools";

/** What a failure of AWS means here, and what the user can do about it. */
export interface Failure extends Advice {
  /** AWS's own code, when the message holds one. */
  awsCode?: string;
  class: ErrorClass;
  /** Another pool may work: how much the answer rules out. Absent: moving does not help. */
  excludes?: PoolScope;
  /** It is about the credentials themselves, so no region can be worked in. */
  accountWide?: true;
  /** What was recorded is not there: the record is to be brought up to date before another try. */
  staleState?: true;
}

interface Row extends Advice {
  class: ErrorClass;
  excludes?: PoolScope;
  accountWide?: true;
  staleState?: true;
}

/** Classes of failures that pass by themselves: the same call may be answered a moment later. */
export const retryableClasses: ReadonlySet<ErrorClass> = new Set<ErrorClass>(["throttle", "transient"]);

const LOGIN: Advice = {
  next: "Log in again (`aws sso login`, or other credentials), then run the command again: it resumes.",
  step: outside("log-in", again()),
};
const ALLOW: Advice = {
  next: "Allow the action named to this user or role (docs/permissions.md has policies to attach); `check` names every other one that it can ask about.",
  step: outside("change-account", again()),
};
const RETRY: Advice = { next: "It passes by itself: run the command again, finished work is kept.", step: again() };
const ANSWER_LOST: Advice = {
  next: "An earlier call made it and its answer was lost: run the command again, which clears it up first.",
  step: again(),
};
const GONE: Advice = {
  next: "It was recorded and is gone: run the command again, which makes it anew.",
  step: again(),
};
const NEXT_POOL: Advice = {
  next: "Other zones are tried by themselves; if none has room, choose another machine_type or region.",
  step: outside("correct-configuration", again()),
};
const SPOT_QUOTA: Advice = {
  next: "Ask for a higher quota (Service Quotas, EC2, `Spot Instance Requests`, vCPUs), or ask for fewer nodes in this region.",
  step: outside("change-account", again()),
};
const ON_DEMAND_QUOTA: Advice = {
  next: "Ask for a higher quota (Service Quotas, EC2, `Running On-Demand … instances`, vCPUs), or ask for fewer nodes in this region.",
  step: outside("change-account", again()),
};
const CONFIG: Advice = {
  next: "Correct the value that AWS names in config.yaml.",
  step: outside("correct-configuration", again()),
};

/** AWS's codes (EC2 API reference, "Error codes"), and what follows from each. To add one, add a row. */
export const awsFailures: Readonly<Record<string, Row>> = {
  InsufficientInstanceCapacity: { class: "capacity", ...NEXT_POOL, excludes: "pool" },
  InsufficientCapacity: { class: "capacity", ...NEXT_POOL, excludes: "pool" },
  InsufficientHostCapacity: { class: "capacity", ...NEXT_POOL, excludes: "pool" },
  InsufficientReservedInstanceCapacity: { class: "capacity", ...NEXT_POOL, excludes: "pool" },
  ReservationCapacityExceeded: { class: "capacity", ...NEXT_POOL, excludes: "pool" },
  UnfulfillableCapacity: { class: "capacity", ...NEXT_POOL, excludes: "pool" },
  InsufficientFreeAddressesInSubnet: {
    class: "capacity",
    next: "Other subnets are tried by themselves; with a VPC of your own, free some addresses.",
    step: outside("correct-configuration", again()),
    excludes: "zone",
  },
  Unsupported: {
    class: "capacity",
    next: "The machine type is not offered in this zone; others are tried by themselves. Choose another machine_type if no zone has it.",
    step: outside("correct-configuration", again()),
    excludes: "pool",
  },

  SpotMaxPriceTooLow: {
    class: "price",
    next: "Raise max_price or remove it: without one the limit is the on-demand price.",
    step: outside("correct-configuration", again()),
    excludes: "pool",
  },

  MaxSpotInstanceCountExceeded: { class: "quota", ...SPOT_QUOTA, excludes: "market" },
  MaxFleetCountExceeded: { class: "quota", ...SPOT_QUOTA, excludes: "market" },
  VcpuLimitExceeded: { class: "quota", ...ON_DEMAND_QUOTA, excludes: "market" },
  InstanceLimitExceeded: { class: "quota", ...ON_DEMAND_QUOTA, excludes: "market" },
  VpcLimitExceeded: {
    class: "quota",
    next: "Use `network: default`, delete a VPC that is not needed, or ask for a higher quota (5 per region at first).",
    step: outside("change-account", again()),
  },
  InternetGatewayLimitExceeded: {
    class: "quota",
    next: "It follows the quota of VPCs per region: delete one that is not needed, or ask for more.",
    step: outside("change-account", again()),
  },
  TagLimitExceeded: {
    class: "config",
    next: "Remove some of aws.tags: a resource has room for 50 in all.",
    step: outside("correct-configuration", again()),
  },

  UnauthorizedOperation: { class: "auth", ...ALLOW },
  AccessDenied: { class: "auth", ...ALLOW },
  AccessDeniedException: { class: "auth", ...ALLOW },
  "AuthFailure.ServiceLinkedRoleCreationNotPermitted": {
    class: "auth",
    next: "Have an administrator run `aws iam create-service-linked-role --aws-service-name spot.amazonaws.com` once.",
    step: outside("change-account", again()),
  },
  // A region that is not enabled says it too, so it speaks for its own region only.
  AuthFailure: { class: "auth", ...LOGIN },
  ExpiredToken: { class: "auth", ...LOGIN, accountWide: true },
  ExpiredTokenException: { class: "auth", ...LOGIN, accountWide: true },
  InvalidClientTokenId: { class: "auth", ...LOGIN, accountWide: true },
  UnrecognizedClientException: { class: "auth", ...LOGIN, accountWide: true },
  SignatureDoesNotMatch: {
    class: "auth",
    next: "Check the secret access key, and this machine's clock.",
    step: outside("log-in", again()),
    accountWide: true,
  },
  RequestExpired: {
    class: "auth",
    next: "Set this machine's clock: AWS refuses requests that are more than five minutes off.",
    step: outside("set-clock", again()),
    accountWide: true,
  },
  Blocked: {
    class: "auth",
    next: "AWS has blocked this account; ask AWS Support.",
    step: outside("change-account", again()),
    accountWide: true,
  },
  PendingVerification: {
    class: "auth",
    next: "AWS is still checking this account for the region; it takes minutes, seldom hours.",
    step: outside("wait", again()),
  },
  OptInRequired: {
    class: "opt-in",
    next: "Enable the region in the account (AWS Console, Account, AWS Regions), or remove it from `regions:`.",
    step: outside("change-account", again()),
  },

  RequestLimitExceeded: { class: "throttle", ...RETRY },
  Throttling: { class: "throttle", ...RETRY },
  ThrottlingException: { class: "throttle", ...RETRY },
  ThrottledException: { class: "throttle", ...RETRY },
  TooManyRequestsException: { class: "throttle", ...RETRY },
  RequestThrottled: { class: "throttle", ...RETRY },
  ResourceCountLimitExceeded: { class: "throttle", ...RETRY },

  InternalError: { class: "transient", ...RETRY },
  InternalFailure: { class: "transient", ...RETRY },
  ServiceUnavailable: { class: "transient", ...RETRY },
  Unavailable: { class: "transient", ...RETRY },
  RequestTimeout: { class: "transient", ...RETRY },
  DependencyViolation: {
    class: "transient",
    next: "Something still uses the resource; what does is named when it stays. Run the command again.",
    step: again(),
  },
  IncorrectInstanceState: { class: "transient", ...RETRY },
  IncorrectState: { class: "transient", ...RETRY },
  IdempotentParameterMismatch: { class: "transient", ...RETRY },
  // Just after its creation EC2 does not know an instance everywhere.
  "InvalidInstanceID.NotFound": { class: "transient", ...RETRY },

  // A network of the user's own is looked at before anything is created: these are about one that we made.
  "InvalidVpcID.NotFound": { class: "transient", ...GONE, staleState: true },
  "InvalidSubnetID.NotFound": { class: "transient", ...GONE, staleState: true },
  "InvalidRouteTableID.NotFound": { class: "transient", ...GONE, staleState: true },
  "InvalidInternetGatewayID.NotFound": { class: "transient", ...GONE, staleState: true },

  // A call that took effect and whose answer was lost, asked again: what it made is known to AWS alone.
  "InvalidPermission.Duplicate": { class: "transient", ...ANSWER_LOST },
  "InvalidGroup.Duplicate": { class: "transient", ...ANSWER_LOST },
  "InvalidSubnet.Conflict": { class: "transient", ...ANSWER_LOST },
  RouteAlreadyExists: { class: "transient", ...ANSWER_LOST },
  "Resource.AlreadyAssociated": { class: "transient", ...ANSWER_LOST },

  "InvalidAMIID.NotFound": {
    class: "config",
    next: "The image is not in this region or was withdrawn: use `image: auto`, or an AMI id of this region.",
    step: outside("correct-configuration", again()),
  },
  "InvalidAMIID.Unavailable": {
    class: "config",
    next: "The image was withdrawn: use `image: auto`, or another AMI id.",
    step: outside("correct-configuration", again()),
  },
  "InvalidAMIID.Malformed": {
    class: "config",
    next: "Use `image: auto`, or an AMI id of this region.",
    step: outside("correct-configuration", again()),
  },
  "InvalidKeyPair.NotFound": {
    class: "config",
    next: "Import the key pair in this region, or remove aws.ssh_key_name.",
    step: outside("change-account", again()),
  },
  "InvalidGroup.NotFound": {
    class: "config",
    next: "Name in aws.security_groups only groups of the VPC that is used, in every region.",
    step: outside("correct-configuration", again()),
  },
  InvalidInstanceType: {
    class: "config",
    next: "Choose a machine_type that exists.",
    step: outside("correct-configuration", again()),
  },
};

/** Families of codes, for those without a row of their own. The first that matches counts. */
const codeFamilies: readonly { pattern: RegExp; row: Row }[] = [
  {
    pattern: /LimitExceeded$/,
    row: {
      class: "quota",
      next: "Ask for a higher quota (Service Quotas), or ask for less in this region.",
      step: outside("change-account", again()),
    },
  },
  { pattern: /^(Invalid|Malformed|Missing|Unknown)|NotFound$|Malformed$/, row: { class: "config", ...CONFIG } },
  { pattern: /^Unauthorized|AccessDenied/, row: { class: "auth", ...LOGIN } },
];

/**
 * The action that AWS refuses, as policies name it (`ec2:CreateTags`), where its text tells: not always the one that was
 * called, for tags are given by an action of their own, and a role is passed by another.
 */
export const refusedAction = (text: string): string | undefined =>
  /is not authorized to perform: ([a-z0-9-]+:[A-Za-z]+)/.exec(text)?.[1];

/**
 * The engine's words for a run that does not fit what it is held to, a plan or a list of targets: another try would be
 * refused as well.
 */
export const BEYOND_PLAN =
  /violates plan|not allowed by the plan|expected resource operations for|not specified in --target list|could not be found in the stack/;

/** What the provider and the SDKs say in words, without a code of AWS. The first that matches counts. */
const phrases: readonly { pattern: RegExp; row: Row }[] = [
  { pattern: BEYOND_PLAN, row: { class: "state", ...adviceOf("E_UNPLANNED") } },
  {
    pattern: /AWS account ID not allowed/,
    row: {
      class: "auth",
      next: "The credentials are of another account than the fleet: log in to the fleet's own (AWS_PROFILE / --profile), then run the command again.",
      step: outside("log-in", again()),
      accountWide: true,
    },
  },
  {
    pattern:
      /no valid credential sources|failed to refresh cached credentials|no EC2 IMDS role|could not load credentials|CredentialsProviderError|TokenProviderError|security token .* (?:expired|invalid)|SSO session .* expired|token has expired/i,
    row: { class: "auth", ...LOGIN, accountWide: true },
  },
  { pattern: /slow down|rate exceeded|too many requests/i, row: { class: "throttle", ...RETRY } },
  {
    pattern:
      /i\/o timeout|timeout|timed out|deadline exceeded|no such host|ENOTFOUND|EAI_AGAIN|connection re(?:fused|set)|ECONNRE(?:FUSED|SET)|EPIPE|socket hang up|unexpected EOF|network is unreachable|StatusCode: 5\d\d/i,
    row: {
      class: "transient",
      next: "Check the network to AWS, then run the command again: finished work is kept.",
      step: outside("mend-connection", again()),
    },
  },
];

/** The words in which the Go SDK, botocore, EC2's XML and a spot request's status carry a code; innermost last. */
const codePlaces: readonly RegExp[] = [
  /\bapi error ([A-Z][\w.]*)/g,
  /\bAn error occurred \(([A-Z][\w.]*)\)/g,
  /<Code>([A-Z][\w.]*)<\/Code>/g,
  /\b(?:Server|Client)\.([A-Z][\w.]*)/g,
  /(?:^|[\s"'(])([A-Z][\w.]*\w):/g,
];

/**
 * Finds the code of AWS in an error text, however deep a provider or an SDK wrapped it, and says what it means. A code
 * without a row is judged by its family; a text without any is taken for transient, which costs a bounded retry.
 */
export function classifyFailure(message: string): Failure {
  const marked = codePlaces.map((place) =>
    Array.from(message.matchAll(place), (match) => match[1] as string).reverse(),
  );
  const known = marked.flat().find((code) => Object.hasOwn(awsFailures, code)) ?? distinctive(message);
  if (known !== undefined) return failure(awsFailures[known] as Row, known);

  // The last place is any word before a colon: only a known code is believed there.
  const named = marked.slice(0, -1).flat()[0];
  const family = named === undefined ? undefined : codeFamilies.find(({ pattern }) => pattern.test(named));
  if (named !== undefined && family) return failure(family.row, named);
  const phrase = phrases.find(({ pattern }) => pattern.test(message));
  return failure(phrase?.row ?? { class: "transient", ...adviceOf("E_AWS") }, named);
}

/** A known code that stands anywhere, if it is a word that no sentence holds by chance (two capitals at least). */
function distinctive(message: string): string | undefined {
  return (message.match(/\b[A-Z][a-z]+[A-Z][\w.]*\w/g) ?? []).find((word) => Object.hasOwn(awsFailures, word));
}

const failure = (row: Row, awsCode: string | undefined): Failure => ({
  ...(awsCode === undefined ? {} : { awsCode }),
  class: row.class,
  next: row.next,
  step: row.step,
  ...(row.excludes === undefined ? {} : { excludes: row.excludes }),
  ...(row.accountWide === undefined ? {} : { accountWide: row.accountWide }),
  ...(row.staleState === undefined ? {} : { staleState: row.staleState }),
});

/**
 * True when AWS itself refused a launch, so that surely nothing was made: a launch carries a client token, and had an
 * earlier try been carried out, this one would have been answered with its instance. A call that comes after the launch
 * (waiting for it, reading it) may be refused of an instance that is there.
 * @param message of the AWS provider, in the words of AWS's SDK for Go
 */
export function launchedNothing(message: string): boolean {
  const [, answer] = /operation error EC2: RunInstances, ([^\n]*)/.exec(message) ?? [];
  return answer !== undefined && (/StatusCode: 4\d\d/.test(answer) || classifyFailure(message).class === "throttle");
}
