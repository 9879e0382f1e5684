import type { FaultRule } from "../../sandbox/gateway/faults";
import { MAX_ATTEMPTS } from "../../sandbox/provider/common/aws";

/** A fault as a scenario writes it; `when` is `before` unless told. */
export type Fault = Omit<FaultRule, "when"> & { when?: FaultRule["when"] };

/** How a command must end. */
export interface Expectation {
  exit: number;
  /** Nodes that `list` shows as running or pending. */
  nodes: number;
  /** Classes of what failed, each once, sorted. */
  classes?: string[];
  /** What stdout or stderr must say: the right advice. */
  says?: RegExp;
  /** Launches that were asked for in all, failed ones too. */
  launches?: number;
  /** Every fault struck as often as it could: one that met nobody has shown nothing. */
  struck?: true;
  /** Zones in which no node may be. */
  avoids?: string[];
}

/** What a user does to a fleet that stands, beside the tool. */
export type Deed = "terminate one" | "untag one";

/**
 * A fleet, what goes wrong, and how it must end. Every scenario is then brought down with all faults gone, and an
 * independent count must show nothing of it.
 */
export interface Scenario {
  name: string;
  /** Nodes by region; default: one in each of three. */
  counts?: Record<string, number>;
  config?: { top?: string[]; aws?: string[]; region?: string[] };
  /** The fleet as it stands before anything goes wrong; default: none does. */
  standing?: { counts: Record<string, number> };
  deed?: Deed;
  faults?: Fault[];
  /** vCPU quotas by code; with a region: there only. */
  quotas?: { code: string; value: number; region?: string }[];
  timings?: { newIdUnknownMs?: number; natDeletingMs?: number };
  /** AWS's rate limits are on. */
  limits?: true;
  /** Default: `up`. */
  command?: string[];
  expect: Expectation;
  /** The same command again, when all is well. Default: after an `up` the whole fleet, by another one, unless the first gave it. */
  again?: Expectation;
}

const SPOT = "L-34B43A08";
const ON_DEMAND = "L-1216C47A";

export const refuse = (code: string, status = 400): Fault["effect"] => ({ error: { code, status } });
const noCapacity = refuse("InsufficientInstanceCapacity", 500);
export const throttled = refuse("RequestLimitExceeded", 503);
const launch = (effect: Fault["effect"], more: Partial<Fault> = {}): Fault => ({
  action: "RunInstances",
  effect,
  ...more,
});

/** `--sandbox=api` answers 9 where AWS would answer 0: nothing was verified. */
export const DONE = 9;
const three = { exit: DONE, nodes: 3 };

/** Every call that makes a network. */
const NETWORK_CALLS = [
  "CreateVpc",
  "ModifyVpcAttribute",
  "CreateSubnet",
  "CreateInternetGateway",
  "AttachInternetGateway",
  "CreateRouteTable",
  "CreateRoute",
  "AssociateRouteTable",
  "CreateSecurityGroup",
  "RevokeSecurityGroupEgress",
  "AuthorizeSecurityGroupIngress",
  "AuthorizeSecurityGroupEgress",
];

/** What cannot be made in one region stops no other, in a new fleet and in one that gets that region. */
const networkRefused = NETWORK_CALLS.flatMap((action): Scenario[] => {
  const faults = [{ action, region: "us-west-2", effect: refuse("VpcLimitExceeded") }];
  const expect: Expectation = { exit: 4, nodes: 1, classes: ["quota"] };
  const counts = { "us-west-2": 1, "us-east-1": 1 };
  return [
    { name: `${action} refused in one of two regions`, counts, faults, expect },
    { name: `${action} refused in a region more`, standing: { counts: { "us-east-1": 1 } }, counts, faults, expect },
  ];
});

/** Every call that makes something, of a network or a launch, is the last one that AWS answers. */
const brokenOff = [...NETWORK_CALLS, "RunInstances"].map(
  (follows): Scenario => ({
    name: `credentials expire after ${follows}`,
    counts: { "us-west-2": 1 },
    faults: [{ action: "*", follows, effect: refuse("ExpiredToken", 403) }],
    expect: { exit: 3, nodes: follows === "RunInstances" ? 1 : 0, classes: ["auth"] },
    again: { exit: DONE, nodes: 1 },
  }),
);

