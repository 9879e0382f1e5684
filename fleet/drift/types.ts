/** What may differ between what is recorded and what there is, and what each kind is called. */
export type DriftKind =
  | "rule"
  | "route"
  | "association"
  | "gateway"
  | "route-table"
  | "security-group"
  | "subnet"
  | "vpc"
  /** The groups that an instance has. */
  | "security-groups"
  /** That an instance runs. */
  | "instance";

/** A difference between the record and the cloud that no run of this program made. */
export interface Drift {
  region: string;
  kind: DriftKind;
  /** AWS's; of a route, which has none, its table and where it leads: `rtb-1 0.0.0.0/0`. */
  id: string;
  /** The node whose instance it is about. */
  node?: string;
  /** What it is in the record; absent: it is not in it. */
  urn?: string;
  /** In words. Null: it was not there. */
  was: string | null;
  /** In words. Null: it is not there any more. */
  is: string | null;
  /** What ends the difference, in words or as a command of AWS's command line. */
  heals: string;
}

/** The same, with what it takes to put it right. */
export interface FoundDrift extends Drift {
  /** Of the resource, as the provider names them. */
  properties: readonly string[];
  /** AWS's ids of what somebody put in its place: AWS refuses to make it again beside them. */
  inTheWay: readonly string[];
}

/** A resource as it is recorded, as far as it is compared. */
export interface Recorded {
  urn: string;
  type: string;
  id: string;
  inputs: Readonly<Record<string, unknown>>;
  /** Of an instance: the node that it is. */
  node?: string;
}

/** A rule of a security group. */
export interface SeenRule {
  id: string;
  group: string;
  isEgress: boolean;
  /** `tcp`; `-1` is every protocol, which has no ports. */
  protocol: string;
  fromPort?: number;
  toPort?: number;
  cidrIpv4?: string;
  cidrIpv6?: string;
  referencedGroup?: string;
  prefixList?: string;
  description?: string;
}

/** A route table with what is in it. */
export interface SeenTable {
  id: string;
  routes: readonly SeenRoute[];
  /** Of subnets: the VPC's main association is none. */
  associations: readonly { id: string; subnet: string }[];
}

export interface SeenRoute {
  /** A block, or the id of a prefix list. */
  destination: string;
  /** The id of what it leads to. */
  target: string;
  /** Somebody made it, as opposed to those that AWS puts in by itself. */
  isMade: boolean;
}

export interface SeenInstance {
  /** EC2's word for its state. */
  state: string;
  /** Ids of the groups of its first interface. */
  groups: readonly string[];
}

/** Where a comparison is made. */
export interface Place {
  region: string;
  /** The AWS CLI as a person calls it to reach this account: `aws`, with what leads it there. */
  awsCli: string;
}

/** What a region shows, by AWS's ids. What could not be looked at, or was not, is absent, and nothing is said of it. */
export interface SeenRegion {
  instances?: ReadonlyMap<string, SeenInstance>;
  /** By gateway: the VPCs that it is attached to. */
  gateways?: ReadonlyMap<string, readonly string[]>;
  /** Of the groups that are recorded. */
  rules?: readonly SeenRule[];
  /** Of the networks that are recorded. */
  tables?: readonly SeenTable[];
  /** Ids of all VPCs, subnets, groups and tables of the fleet. */
  present?: ReadonlySet<string>;
}
