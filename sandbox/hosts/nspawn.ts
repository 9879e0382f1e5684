import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { wordsOf } from "../../fleet/errors";
import { readJson, writeJson } from "../../system/json-file";
import { admit } from "./admission";
import { cgroupFolders } from "./cgroup";
import type { HostDriver, HostEnded, HostSpec } from "./driver";
import {
  bootHost,
  consoleTail,
  hostFolders,
  InitSignal,
  killHost,
  prepareHost,
  REBOOT_CODE,
  removeHost,
  signalInit,
  type Boot,
  type HostOptions,
} from "./host";
import { ensureImage } from "./image";
import type { MetadataInstance } from "./metadata";
import { startMetadataServer, type MetadataServer } from "./metadata-server";
import { createNetwork, fenceNetwork, linkRecord, networkRecord, removeNetwork, type NetworkRecord } from "./network";
import { recipes, type Release } from "./recipe";

export interface NspawnOptions {
  /** The sandbox's home; everything of the hosts is in `<home>/hosts`. */
  home: string;
  /** Where the root image is kept, for all sandboxes of the user. */
  cacheDir: string;
  sandboxId: string;
  /** The hosts' network, `a.b.c.0/24`. */
  network: string;
  roots: Roots;
  /** The machine's own address in that network: where hosts see connections come from. */
  callerAddress: string;
  report: (detail: string) => void;
  onEnded: HostEnded;
}

/** Which releases hosts boot, and which of them a host. */
export interface Roots {
  releases: readonly Release[];
  of(host: HostSpec): Release;
}

/** How long a host may take to power off or to go down for a reboot before it is forced. */
const PATIENCE_MS = 10_000;

/** How long to wait before a host is asked again: early in its boot it does not hear. */
const ASK_AGAIN_MS = 1_000;

const POLL_MS = 20;

const hostsFolder = (home: string): string => join(home, "hosts");
const hostFolder = (home: string, instanceId: string): string => join(hostsFolder(home), instanceId);
const networkFile = (home: string): string => join(hostsFolder(home), "network.json");

/** A host from its launch to its end. */
class Host {
  readonly metadata: MetadataInstance;
  /** Settles when the host is under way, or could not be and nothing of it is left. */
  readonly started: Promise<void>;
  /** Settles when nothing of the host is left. */
  readonly ended: Promise<void>;
  /** True once the host was told to end: it did not end by itself. */
  ending = false;
  private boot: Boot | undefined;
  private rebootForced = false;
  private gone = false;

  constructor(
    spec: HostSpec,
    private readonly options: HostOptions,
  ) {
    this.metadata = { spec, launchedAt: new Date() };
    this.started = this.start();
    this.ended = this.started.then(() => this.live());
    // Whoever waits for the end hears of a failure; nobody has to wait.
    void this.ended.catch(() => undefined).then(() => (this.gone = true));
  }

  private async start(): Promise<void> {
    try {
      await prepareHost(this.options);
      this.boot = await bootHost(this.options);
    } catch (error) {
      await removeHost(this.options.folder);
      throw error;
    }
  }

  /** Boots the host again as often as it reboots; takes it away when it is down for good. */
  private async live(): Promise<void> {
    try {
      for (;;) {
        const code = await this.boot?.exited;
        if (this.ending || (code !== REBOOT_CODE && !this.rebootForced)) return;
        this.rebootForced = false;
        this.boot = await bootHost(this.options);
      }
    } catch (error) {
      // A boot that was cut short by the end that was asked for is no failure.
      if (!this.ending) throw error;
    } finally {
      await removeHost(this.options.folder);
    }
  }

  /** Resolves once the next boot is under way. A host that does not go down in time is reset. */
  async reboot(): Promise<void> {
    const before = this.boot;
    if (before === undefined) return;
    if (!(await this.ask(before, InitSignal.reboot))) {
      this.rebootForced = true;
      await killHost(this.options.record);
    }
    await until(() => this.boot !== before || this.gone);
  }

  /** Powers the host off, or kills it at once or when it does not go down in time; resolves when nothing is left. */
  async end(how: "power-off" | "kill"): Promise<void> {
    this.ending = true;
    // A launch that failed has removed the host already.
    if (
      !(await this.started.then(
        () => true,
        () => false,
      ))
    )
      return;
    // Once, as a rule; again when the host was just booting anew.
    while (!this.gone && this.boot !== undefined) {
      const { boot } = this;
      if (how === "kill" || !(await this.ask(boot, InitSignal.powerOff))) await killHost(this.options.record);
      await until(() => this.boot !== boot || this.gone);
    }
    await this.ended;
  }

