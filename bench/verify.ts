import { setMaxListeners } from "node:events";
import { openFleet } from "../automation/operations/nodes/verify-fleet";
import { verifyNodes } from "../automation/operations/nodes/verify-nodes";
import { openSession } from "../automation/session";
import type { VerifyTarget } from "../automation/verify/runner";
import { checksFor, type Check } from "../fleet/checks";
import { loadConfig } from "../project/config-file";
import { FleetBench } from "../tests/support/fleet-bench";

/**
 * The full check list on twenty booted hosts, beside twenty parallel logins that each run one script of as many
 * commands: what is paid for getting every answer by itself. Medians of rounds that take turns. Exit code 1 above the
 * promise. Needs root on Linux.
 */
const HOSTS = Number(process.argv[2] ?? 20);
const ROUNDS = 5;
const PROMISE = 1.5;
const PATIENCE_MS = 120_000;

const median = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

async function seconds(work: () => Promise<void>): Promise<number> {
  const before = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - before) / 1e9;
}

/** The commands that the list runs on a node, as one script that goes on whatever each answers. */
function scriptOf(checks: readonly Check[], { expectation }: VerifyTarget): string {
  const onNode = checks.filter(
    ({ where, applies }) => (where === "node" || where === "fleet") && (applies?.(expectation) ?? true),
  );
  return onNode.map((check) => `(\n${check.command(expectation)}\n)`).join("\n");
}

async function loginAndRun(target: VerifyTarget, script: string): Promise<void> {
  const connection = await target.connect(PATIENCE_MS);
  try {
    await connection.run(script, { deadlineMs: PATIENCE_MS });
  } finally {
    await connection.close();
  }
}

async function main(): Promise<void> {
  await using bench = new FleetBench();
  bench.fleet({ "us-west-2": HOSTS });
  const up = await bench.spot(["up"]);
  if (up.code !== 0) throw new Error(up.stdout + up.stderr);
  const never = new AbortController().signal;
  setMaxListeners(0, never);
  const reporter = { emit: () => undefined, confirm: () => Promise.resolve(false) };
  const session = await openSession({
    projectDir: bench.root,
    configFile: bench.configFile,
    env: bench.env,
    reporter,
    interrupts: { soft: never, hard: never },
    sandbox: "hosts",
    stack: bench.stack,
    reading: true,
  });
  try {
    const config = loadConfig(bench.configFile);
    const fleet = await openFleet(session, { config, configFile: bench.configFile });
    const checks = checksFor(config);
    const targets = await fleet.targets(session.state.nodes);
    const verified: number[] = [];
    const scripts: number[] = [];
    let commands = 0;
    // The first round fills caches on both ends.
    for (let round = 0; round <= ROUNDS; round += 1) {
      const plain = await seconds(async () => {
        await Promise.all(targets.map((target) => loginAndRun(target, scriptOf(checks, target))));
      });
      const full = await seconds(async () => {
        const { isVerified, nodes } = await verifyNodes(fleet, session.state.nodes, { checks });
        if (!isVerified)
          throw new Error(
            `not verified: ${nodes.flatMap(({ node, results }) => results.filter(({ status }) => status === "failed").map(({ id, actual }) => `${node} ${id} ${actual}`)).join("\n")}`,
          );
        commands = nodes.reduce((sum, { results }) => sum + results.length, 0);
      });
      if (round === 0) continue;
      scripts.push(plain);
      verified.push(full);
    }
    const ratio = median(verified) / median(scripts);
    const memory = process.resourceUsage().maxRSS / 1024;
    process.stdout.write(
      [
        `${HOSTS} hosts, ${commands} checks, medians of ${ROUNDS}`,
        `one login and one script each  ${median(scripts).toFixed(2)} s (${scripts.map((value) => value.toFixed(2)).join(" ")})`,
        `verify, the full list          ${median(verified).toFixed(2)} s (${verified.map((value) => value.toFixed(2)).join(" ")})`,
        `x ${ratio.toFixed(2)}, ${ratio <= PROMISE ? "within" : "above"} x ${PROMISE}; memory of this client at its peak ${memory.toFixed(0)} MiB`,
        "",
      ].join("\n"),
    );
    process.exitCode = ratio <= PROMISE ? 0 : 1;
  } finally {
    session.cloud.close();
  }
}

void main();
