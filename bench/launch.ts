import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openBanner } from "../automation/ssh/ssh-banner";
import { sandboxDialPolicy } from "../automation/ssh/dial";
import { tableText } from "../cli/output/table";
import type { FleetEvent, NodePhase } from "../fleet/report/events";
import { readUserDataTemplate, renderUserData } from "../fleet/node/user-data";
import { packageRoot } from "../project/package-root";
import type { HostDriver } from "../sandbox/hosts/driver";
import { createNspawnDriver } from "../sandbox/hosts/nspawn";
import { rootsOf } from "../sandbox/daemon/roots";
import { callerAddress, claimNetwork, hostAddresses } from "../sandbox/home/network";
import { makeKey } from "../tests/support/fake-host";
import { FleetBench } from "../tests/support/fleet-bench";
import { testCacheDir, until } from "../tests/support/sandbox";
import { descendants, REGIONS } from "../tests/support/workbench";
import { openUp } from "../tests/support/wide-open";

/**
 * From launch to verified, by part, beside the bare floor: the same number of hosts with the same user data, booted and
 * rebooted without the tool, in the same run. Needs root on Linux.
 *
 *   node dist/bench/launch.js [NODES …]     default: 1 3 10
 */

/** The parts of an `up`, each until the last node reached its phase. They follow each other and add up to the whole. */
const PARTS: { title: string; phase?: NodePhase }[] = [
  { title: "plan" },
  { title: "created", phase: "created" },
  { title: "booted, uploaded", phase: "uploaded" },
  { title: "deployment started", phase: "deploying" },
  { title: "deployed, rebooted", phase: "rebooted" },
  { title: "verified", phase: "verified" },
];

const WAIT_MS = 300_000;

interface Launch {
  /** Seconds by part, then until the command ended. */
  parts: number[];
  seconds: number;
  /** Peak resident memory in MiB: of the command alone, and of it with all that it started. */
  clientMiB: number;
  treeMiB: number;
}

async function main(): Promise<void> {
  const sizes = process.argv.slice(2).map(Number);
  const runs: { nodes: number; floor: { boot: number; reboot: number }; launch: Launch }[] = [];
  for (const nodes of sizes.length > 0 ? sizes : [1, 3, 10]) {
    const floor = await bareFloor(nodes);
    runs.push({ nodes, floor, launch: await launch(nodes) });
  }
  const row = (title: string, cell: (run: (typeof runs)[number]) => string) => [title, ...runs.map(cell)];
  const seconds = (value: number) => value.toFixed(1);
  process.stdout.write(
    `${tableText(
      ["SECONDS", ...runs.map(({ nodes }) => `${nodes} NODES`)],
      [
        ...PARTS.map(({ title }, n) => row(title, ({ launch: { parts } }) => seconds(parts[n] ?? NaN))),
        row("report", ({ launch: { parts } }) => seconds(parts.at(-1) ?? NaN)),
        row("up, whole", ({ launch }) => seconds(launch.seconds)),
        row("floor: boot", ({ floor }) => seconds(floor.boot)),
        row("floor: reboot", ({ floor }) => seconds(floor.reboot)),
        row("up / floor", ({ launch, floor }) => (launch.seconds / (floor.boot + floor.reboot)).toFixed(2)),
        row("peak memory, spot, MiB", ({ launch }) => launch.clientMiB.toFixed(0)),
        row("peak memory, with engine, MiB", ({ launch }) => launch.treeMiB.toFixed(0)),
      ],
      Infinity,
    )}\n`,
  );
}

/** `up` of a new fleet in a sandbox that runs already. */
async function launch(nodes: number): Promise<Launch> {
  const bench = new FleetBench();
  try {
    bench.fleet(
      Object.fromEntries(REGIONS.slice(0, nodes).map((region, n) => [region, Math.ceil((nodes - n) / REGIONS.length)])),
    );
    await bench.spot(["preview"]);
    const started = Date.now();
    const run = bench.start(["up", "--json"]);
    const memory = watchMemory(run.child.pid ?? assert.fail());
    const { code, stdout, stderr } = await run.done;
    const ended = Date.now();
    const { clientMiB, treeMiB } = await memory.stop();
    assert.equal(code, 0, stdout + stderr);
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as FleetEvent & { time: string });
    const marks = PARTS.map(({ phase }) => {
      const reached = events.filter((event) =>
        phase ? event.type === "node" && event.phase === phase : event.type === "changes",
      );
      return Date.parse(reached.at(-1)?.time ?? "");
    });
    const all = [started, ...marks, ended];
    return {
      parts: all.slice(1).map((mark, n) => (mark - (all[n] ?? NaN)) / 1000),
      seconds: (ended - started) / 1000,
      clientMiB,
      treeMiB,
    };
  } finally {
    await bench[Symbol.asyncDispose]();
  }
}

