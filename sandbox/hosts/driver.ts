/**
 * What the gateway asks of whatever stands behind an instance: a booted host (nspawn) or nothing (api mode).
 * Every call is idempotent: terminating what is gone is a success.
 */
export interface HostDriver {
  /** Starts booting and returns once the host is under way; it does not wait for SSH. Nothing reaches it yet. */
  launch(host: HostSpec): Promise<void>;
  /** Lets through to the host and out of it what this tells, and nothing else. Where there is no host, nobody asks. */
  admit(instanceId: string, reach: () => Promise<Reach>): Promise<void>;
  /** Restarts the host on the same disk, as EC2's RebootInstances does. */
  reboot(instanceId: string): Promise<void>;
  /** Ends the host and removes its disk, namespace and processes; resolves when nothing of it is left. */
  terminate(instanceId: string): Promise<void>;
  /** What the host wrote to its console so far (GetConsoleOutput). */
  consoleOutput(instanceId: string): Promise<string>;
  /** Changes what the metadata service answers: an interruption notice or a rebalance recommendation. */
  notice(instanceId: string, notice: HostNotice): Promise<void>;
  /** Ends every host and everything else that the driver made on this machine. */
  close(): Promise<void>;
}

export interface HostSpec {
  instanceId: string;
  region: string;
  availabilityZone: string;
  amiId: string;
  instanceType: string;
  market: "spot" | "on-demand";
  /** The host's address on the sandbox's bridge: what EC2 shows as the public one. */
  publicAddress: string;
  /** What EC2 shows as the private one; the host does not carry it on an interface. */
  privateAddress: string;
  /** Raw user data, decoded. */
  userData: Buffer;
  /** Public keys of the EC2 key pair named at launch, in authorized_keys form. */
  publicKeys: string[];
  httpTokens: "required" | "optional";
  tags: Record<string, string>;
}

/** What EC2's network lets through to an instance and out of it. */
export interface Reach {
  /** The address blocks to and from which an internet gateway leads. */
  internet: readonly string[];
  ingress: readonly AddressRule[];
  egress: readonly AddressRule[];
}

/** One rule of a security group, about a block of addresses. */
export interface AddressRule {
  /** `tcp`, `udp`, `icmp`, a number, or `-1` for all. */
  protocol: string;
  /** Of tcp and udp; absent: all ports. */
  fromPort?: number;
  toPort?: number;
  cidr: string;
}

/** An instance before there are a gateway, a route and a rule. */
export const unreachable: Reach = { internet: [], ingress: [], egress: [] };

export type HostNotice = { kind: "interruption"; action: "terminate"; at: Date } | { kind: "rebalance"; at: Date };

/** The host ended without being asked: it powered itself off. The gateway shows the instance as terminated. */
export type HostEnded = (instanceId: string) => void;