  /** Asks process 1 to bring the host down. False when it did not in time. */
  private async ask(boot: Boot, signal: number): Promise<boolean> {
    for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; ) {
      signalInit(boot.pid, signal);
      if (await until(boot.isOver, ASK_AGAIN_MS)) return true;
    }
    return false;
  }
}

async function until(condition: () => boolean, patienceMs = Infinity): Promise<boolean> {
  const deadline = Date.now() + patienceMs;
  while (!condition()) {
    if (Date.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

/**
 * Really booted hosts: systemd-nspawn containers on overlays of one root image, on a bridge of the sandbox's own,
 * with a metadata service. Cleans up first what an earlier driver in this home left.
 * @throws SpotError E_SANDBOX_SETUP when the image, the network or the metadata service cannot be made.
 */
export async function createNspawnDriver(options: NspawnOptions): Promise<HostDriver> {
  const { home, sandboxId, callerAddress: gateway, report, onEnded, roots } = options;
  const prefix = Number(options.network.split("/")[1]);
  const network = networkRecord(sandboxId);
  const hosts = new Map<string, Host>();

  await cleanUpHosts(home);
  const images = new Map<Release, string>();
  for (const release of roots.releases)
    images.set(release, await ensureImage(options.cacheDir, report, recipes[release]));
  await mkdir(hostsFolder(home), { recursive: true });
  writeJson(networkFile(home), network);
  const metadata = await startNetwork().catch(async (error: unknown) => {
    await cleanUpHosts(home);
    throw error;
  });

  async function startNetwork(): Promise<MetadataServer> {
    await createNetwork(network, gateway, prefix);
    const server = await startMetadataServer(
      gateway,
      (source) => [...hosts.values()].find((host) => host.metadata.spec.publicAddress === source)?.metadata,
    );
    try {
      await fenceNetwork(network, { address: gateway, port: server.port });
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  const hostOptions = (spec: HostSpec): HostOptions => {
    const link = linkRecord(sandboxId, spec.instanceId);
    return {
      folder: hostFolder(home, spec.instanceId),
      image: images.get(roots.of(spec)) as string,
      record: { ...link, cgroup: cgroupFolders(link.namespace) },
      network: { bridge: network.bridge, address: spec.publicAddress, prefix, gateway },
    };
  };

  /** Follows a host to its end. */
  async function follow(instanceId: string, host: Host): Promise<void> {
    await host.ended.catch((error: unknown) => report(`${instanceId}: ${wordsOf(error)}`));
    hosts.delete(instanceId);
    if (!host.ending) onEnded(instanceId);
  }

  return {
    async launch(spec) {
      if (hosts.has(spec.instanceId)) return;
      const host = new Host(spec, hostOptions(spec));
      hosts.set(spec.instanceId, host);
      try {
        await host.started;
      } catch (error) {
        hosts.delete(spec.instanceId);
        throw error;
      }
      void follow(spec.instanceId, host);
    },
    async admit(instanceId, reach) {
      if (hosts.has(instanceId)) await admit(linkRecord(sandboxId, instanceId).namespace, await reach());
    },
    async reboot(instanceId) {
      await hosts.get(instanceId)?.reboot();
    },
    async terminate(instanceId) {
      await hosts.get(instanceId)?.end("power-off");
    },
    consoleOutput(instanceId) {
      return Promise.resolve(consoleTail(hostFolder(home, instanceId)));
    },
    notice(instanceId, notice) {
      const instance = hosts.get(instanceId)?.metadata;
      if (instance !== undefined) {
        if (notice.kind === "interruption") instance.interruption = { action: notice.action, at: notice.at };
        else instance.rebalance = notice.at;
      }
      return Promise.resolve();
    },
    async close() {
      // The clean-up tries again what failed here, and says what it cannot do either.
      await Promise.allSettled([...hosts.values()].map((host) => host.end("kill")));
      await metadata.close();
      await cleanUpHosts(home);
    },
  };
}

/**
 * Removes everything that a driver made for this home and that is still on the machine: processes, mounts, namespaces,
 * interfaces, firewall table, disks. It goes by the records alone, so it works after the driver was killed; nothing
 * there is a success. Not to be called while a driver of this home lives.
 * @throws SpotError E_SANDBOX_SETUP or E_SANDBOX_HOST when something cannot be removed; everything else then is.
 */
export async function cleanUpHosts(home: string): Promise<void> {
  const folder = hostsFolder(home);
  if (!existsSync(folder)) return;
  const network = readJson(networkFile(home)) as NetworkRecord | undefined;
  // One part that resists does not keep the others; its record stays for the next try.
  const work = [...hostFolders(folder).map(removeHost), ...(network === undefined ? [] : [removeNetwork(network)])];
  const failed = (await Promise.allSettled(work)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  await rm(folder, { recursive: true, force: true });
}
