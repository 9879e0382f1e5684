import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { cacheFile, type Seen } from "../cli/commands/list";
import { pathsOf } from "../automation/target/paths";
import { packageRoot } from "../project/package-root";
import { chooseTestProvider } from "../tests/support/sandbox";
import { ensureSandbox, stopSandbox } from "../sandbox/control";

/**
 * How long commands that ask nobody take beside an empty Node, medians of runs that take turns, and how long a sandbox
 * takes that is set up already. Exit code 1 when one is above its promise.
 */
const RUNS = 21;
const SANDBOX_RUNS = 5;
const HELP_RATIO = 1.5;
const CACHED_MS = 400;
const SANDBOX_MS = 2_000;
const NODES = 100;

interface Subject {
  args: string[];
  /** What was promised of its median, beside that of an empty Node. */
  isKept: (ms: number, base: number) => boolean;
}

const cli = path.join(packageRoot(), "dist/cli/main.js");
const home = mkdtempSync(path.join(os.tmpdir(), "spot-startup-"));
const instant = (...args: string[]): Subject => ({
  args: [cli, ...args],
  isKept: (ms, base) => ms <= HELP_RATIO * base,
});
const subjects: Record<string, Subject> = {
  'node -e ""': { args: ["-e", ""], isKept: () => true },
  "spot help": instant("help"),
  "spot help up": instant("help", "up"),
  "spot version": instant("version"),
  [`spot list --cached (${NODES} nodes)`]: {
    args: [cli, "list", "--cached", "--sandbox=api", "--stack", "bench"],
    isKept: (ms) => ms <= CACHED_MS,
  },
};

/** A listing as `list` keeps it. */
function keepListing(): void {
  const nodes = Array.from({ length: NODES }, (_, i): Seen["nodes"][number] => ({
    name: `us-west-2-${i}`,
    region: "us-west-2",
    instanceId: `i-${String(i).padStart(17, "0")}`,
    availabilityZone: "us-west-2a",
    instanceType: "t3.medium",
    market: "spot",
    state: "running",
    address: `198.18.0.${i}`,
    launchedAt: "2026-01-01T00:00:00.000Z",
    recorded: true,
    cost: { hourly: 0.0147, onDemandHourly: null, soFar: 0.1 },
  }));
  const seen: Seen = {
    at: "2026-01-01T00:00:00.000Z",
    stack: "bench",
    lineage: "0123456789abcdef",
    nodes,
    foreign: [],
    failedRegions: [],
  };
  const scratch = path.join(home, "scratch");
  mkdirSync(scratch);
  writeFileSync(cacheFile(scratch, "bench"), JSON.stringify(seen));
}

function milliseconds(args: string[]): number {
  const before = process.hrtime.bigint();
  const { status, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    env: { ...process.env, SPOT_SANDBOX_HOME: home },
  });
  if (status !== 0) throw new Error(stderr);
  return Number(process.hrtime.bigint() - before) / 1e6;
}

/** From nothing to an endpoint that answers. */
async function sandboxStart(): Promise<number> {
  const place = mkdtempSync(path.join(os.tmpdir(), "spot-startup-"));
  try {
    const before = performance.now();
    await ensureSandbox({
      home: place,
      cacheDir: pathsOf(process.env).cache,
      mode: "api",
      chooseProvider: chooseTestProvider,
      report: () => undefined,
      confirmInstall: () => Promise.resolve(true),
    });
    return performance.now() - before;
  } finally {
    await stopSandbox(place);
    rmSync(place, { recursive: true, force: true });
  }
}

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function main(): Promise<void> {
  try {
    keepListing();
    const times = new Map(Object.keys(subjects).map((name) => [name, [] as number[]]));
    for (let run = 0; run <= RUNS; run++) {
      for (const [name, { args }] of Object.entries(subjects)) {
        const took = milliseconds(args);
        // The first round fills the file cache.
        if (run > 0) times.get(name)!.push(took);
      }
    }
    const base = median(times.get('node -e ""')!);
    let kept = true;
    for (const [name, { isKept }] of Object.entries(subjects)) {
      const ms = median(times.get(name)!);
      const word = isKept(ms, base) ? "" : "  above its promise";
      kept &&= word === "";
      process.stdout.write(`${name.padEnd(30)} ${ms.toFixed(1).padStart(7)} ms  x ${(ms / base).toFixed(2)}${word}\n`);
    }
    const starts: number[] = [];
    // The first one may install what is missing.
    for (let run = 0; run <= SANDBOX_RUNS; run++) starts.push(await sandboxStart());
    const ms = median(starts.slice(1));
    kept &&= ms <= SANDBOX_MS;
    process.stdout.write(
      `${"a sandbox (api)".padEnd(30)} ${ms.toFixed(1).padStart(7)} ms${ms <= SANDBOX_MS ? "" : "  above its promise"}\n`,
    );
    process.stdout.write(
      `promised: help and version within x ${HELP_RATIO}, list --cached within ${CACHED_MS} ms, a sandbox within ${SANDBOX_MS} ms\n`,
    );
    process.exitCode = kept ? 0 : 1;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

void main();