/** Boots hosts until cloud-init is done and SSH answers, reboots them until SSH answers again. Seconds, all at once. */
async function bareFloor(nodes: number): Promise<{ boot: number; reboot: number }> {
  const home = mkdtempSync(path.join(os.tmpdir(), "spot-floor-"));
  const { network, release } = claimNetwork(home, "hosts");
  let driver: HostDriver | undefined;
  try {
    driver = await createNspawnDriver({
      home,
      cacheDir: testCacheDir,
      sandboxId: home,
      network,
      roots: rootsOf.hosts,
      callerAddress: callerAddress(network),
      report: () => undefined,
      onEnded: () => undefined,
    });
    const booting = driver;
    const template = readUserDataTemplate(
      readFileSync(path.join(packageRoot(), "instance/cloud-init/user-data.yaml"), "utf8"),
    );
    const key = makeKey();
    const hosts = hostAddresses(network)
      .slice(0, nodes)
      .map((address, n) => ({ address, instanceId: `i-${n.toString(16).padStart(17, "0")}` }));
    const answers = (address: string) =>
      until(
        `${address} answers`,
        () =>
          openBanner({ address, port: 22, dial: sandboxDialPolicy(network), timeoutMs: 1_000 }).then(
            (socket) => Boolean(socket.destroy()),
            () => false,
          ),
        WAIT_MS,
      );
    const started = Date.now();
    await Promise.all(
      hosts.map(async ({ address, instanceId }) => {
        const userData = renderUserData(template, {
          username: "ubuntu",
          sshPublicKeys: [`ssh-ed25519 ${key.publicBase64}`],
          packages: [],
          hostKeyToken: "00".repeat(32),
          node: { stack: "floor", lineage: "floor", node: instanceId, generation: "1" },
        });
        await booting.launch({
          instanceId,
          region: "us-west-2",
          availabilityZone: "us-west-2a",
          amiId: "ami-0123456789abcdef0",
          instanceType: "t3.medium",
          market: "spot",
          publicAddress: address,
          privateAddress: "10.0.0.10",
          userData: Buffer.from(userData),
          publicKeys: [],
          httpTokens: "required",
          tags: {},
        });
        await openUp(booting, instanceId);
        const finished = path.join(
          home,
          "hosts",
          instanceId,
          "upper/var/lib/cloud/instances",
          instanceId,
          "boot-finished",
        );
        await until("cloud-init is done", () => existsSync(finished), WAIT_MS);
        await answers(address);
      }),
    );
    const booted = Date.now();
    await Promise.all(
      hosts.map(async ({ address, instanceId }) => (await booting.reboot(instanceId), answers(address))),
    );
    return { boot: (booted - started) / 1000, reboot: (Date.now() - booted) / 1000 };
  } finally {
    await driver?.close();
    release();
    rmSync(home, { recursive: true, force: true });
  }
}

/** Looks at a process and all below it until it is stopped. */
function watchMemory(pid: number): { stop(): Promise<{ clientMiB: number; treeMiB: number }> } {
  const over = new AbortController();
  let client = 0;
  let tree = 0;
  const watching = (async () => {
    while (!over.signal.aborted) {
      client = Math.max(client, memoryOf(pid, "VmHWM"));
      tree = Math.max(
        tree,
        [pid, ...descendants(pid)].reduce((sum, id) => sum + memoryOf(id, "VmRSS"), 0),
      );
      await sleep(100);
    }
  })();
  return {
    stop: async () => {
      over.abort();
      await watching;
      return { clientMiB: client / 1024, treeMiB: tree / 1024 };
    },
  };
}

/** KiB; 0 for a process that has ended. */
function memoryOf(pid: number, field: "VmHWM" | "VmRSS"): number {
  try {
    return Number(
      new RegExp(`^${field}:\\s*(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0,
    );
  } catch {
    return 0;
  }
}

void main();
