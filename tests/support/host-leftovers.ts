import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cgroupFolders } from "../../sandbox/hosts/cgroup";
import { run } from "../../sandbox/hosts/command";
import { mounts } from "../../sandbox/hosts/mounts";
import { linkRecord, networkRecord } from "../../sandbox/hosts/network";
import { PATIENCE_MS } from "./sandbox";

/** A sandbox whose hosts are looked for. */
export interface HostsPlace {
  home: string;
  sandboxId: string;
}

/** Process ids by PID namespace, of the namespaces that are not this machine's own. */
export function foreignNamespaces(): Map<string, number[]> {
  const found = new Map<string, number[]>();
  const own = readlinkSync("/proc/self/ns/pid");
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const namespace = readlinkSync(`/proc/${pid}/ns/pid`);
      if (namespace !== own) found.set(namespace, [...(found.get(namespace) ?? []), Number(pid)]);
    } catch {
      // Ended meanwhile, or a kernel thread.
    }
  }
  return found;
}

/**
 * True for the namespace of another sandbox's host, which may come and go while this test runs. One process tells: what
 * its own test runs inside it is in that test's control group.
 */
const isOfAnotherSandbox = (pids: readonly number[], own: string): boolean =>
  pids.map(cgroupOf).some((cgroup) => /\/spot-[0-9a-f]{8}-i-/.test(cgroup) && !cgroup.includes(own));

/** Empty when the process ended meanwhile. */
function cgroupOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8");
  } catch {
    return "";
  }
}

/**
 * What hosts of a sandbox left on the machine: processes, mounts, interfaces, namespaces, control groups, firewall.
 * @param before PID namespaces that were there before (keys of `foreignNamespaces`)
 */
export async function leftovers(
  place: HostsPlace,
  instanceIds: readonly string[],
  before: ReadonlySet<string>,
): Promise<string[]> {
  const { bridge, table } = networkRecord(place.sandboxId);
  const links = instanceIds.map((id) => linkRecord(place.sandboxId, id));
  const own = `/spot-${table.slice("spot_".length)}-`;
  const namespaces = [...foreignNamespaces()].filter(
    ([name, pids]) => !before.has(name) && !isOfAnotherSandbox(pids, own),
  );
  const paths = [
    `/sys/class/net/${bridge}`,
    join(place.home, "hosts"),
    ...links.flatMap(({ link, namespace }) => [
      `/sys/class/net/${link}`,
      `/run/netns/${namespace}`,
      ...cgroupFolders(namespace),
      `/run/systemd/nspawn/propagate/${namespace}`,
    ]),
  ];
  return [
    ...namespaces.map(([name, pids]) => `processes ${pids.join(" ")} in ${name}`),
    ...mounts()
      .map(({ point }) => point)
      .filter((point) => point.startsWith(place.home)),
    ...paths.filter((path) => existsSync(path)),
    ...(await run("nft", ["list", "tables"])).split("\n").filter((line) => line.includes(table)),
  ];
}

/** A killed process stays a moment, until the machine's process 1 has heard of it. */
export async function assertNothingLeft(
  place: HostsPlace,
  instanceIds: readonly string[],
  before: ReadonlySet<string>,
): Promise<void> {
  let left = await leftovers(place, instanceIds, before);
  for (
    const deadline = Date.now() + PATIENCE_MS;
    left.length > 0 && Date.now() < deadline;
    left = await leftovers(place, instanceIds, before)
  )
    await sleep(50);
  // One look without anything is enough: a further one could meet what another sandbox's host is just beginning with.
  assert.deepEqual(left, []);
}
