import { spawnSync } from "node:child_process";
import path from "node:path";
import { packageRoot } from "../project/package-root";

/** How long `spot help` takes beside an empty Node, medians of runs that take turns. Exit code 1 above the promise. */
const RUNS = 21;
const PROMISE = 1.5;

const cli = path.join(packageRoot(), "dist/automation/cli.js");
const subjects: Record<string, string[]> = {
  'node -e ""': ["-e", ""],
  "spot help": [cli, "help"],
  "spot help up": [cli, "help", "up"],
  "spot version": [cli, "version"],
};

function milliseconds(args: string[]): number {
  const before = process.hrtime.bigint();
  const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return Number(process.hrtime.bigint() - before) / 1e6;
}

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

const times = new Map(Object.keys(subjects).map((name) => [name, [] as number[]]));
for (let run = 0; run <= RUNS; run++) {
  for (const [name, args] of Object.entries(subjects)) {
    const took = milliseconds(args);
    // The first round fills the file cache.
    if (run > 0) times.get(name)!.push(took);
  }
}
const base = median(times.get('node -e ""')!);
let kept = true;
for (const [name, values] of times) {
  const ratio = median(values) / base;
  kept &&= ratio <= PROMISE;
  process.stdout.write(`${name.padEnd(14)} ${median(values).toFixed(1).padStart(7)} ms  x ${ratio.toFixed(2)}\n`);
}
process.stdout.write(kept ? `within x ${PROMISE}\n` : `above x ${PROMISE}\n`);
process.exitCode = kept ? 0 : 1;
