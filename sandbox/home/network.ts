import { createHash } from "node:crypto";
import { chmodSync, mkdirSync } from "node:fs";
import { isIPv4 } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isWithin } from "../../fleet/config/cidr";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { tryLock } from "../../system/lock";
import type { SandboxMode } from "./records";

/**
 * 198.18.0.0/15 is set aside for benchmarks (RFC 2544): no VPN and no public host uses it. Real hosts get a /24 of its
 * lower half. Without hosts an address is only shown, so a wider one costs nothing and holds a fleet of a thousand.
 */
const pools: Record<SandboxMode, { base: string; prefix: number; count: number }> = {
  hosts: { base: "198.18.0.0", prefix: 24, count: 256 },
  images: { base: "198.18.0.0", prefix: 24, count: 256 },
  api: { base: "198.19.0.0", prefix: 22, count: 64 },
};

const FIRST_HOST = 10;

const toNumber = (address: string): number => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
const toAddress = (value: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");

function parse(network: string): { base: number; size: number } {
  const [base, prefix] = network.split("/") as [string, string];
  return { base: toNumber(base), size: 2 ** (32 - Number(prefix)) };
}

/** The address from which hosts see this machine: the network's .1. */
export function callerAddress(network: string): string {
  return toAddress(parse(network).base + 1);
}

/** Whether a dotted IPv4 address lies in the network; false for anything else. */
export function isInNetwork(address: string, network: string): boolean {
  return isIPv4(address) && isWithin(`${address}/32`, network);
}

/** What instances may get, in the order in which they get it: from .10, without the broadcast address. */
export function hostAddresses(network: string): string[] {
  const { base, size } = parse(network);
  return Array.from({ length: size - 1 - FIRST_HOST }, (_, index) => toAddress(base + FIRST_HOST + index));
}

/** The networks of a mode in the order in which a home asks for them: always the same one first. */
export function candidateNetworks(home: string, mode: SandboxMode): string[] {
  const { base, prefix, count } = pools[mode];
  const start = createHash("sha256").update(home).digest().readUInt32BE(0) % count;
  const size = 2 ** (32 - prefix);
  return Array.from(
    { length: count },
    (_, index) => `${toAddress(toNumber(base) + ((start + index) % count) * size)}/${prefix}`,
  );
}

/** Where sandboxes of all users of this machine say which network they hold. */
const registry = join(process.platform === "win32" ? tmpdir() : "/var/tmp", "spot-deployer-networks");

const claimFile = (network: string): string => join(registry, network.replace("/", "_"));

/** Gives back the network of a sandbox that can no longer do so itself; a living one's stays. */
export function releaseDeadClaim(network: string): void {
  tryLock(claimFile(network))?.();
}

/** Takes a network for as long as this process lives. */
export function claimNetwork(home: string, mode: SandboxMode): { network: string; release: () => void } {
  mkdirSync(registry, { recursive: true });
  try {
    chmodSync(registry, 0o1777);
  } catch {
    // Another user's folder has these rights already.
  }
  for (const network of candidateNetworks(home, mode)) {
    const release = tryLock(claimFile(network), { home });
    if (release !== undefined) return { network, release };
  }
  throw new SpotError("E_SANDBOX_SETUP", {
    message: "Every network of the sandbox's address range is held by another sandbox on this machine.",
    next: "Stop one of them: `npm run sandbox -- down` in its project.",
    step: outside("stop-program", again()),
  });
}