export const scenarios: readonly Scenario[] = [
  ...networkRefused,
  ...brokenOff,
  {
    name: "tags of a network refused in one of two regions",
    standing: { counts: { "us-west-2": 1, "us-east-1": 1 } },
    counts: { "us-west-2": 1, "us-east-1": 1 },
    config: { aws: ["tags: { team: blue }"] },
    faults: [{ action: "CreateTags", region: "us-west-2", effect: refuse("TagLimitExceeded") }],
    expect: { exit: 4, nodes: 2, classes: ["config"] },
  },
  // Capacity
  {
    name: "no capacity in the first zone",
    counts: { "us-west-2": 1 },
    faults: [launch(noCapacity, { availabilityZone: "us-west-2b" })],
    expect: {
      exit: DONE,
      nodes: 1,
      launches: 1 + MAX_ATTEMPTS,
      avoids: ["us-west-2b"],
      says: /us-west-2-0\] INFO: goes to us-west-2/,
    },
  },
  {
    name: "no capacity in all zones but one",
    counts: { "us-west-2": 2 },
    faults: ["a", "b", "c"].map((zone) => launch(noCapacity, { availabilityZone: `us-west-2${zone}` })),
    expect: { exit: DONE, nodes: 2, avoids: ["us-west-2a", "us-west-2b", "us-west-2c"] },
  },
  {
    name: "no capacity in one region",
    faults: [launch(noCapacity, { region: "us-east-1" })],
    expect: { exit: 4, nodes: 2, classes: ["capacity"], says: /InsufficientInstanceCapacity/ },
  },
  { name: "no capacity anywhere", faults: [launch(noCapacity)], expect: { exit: 6, nodes: 0, classes: ["capacity"] } },
  {
    name: "no capacity in one region, others allowed",
    config: { top: ["allow_other_regions: true"] },
    faults: [launch(noCapacity, { region: "us-east-1" })],
    expect: three,
  },
  {
    name: "no capacity for the first machine type",
    counts: { "us-west-2": 2 },
    config: { region: ["machine_type: [t3.medium, t3a.medium]"] },
    faults: [launch(noCapacity, { instanceType: "t3.medium" })],
    expect: { exit: DONE, nodes: 2, says: /t3a\.medium/ },
  },
  {
    name: "no capacity for one moment",
    counts: { "us-west-2": 3 },
    faults: [launch(noCapacity, { times: MAX_ATTEMPTS })],
    expect: { exit: DONE, nodes: 3, launches: 3 + MAX_ATTEMPTS },
  },
  {
    name: "no free address in a subnet",
    counts: { "us-west-2": 1 },
    faults: [launch(refuse("InsufficientFreeAddressesInSubnet"), { availabilityZone: "us-west-2b" })],
    expect: { exit: DONE, nodes: 1, avoids: ["us-west-2b"] },
  },
  {
    name: "the type is not supported in a zone",
    counts: { "us-west-2": 1 },
    faults: [launch(refuse("Unsupported"), { availabilityZone: "us-west-2b" })],
    expect: { exit: DONE, nodes: 1, avoids: ["us-west-2b"] },
  },
  {
    name: "no capacity, yet enough of the fleet is well",
    config: { top: ["min_healthy: 2"] },
    faults: [launch(noCapacity, { region: "us-east-1" })],
    expect: { exit: DONE, nodes: 2 },
    again: three,
  },
  {
    name: "no capacity, and too little of the fleet is well",
    config: { top: ["min_healthy: 75%"] },
    faults: [launch(noCapacity, { region: "us-east-1" })],
    expect: { exit: 4, nodes: 2 },
  },
  {
    name: "all or nothing: nothing",
    faults: [launch(noCapacity, { region: "us-east-1" })],
    command: ["up", "--rollback-on-failure"],
    expect: { exit: 6, nodes: 0, says: /Rolled back: eu-west-1-0, us-west-2-0/ },
  },
  {
    name: "all or nothing: the fleet as it was",
    standing: { counts: { "us-west-2": 1 } },
    counts: { "us-west-2": 2, "us-east-1": 1 },
    faults: [launch(noCapacity, { region: "us-east-1" })],
    command: ["up", "--rollback-on-failure"],
    expect: { exit: 4, nodes: 1, says: /Rolled back: us-west-2-1/ },
    again: three,
  },

  // Price
  {
    name: "every pool costs more than the limit",
    config: { top: ["max_price: 0.0001"] },
    expect: { exit: 6, nodes: 0, classes: ["price"], says: /the cheapest is t3\.medium/, launches: 0 },
    again: { exit: 6, nodes: 0 },
  },
  {
    name: "only some zones are cheap enough",
    counts: { "us-west-2": 2 },
    config: { top: ["max_price: 0.0148"] },
    expect: { exit: DONE, nodes: 2, launches: 2 },
  },
  {
    name: "too dear for spot, so on demand",
    counts: { "us-west-2": 1 },
    config: { top: ["max_price: 0.0001", "market: spot-then-on-demand"] },
    expect: { exit: DONE, nodes: 1, says: /on-demand/, launches: 1 },
  },
  {
    name: "the price rose between look and launch",
    counts: { "us-west-2": 1 },
    faults: [launch(refuse("SpotMaxPriceTooLow"), { availabilityZone: "us-west-2b" })],
    expect: { exit: DONE, nodes: 1, avoids: ["us-west-2b"] },
  },

  // Quota
  {
    name: "spot quota 0 in one region",
    quotas: [{ code: SPOT, value: 0, region: "us-east-1" }],
    expect: { exit: 4, nodes: 2, classes: ["quota"], says: /request-service-quota-increase/ },
  },
  {
    name: "spot quota 0 everywhere",
    quotas: [{ code: SPOT, value: 0 }],
    expect: { exit: 6, nodes: 0, classes: ["quota"], launches: 3 },
  },
  {
    name: "spot quota exceeded half-way",
    counts: { "us-west-2": 4 },
    quotas: [{ code: SPOT, value: 5 }],
    expect: { exit: 4, nodes: 2, classes: ["quota"], says: /2 nodes at most/ },
  },
  {
    name: "spot quota exceeded half-way, others allowed",
    counts: { "us-west-2": 3, "us-east-1": 1 },
    config: { top: ["allow_other_regions: true"] },
    quotas: [{ code: SPOT, value: 4, region: "us-west-2" }],
    expect: { exit: DONE, nodes: 4 },
  },
  {
    name: "spot quota 0, so on demand",
    counts: { "us-west-2": 2 },
    config: { top: ["market: spot-then-on-demand"] },
    quotas: [{ code: SPOT, value: 0 }],
    expect: { exit: DONE, nodes: 2, says: /on-demand/ },
  },
  {
    name: "on-demand quota 0",
    counts: { "us-west-2": 1 },
    config: { top: ["market: on-demand"] },
    quotas: [{ code: ON_DEMAND, value: 0 }],
    expect: { exit: 6, nodes: 0, classes: ["quota"], launches: 1 },
  },
  {
    name: "no room for another VPC in one region",
    faults: [{ action: "CreateVpc", region: "us-west-2", effect: refuse("VpcLimitExceeded") }],
    expect: { exit: 4, nodes: 2, classes: ["quota"] },
  },

  // Throttling
  {
    name: "launches throttled for a while",
    counts: { "us-west-2": 2 },
    faults: [launch(throttled, { times: 5 })],
    expect: { exit: DONE, nodes: 2 },
  },
  {
    name: "launches throttled for good in one region",
    counts: { "us-west-2": 1, "us-east-1": 1 },
    faults: [launch(throttled, { region: "us-east-1" })],
    expect: { exit: 4, nodes: 1, classes: ["throttle"] },
  },
  {
    name: "network calls throttled",
    counts: { "us-west-2": 1 },
    faults: ["CreateVpc", "CreateSubnet", "CreateRoute", "AuthorizeSecurityGroupIngress"].map((action) => ({
      action,
      times: 3,
      effect: throttled,
    })),
    expect: { exit: DONE, nodes: 1 },
  },
  {
    name: "one call in ten throttled, whichever",
    faults: [{ action: "*", probability: 0.1, seed: 7, effect: throttled }],
    expect: three,
  },
  {
    name: "AWS's own rate limits, many nodes in one region",
    counts: { "us-west-2": 9 },
    limits: true,
    expect: { exit: DONE, nodes: 9 },
  },
  {
    name: "reading throttled",
    counts: { "us-west-2": 1 },
    faults: [{ action: "DescribeInstances", times: 3, effect: throttled }],
    expect: { exit: DONE, nodes: 1 },
  },

  // Account and permission
  {
    name: "a region that is not enabled",
    counts: { "us-west-2": 1, "me-south-1": 1 },
    expect: { exit: 4, nodes: 1, classes: ["opt-in"], says: /enable-region --region-name me-south-1/ },
    again: { exit: 4, nodes: 1 },
  },
  {
    name: "a region that denies everything",
    faults: [{ action: "*", region: "eu-west-1", effect: refuse("UnauthorizedOperation", 403) }],
    expect: { exit: 4, nodes: 2, classes: ["auth"] },
  },
  {
    name: "`check` says what to do in each region",
    faults: [
      { action: "RunInstances?DryRun", region: "us-east-1", times: 1, effect: refuse("UnauthorizedOperation", 403) },
    ],
    quotas: [{ code: SPOT, value: 0, region: "eu-west-1" }],
    command: ["check"],
    expect: {
      exit: 4,
      nodes: 0,
      launches: 0,
      struck: true,
      says: /WARNING eu-west-1 [^]*request-service-quota-increase[^]*2 of 3 regions can be used/,
    },
    again: { exit: 0, nodes: 0 },
  },
  {
    name: "launching is not allowed: seen before anything is made",
    counts: { "us-west-2": 1 },
    faults: [{ action: "RunInstances?DryRun", effect: refuse("UnauthorizedOperation", 403) }],
    expect: { exit: 3, nodes: 0, launches: 0, says: /not allowed: ec2:RunInstances/ },
  },
  {
    name: "launching is not allowed: seen only at the launch",
    counts: { "us-west-2": 1, "us-east-1": 1 },
    faults: [launch(refuse("UnauthorizedOperation", 403), { region: "us-east-1" })],
    expect: { exit: 4, nodes: 1, classes: ["auth"], launches: 2 },
  },
  {
    name: "credentials expired before the run",
    faults: [{ action: "GetCallerIdentity", effect: refuse("ExpiredToken", 403) }],
    expect: { exit: 3, nodes: 0, says: /aws sso login/ },
  },
  {
    name: "credentials expire in mid-run",
    faults: [launch(refuse("ExpiredToken"))],
    expect: { exit: 3, nodes: 0, classes: ["auth"], says: /all regions were stopped[^]*aws sso login/ },
  },
  {
    name: "credentials expire while the networks are made",
    faults: [{ action: "CreateSubnet", effect: refuse("ExpiredToken") }],
    expect: { exit: 3, nodes: 0, classes: ["auth"], launches: 0 },
  },
  {
    name: "the spot role is missing",
    counts: { "us-west-2": 1 },
    faults: [launch(refuse("AuthFailure.ServiceLinkedRoleCreationNotPermitted", 403))],
    expect: { exit: 3, nodes: 0, says: /create-service-linked-role/ },
  },

  // The API
  {
    name: "the API is slow",
    counts: { "us-west-2": 1 },
    faults: [{ action: "*", effect: { delayMs: 300 } }],
    expect: { exit: DONE, nodes: 1 },
  },
  {
    name: "the API drops connections at the start",
    counts: { "us-west-2": 1 },
    faults: [{ action: "DescribeAvailabilityZones", times: 2, effect: { drop: true } }],
    expect: { exit: DONE, nodes: 1 },
  },
  {
    name: "the API is gone for 30 s in the middle of `up`",
    counts: { "us-west-2": 1 },
    faults: [{ action: "*", nth: 40, forMs: 30_000, effect: { drop: true } }],
    expect: { exit: DONE, nodes: 1 },
  },
  {
    name: "the API is gone for 30 s in the middle of `down`",
    standing: { counts: { "us-west-2": 1 } },
    counts: { "us-west-2": 1 },
    faults: [{ action: "*", nth: 15, forMs: 30_000, effect: { drop: true } }],
    command: ["down"],
    expect: { exit: 0, nodes: 0 },
    again: { exit: 0, nodes: 0 },
  },
  {
    name: "launching is down for a while",
    counts: { "us-west-2": 1 },
    faults: [launch(refuse("InternalError", 500), { times: 9 })],
    expect: { exit: DONE, nodes: 1 },
  },
  {
    name: "the answer to a launch is lost",
    counts: { "us-west-2": 2 },
    faults: [launch({ drop: true }, { times: 1, when: "after" })],
    expect: { exit: DONE, nodes: 2 },
  },
  {
    name: "the answer to a VPC is lost",
    counts: { "us-west-2": 1 },
    faults: [{ action: "CreateVpc", times: 1, when: "after", effect: { delayMs: 1500 } }],
    expect: { exit: DONE, nodes: 1 },
  },
  {
    name: "an error that nobody knows, once",
    counts: { "us-west-2": 1 },
    faults: [launch(refuse("SomethingNew"), { times: 1 })],
    expect: { exit: DONE, nodes: 1 },
  },
  {
    name: "a new instance is unknown for a moment",
    counts: { "us-west-2": 1 },
    timings: { newIdUnknownMs: 1000 },
    expect: { exit: DONE, nodes: 1, launches: 1 },
  },

  // Tags
  {
    name: "a tag that instance metadata cannot show",
    counts: { "us-west-2": 1 },
    config: { aws: ['tags: { "cost center/team": blue }'] },
    expect: { exit: DONE, nodes: 1, launches: 1 },
  },

  // Images
  {
    name: "an image that does not exist",
    counts: { "us-west-2": 1 },
    config: { region: ["image: ami-00000000000000000"] },
    expect: { exit: 2, nodes: 0, launches: 0, says: /no image ami-0/ },
    again: { exit: 2, nodes: 0 },
  },
  {
    name: "the image is withdrawn before the launch",
    faults: [launch(refuse("InvalidAMIID.NotFound"), { region: "us-east-1" })],
    expect: { exit: 4, nodes: 2, classes: ["config"] },
  },

  // A fleet that stands
  {
    name: "an instance ended by hand",
    standing: { counts: { "us-west-2": 2 } },
    counts: { "us-west-2": 2 },
    deed: "terminate one",
    expect: { exit: DONE, nodes: 2, launches: 1, says: /is gone/ },
  },
  {
    name: "tags removed by hand",
    standing: { counts: { "us-west-2": 2 } },
    counts: { "us-west-2": 2 },
    deed: "untag one",
    expect: { exit: DONE, nodes: 2 },
  },
  {
    name: "growing while a region has no capacity keeps the rest",
    standing: { counts: { "us-west-2": 1, "us-east-1": 1 } },
    counts: { "us-west-2": 2, "us-east-1": 2 },
    faults: [launch(noCapacity, { region: "us-east-1" })],
    expect: { exit: 4, nodes: 3 },
  },
  {
    name: "list while a region does not answer",
    standing: { counts: { "us-west-2": 1, "us-east-1": 1 } },
    counts: { "us-west-2": 1, "us-east-1": 1 },
    faults: [{ action: "DescribeInstances", region: "us-east-1", effect: refuse("InternalError", 500) }],
    command: ["list"],
    expect: { exit: 4, nodes: 2 },
    again: { exit: 0, nodes: 2 },
  },
  {
    name: "down while AWS holds the subnets back for a minute",
    standing: { counts: { "us-west-2": 1 } },
    counts: { "us-west-2": 1 },
    faults: [{ action: "DeleteSubnet", forMs: 60_000, effect: refuse("DependencyViolation") }],
    command: ["down"],
    expect: { exit: 0, nodes: 0 },
    again: { exit: 0, nodes: 0 },
  },
  {
    name: "down while ending instances is throttled",
    standing: { counts: { "us-west-2": 2 } },
    counts: { "us-west-2": 2 },
    faults: [{ action: "TerminateInstances", times: 3, effect: throttled }],
    command: ["down"],
    expect: { exit: 0, nodes: 0 },
    again: { exit: 0, nodes: 0 },
  },
  {
    name: "down while a region denies everything",
    standing: { counts: { "us-west-2": 1, "eu-west-1": 1 } },
    counts: { "us-west-2": 1, "eu-west-1": 1 },
    faults: [{ action: "*", region: "eu-west-1", effect: refuse("UnauthorizedOperation", 403) }],
    command: ["down"],
    expect: { exit: 8, nodes: 1 },
    again: { exit: 0, nodes: 0 },
  },

  // Several at once
  {
    name: "capacity, quota and throttling, each in a region of its own",
    faults: [
      launch(noCapacity, { region: "us-west-2", availabilityZone: "us-west-2b" }),
      launch(throttled, { region: "eu-west-1", times: 2 }),
    ],
    quotas: [{ code: SPOT, value: 0, region: "us-east-1" }],
    expect: { exit: 4, nodes: 2, classes: ["quota"] },
  },
];
