import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { admit, METADATA_ADDRESS } from "./admission";
import { run } from "./command";
import { unreachable } from "./driver";

/*
 * One bridge per sandbox, one network namespace and one pair of virtual interfaces per host. The bridge is not
 * connected to anything: hosts reach each other, the metadata service and nothing else. The machine's own settings
 * (forwarding, bridge filtering, other tables) stay as they are; where its firewall drops forwarded packets and
 * filters bridges (Docker does both), hosts do not reach each other, but the machine still reaches every host.
 */

/** What exists on the machine for a sandbox's network. Names are the kernel's, at most 15 characters. */
export interface NetworkRecord {
  bridge: string;
  table: string;
}

/** What exists on the machine for one host's network. */
export interface LinkRecord {
  namespace: string;
  /** The machine's end of the pair; the other one is `eth0` in the namespace. */
  link: string;
}

const short = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 8);

export const networkRecord = (sandboxId: string): NetworkRecord => ({
  bridge: `spotb-${short(sandboxId)}`,
  table: `spot_${short(sandboxId)}`,
});

export const linkRecord = (sandboxId: string, instanceId: string): LinkRecord => ({
  namespace: `spot-${short(sandboxId)}-${instanceId}`,
  link: `spoth-${short(`${sandboxId}/${instanceId}`)}`,
});

/** The hardware address of the host with this address: always the same one, so that no neighbour table goes stale. */
export function macOf(address: string): string {
  return ["02", "00", ...address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"))].join(":");
}

/** How long the kernel may hold on to an interface or a namespace that is removed. */
const REMOVAL_MS = 2_000;

const ip = (...commands: string[]): Promise<string> => run("ip", ["-batch", "-"], { input: commands.join("\n") });

/** Makes the bridge with the machine's address on it. */
export async function createNetwork({ bridge }: NetworkRecord, address: string, prefix: number): Promise<void> {
  await ip(
    // A bridge without an address of its own would change it with each host that comes and goes.
    `link add ${bridge} address ${macOf(address)} type bridge forward_delay 0`,
    `address add ${address}/${prefix} dev ${bridge}`,
    `link set ${bridge} up`,
  );
}

/** Leads hosts to the metadata service and shuts every other way out of the bridge. */
export async function fenceNetwork(
  { bridge, table }: NetworkRecord,
  metadata: { address: string; port: number },
): Promise<void> {
  await run("nft", ["-f", "-"], {
    input: `
table inet ${table} {
  chain metadata {
    type nat hook prerouting priority dstnat
    iifname "${bridge}" ip daddr ${METADATA_ADDRESS} tcp dport 80 dnat ip to ${metadata.address}:${metadata.port}
  }
  chain input {
    type filter hook input priority filter
    iifname "${bridge}" ct state established,related accept
    iifname "${bridge}" ip protocol icmp accept
    iifname "${bridge}" ip daddr ${metadata.address} tcp dport ${metadata.port} accept
    iifname "${bridge}" drop
  }
  chain forward {
    type filter hook forward priority filter
    iifname "${bridge}" oifname "${bridge}" accept
    iifname "${bridge}" drop
    oifname "${bridge}" drop
  }
}
`,
  });
}

/** Removes the fence and the bridge, as far as they are there. */
export async function removeNetwork({ bridge, table }: NetworkRecord): Promise<void> {
  await removeLink(bridge);
  // Deleting what is not there is an error to nft, adding what is there is none.
  await run("nft", ["-f", "-"], { input: `add table inet ${table}\ndelete table inet ${table}\n` });
}

/** Makes a host's namespace, ready for use and shut: the host itself may not change its interface. */
export async function attachHost(
  { namespace, link }: LinkRecord,
  at: { bridge: string; address: string; prefix: number; gateway: string },
): Promise<void> {
  await ip(
    `netns add ${namespace}`,
    `link add ${link} type veth peer name eth0 address ${macOf(at.address)} netns ${namespace}`,
    `link set ${link} master ${at.bridge} up`,
  );
  await admit(namespace, unreachable);
  await run("ip", ["-n", namespace, "-batch", "-"], {
    input: [
      "link set lo up",
      `address add ${at.address}/${at.prefix} dev eth0`,
      "link set eth0 up",
      `route add default via ${at.gateway}`,
    ].join("\n"),
  });
}

/** Removes a host's interfaces and namespace, as far as they are there. */
export async function detachHost({ namespace, link }: LinkRecord): Promise<void> {
  // The pair would go with the namespace, but only some time after.
  await removeLink(link);
  await removeWhileThere(`/run/netns/${namespace}`, `netns delete ${namespace}`);
}

const removeLink = (link: string): Promise<void> => removeWhileThere(`/sys/class/net/${link}`, `link delete ${link}`);

/** Removes what is there; gone meanwhile is a success, and what is busy for a moment is tried again. */
async function removeWhileThere(file: string, command: string): Promise<void> {
  const deadline = Date.now() + REMOVAL_MS;
  while (existsSync(file)) {
    try {
      await ip(command);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await sleep(20);
  }
}
