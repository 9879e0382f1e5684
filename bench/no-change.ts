import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { tableText } from "../cli/output/table";
import { REGIONS, Workbench } from "../tests/support/workbench";

/**
 * How long `up` takes that finds nothing to change, beside `pulumi up` of the same program on the same stack: medians of
 * runs that take turns, with the emulated API.
 *
 *   node dist/bench/no-change.js [NODES …]     default: 3 100
 */
const RUNS = 7;

interface Result {
  nodes: number;
  spot: number;
  pulumi: number;
}

async function measured(nodes: number): Promise<Result> {
  const bench = new Workbench();
  try {
    bench.config(
      Object.fromEntries(REGIONS.slice(0, nodes).map((region, n) => [region, Math.ceil((nodes - n) / REGIONS.length)])),
    );
    const made = await bench.spot(["up"]);
    assert.equal(made.code, 9, made.stdout + made.stderr);
    assert.equal((await bench.nodes()).length, nodes);
    const env = await bench.spot(["env"]);
    assert.equal(env.code, 0, env.stderr);
    const spot: number[] = [];
    const pulumi: number[] = [];
    for (let run = 0; run < RUNS; run++) {
      spot.push(
        await timed(async () => {
          const { code, stdout } = await bench.spot(["up"]);
          assert.equal(code, 9, stdout);
          assert.match(stdout, new RegExp(`Nothing to change: ${nodes} nodes`));
        }),
      );
      pulumi.push(
        await timed(() => {
          const { status, stdout, stderr } = spawnSync(
            "sh",
            ["-c", `${env.stdout}\npulumi up --yes --expect-no-changes --non-interactive`],
            { cwd: bench.root, env: bench.env, encoding: "utf8" },
          );
          assert.equal(status, 0, stdout + stderr);
        }),
      );
    }
    return { nodes, spot: median(spot), pulumi: median(pulumi) };
  } finally {
    await bench[Symbol.asyncDispose]();
  }
}

async function timed(work: () => Promise<void> | void): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

const median = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? NaN;

async function main(): Promise<void> {
  const sizes = process.argv.slice(2).map(Number);
  const results: Result[] = [];
  for (const nodes of sizes.length > 0 ? sizes : [3, 100]) results.push(await measured(nodes));
  process.stdout.write(
    `${tableText(
      ["NODES", "spot up, s", "pulumi up, s", "RATIO"],
      results.map(({ nodes, spot, pulumi }) => [
        String(nodes),
        spot.toFixed(2),
        pulumi.toFixed(2),
        (spot / pulumi).toFixed(2),
      ]),
      Infinity,
    )}\n`,
  );
}

void main();
