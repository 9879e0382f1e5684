import type { SpotRequest } from "../aws/spot-requests";
import type { Advice, OwnAdvice } from "../errors";
import type { Market } from "../model";
import type { Manifest } from "../node/payload";
import type { PlacedFile } from "../node/placed";
import type { RenderedSettings } from "../node/rendered";

/** What a node must be. Everything that a check compares with comes from here, nothing from the node itself. */
export interface NodeExpectation {
  name: string;
  region: string;
  instanceId: string;
  /** Where it is reached; absent when it has no address. */
  address?: string;
  lineage: string;
  /** The AWS CLI as a person calls it to ask about this node: `aws`, with what leads it there. */
  awsCli: string;
  instanceType: string;
  availabilityZone: string;
  market: Market;
  username: string;
  /** Its network is one that the fleet made for itself. */
  hasOwnNetwork: boolean;
  /** It was made of the files and the configuration that are here: its generation is the desired one. */
  isAsDesired: boolean;
  /** CIDR blocks that the fleet's own security group is to admit to port 22, and nothing else. */
  sshFrom: readonly string[];
  /** Addresses that commands are run from may be admitted besides (`auto` in `ssh.allow`). */
  mayAdmitCallers: boolean;
  manifest: Manifest;
  /** sha256 of the user data sent, hex. */
  userDataSha256: string;
  /** The files that the user data writes. */
  userDataFiles: readonly PlacedFile[];
  /** By which the node vouches for its host key, hex; a secret. */
  hostKeyToken: string;
  /** What the start of the node renders. Absent: scripts of the user's own render it. */
  rendered?: RenderedSettings;
  /** Debian packages asked for. */
  packages: readonly string[];
  directories: readonly DirectoryExpectation[];
  units: UnitExpectation;
  /** Absent: the node runs no Bacalhau. */
  bacalhau?: BacalhauExpectation;
}

export interface DirectoryExpectation {
  path: string;
  owner: string;
  /** As `stat -c %a` shows it: `755`. */
  mode: string;
}

/** Names of unit files. */
export interface UnitExpectation {
  /** By name, the payload path that each was copied from. */
  installed: Readonly<Record<string, string>>;
  enabled: readonly string[];
  /** Ours that run for long: they must be active. */
  workloads: readonly string[];
  /** The user's (files/systemd): active, or ended well when they are of the kind that ends. */
  own: readonly string[];
}

/** How Bacalhau is to run. */
export interface BacalhauExpectation {
  /** Without a leading v. */
  version: string;
  /** `nats://host:port` */
  orchestrators: readonly string[];
  /** The orchestrator's HTTP address; absent: it is never asked. */
  api?: string;
  /** sha256 of what the program may come from: the file that is uploaded, or those that are downloaded. Hex. */
  sources: readonly string[];
}

/** What one look at the cloud tells about a node. */
export interface CloudFacts {
  /** The caller's account; undefined when the credentials were refused. */
  account?: string;
  /** Undefined when it could not be found out. */
  caller?: Caller;
  /** Why nothing is known, in AWS's words: the region did not answer. */
  unanswered?: string;
  /** Undefined when no such instance exists, or nothing is known. */
  instance?: InstanceFacts;
  /** Of all groups of the instance. */
  groups?: Lookup<GroupFacts[]>;
  /** Where the instance's subnet sends what is for the internet: `igw-…`, another target's id, or null for nowhere. */
  internetRoute?: Lookup<string | null>;
  rootVolume?: Lookup<{ encrypted: boolean; tags: Tags }>;
  /** Of a spot instance. */
  spotRequest?: Lookup<SpotRequest>;
}

type Tags = Readonly<Record<string, string>>;

/** Where the caller comes from. */
export interface Caller {
  /** A CIDR block of one address. */
  cidr: string;
  /** SSH comes from there, too. A web service sees only where HTTPS comes from: a proxy or a split tunnel sends SSH another way. */
  isCertain: boolean;
}

/** What a call answered, or why it could not be asked. */
export type Lookup<T> = { value: T; failure?: undefined } | { value?: undefined; failure: string };

export interface InstanceFacts {
  instanceId: string;
  state: string;
  /** Why it is no longer running, in AWS's words. */
  stateReason?: string;
  /** ISO 8601. */
  launchedAt?: string;
  instanceType: string;
  availabilityZone: string;
  market: Market;
  publicAddress?: string;
  httpTokens: string;
  tags: Tags;
}

export interface GroupFacts {
  id: string;
  /** The fleet's own; the others are groups that the user named. */
  isOwn: boolean;
  /** Who may come in, one entry for each source. */
  ingress: { protocol: string; fromPort: number; toPort: number; source: string }[];
}

