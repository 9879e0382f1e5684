/** The nouns of a fleet. Pure data, shared by the Pulumi program and the driver. */

export type Market = "spot" | "on-demand";

/** Where a node runs and how it is paid for. One launch asks exactly one pool. */
export interface Pool {
  region: string;
  availabilityZone: string;
  instanceType: string;
  market: Market;
}

/** A place in the fleet: a stable name `<region>-<ordinal>` that outlives the instances that fill it. */
export interface Slot {
  name: string;
  /** The region that the configuration asks for. The pool may lie in another one (`allow_other_regions`). */
  homeRegion: string;
  /** Counted from 0 within the home region. */
  ordinal: number;
}

/** What is decided once for a node and then kept, so that a later run does not replace it. */
export interface NodePin {
  ami: string;
  pool: Pool;
}

/** What is decided once for a region's network. */
export type RegionPin = {
  /** Ids of security groups that the user named, resolved in this region. */
  securityGroups: string[];
  /**
   * Logical name of the fleet's own security group in this network; absent: the region's name. A region that moves to
   * another network has two groups for a while, and the engine must not take one for the other.
   */
  group?: string;
} & (
  | { network: "create"; availabilityZones: string[] }
  | { network: "existing"; vpcId: string /** Subnet id by availability zone. */; subnets: Record<string, string> }
);

/** What one slot is given: where its node goes, in which network, and the name of its launch. */
export interface Decision {
  pin: NodePin;
  network: RegionPin;
  launch: string;
}

/** A network that nodes stand in until their turn comes to move to the one that is decided for them. */
export interface FormerNetwork {
  network: RegionPin;
  /** Where each of them stands, by slot name. */
  nodes: Record<string, NodePin>;
}

/**
 * Decisions that the Pulumi program must not make anew on each run. Derived: `up` rebuilds them from the state and
 * writes them to the stack's configuration, so that plain `pulumi up` sees the same desired state.
 */
export interface Pins {
  version: 1;
  regions: Record<string, RegionPin>;
  /** By slot name. */
  nodes: Record<string, NodePin>;
  /**
   * By region, where nodes wait for their turn to move to another network. What they depend on must be declared: the
   * engine records it in a wrong order otherwise, and refuses its own record.
   */
  former?: Record<string, FormerNetwork[]>;
  /** What sets an instance apart from those that were in its slot before it, by slot name (fleet/identity/launch.ts). */
  launches: Record<string, string>;
  /** Slots that the last `up` could find no place for, with the reason. The program leaves them out. */
  unplaced: Record<string, string>;
  ssh: {
    /** CIDR blocks of config.yaml, IPv4 or IPv6, that may reach port 22. */
    allow: string[];
    /** Addresses that `auto` stood for when they were confirmed, as CIDR blocks. Only ever added to. */
    callers: string[];
    /** The public key, one line in authorized_keys form, that cloud-init installs. */
    publicKey: string;
  };
}

/** A stack's name, with organisation and project before it where the backend knows them; no part is dots alone. */
export const STACK_NAME = /^(?:(?!\.+\/)[\w.-]{1,100}\/){0,2}(?!\.+$)[\w.-]{1,100}$/;

/** Tags that mark what is ours. Ownership is the lineage; the rest is for people. */
export const Tag = {
  managedBy: "ManagedBy",
  lineage: "spot-deployer:lineage",
  stack: "spot-deployer:stack",
  node: "spot-deployer:node",
  generation: "spot-deployer:generation",
} as const;

export const MANAGED_BY = "spot-deployer";

/** A node as events and tables name it. */
export interface NodeRef {
  name: string;
  region: string;
  instanceId?: string;
  address?: string;
}