/** What the connection told before any command ran. */
export interface ClientFacts {
  address: string;
  /** Why no SSH server answered; undefined when one did. */
  bannerFailure?: string;
  /** Why the host key is not trusted; undefined when it is proven or pinned. A refused login leaves a new key unproven. */
  hostKeyFailure?: string;
}

export interface CommandOutput {
  code: number;
  stdout: string;
  stderr: string;
  /** This machine's clock (ms since the epoch) halfway between asking and answer. */
  at: number;
}

/** A stretch of a node's life, or a moment of it (without `end`). ISO 8601, UTC. */
export interface Span {
  name: string;
  start: string;
  end?: string;
}

/** A judgement in words that can be shown side by side. Its advice is more exact than the check's own. */
export type Verdict = Judgement & OwnAdvice;

interface Judgement {
  ok: boolean;
  expected: string;
  actual: string;
  /** Not so yet, but may come true by itself (a unit that is starting): worth another look. */
  pending?: boolean;
  /** What it means when it does not hold, where that depends on what was found. `unknown`: nothing was, it could not be asked. */
  severity?: Severity | "unknown";
  /** A more exact cause than the check's own, where the output tells it. */
  cause?: string;
  /**
   * Of a check that fails: what of it stands in the way of those that need it, by the name that they are `about`. Empty:
   * nothing, what needs it can be judged all the same. Absent: all of it.
   */
  blocks?: readonly string[];
  /** What the output tells of when things happened: the timeline of the report. */
  spans?: readonly Span[];
  /** The last lines in the journal of each unit that is not as it must be. */
  journals?: readonly UnitJournal[];
}

/** The end of a unit's journal: of this boot, without control characters and without what looks like a secret. */
export interface UnitJournal {
  unit: string;
  lines: readonly string[];
}

export type Severity = "fail" | "warn" | "info";

/**
 * How a check ended. `warning` and `info`: it does not hold, but its severity says that the node works all the same.
 * `unknown`: it could not be looked at, which says nothing of the node.
 */
export const checkStatuses = ["ok", "failed", "unknown", "warning", "info", "skipped"] as const;
export type CheckStatus = (typeof checkStatuses)[number];

export const phases = [
  "cloud",
  "reach",
  "cloud-init",
  "files",
  "deployment",
  "units",
  "identity",
  "workload",
  "health",
  "own",
] as const;
export type Phase = (typeof phases)[number];

interface CheckBase extends Advice {
  /** Letter of the phase and a number; a promise to scripts, never reused. */
  id: string;
  title: string;
  phase: Phase;
  /**
   * Ids of checks without which a result of this one would mean nothing: when one of them fails, it is skipped because of
   * it. That it would fail, too, is no need. What AWS did not answer keeps nobody from trying the way to the node.
   */
  needs: readonly string[];
  /** What of its needs it is about, where a need is about several things (`Verdict.blocks`): a unit of F7's. */
  about?: string;
  /** Ids of checks that are settled first, however they end: they wait for what this one looks at. */
  after?: readonly string[];
  /** What it means when the check does not hold. */
  severity: Severity;
  /** For one attempt. */
  deadlineMs: number;
  /** For how long a pending verdict is looked at again, ms. Absent: one look. */
  patienceMs?: number;
  /** The likely cause when it does not hold. */
  cause: string;
  /** It compares with what the files and the configuration here say: where the node was made of others, that is why it fails. */
  ofDesired?: true;
  /** Absent: always. */
  applies?: (node: NodeExpectation) => boolean;
  /**
   * Reads only. Of a check on the node: what is run there, and can be pasted into a shell there as it is. Of the others:
   * what shows a person the same on the own machine.
   */
  command(node: NodeExpectation): string;
}

/** Judged by what AWS says. */
export interface CloudCheck extends CheckBase {
  where: "cloud";
  judge(facts: CloudFacts, node: NodeExpectation): Verdict;
}

/** Judged by how the connection went. */
export interface ClientCheck extends CheckBase {
  where: "client";
  judge(facts: ClientFacts, node: NodeExpectation): Verdict;
}

/** Judged by what a command on the node prints. */
export interface NodeCheck extends CheckBase {
  where: "node";
  judge(output: CommandOutput, node: NodeExpectation): Verdict;
}

/** Judged by comparing what every node prints. No check may need one: it is settled when all nodes have been looked at. */
export interface FleetCheck extends CheckBase {
  where: "fleet";
  /** What is compared; undefined when the output does not have it. */
  valueOf(output: CommandOutput): string | undefined;
  /** @param others the values of the other nodes, by name */
  judge(value: string | undefined, others: ReadonlyMap<string, string>): Verdict;
}

export type Check = CloudCheck | ClientCheck | NodeCheck | FleetCheck;
