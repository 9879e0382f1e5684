import { hostRequirements } from "../../sandbox/hosts/requirements";
import { runHostScenario } from "./host-matrix";
import { hostScenarios } from "./host-scenarios";
import { runScenario } from "./matrix";
import { scenarios } from "./scenarios";
import { throttledScenarios } from "./throttled";

interface Entry {
  name: string;
  /** What was not as expected. */
  run(): Promise<string[]>;
}

const onTheApi: readonly Entry[] = [...scenarios, ...throttledScenarios].map((scenario) => ({
  name: scenario.name,
  run: () => runScenario(scenario),
}));
const onHosts: readonly Entry[] = hostScenarios.map((scenario) => ({
  name: scenario.name,
  run: () => runHostScenario(scenario),
}));

/** Several at once: each has a sandbox and a stack of its own, and mostly waits. A booted host does not only wait. */
const AT_A_TIME = { api: 3, hosts: 1 };

/** Runs the fault matrix: one line for each scenario and a total. An argument keeps those whose name holds it. */
async function main(): Promise<void> {
  const wanted = process.argv[2] ?? "";
  const chosen = (entries: readonly Entry[]): Entry[] => entries.filter(({ name }) => name.includes(wanted));
  let passed = 0;
  let failed = 0;
  const work = async (queue: Entry[]): Promise<void> => {
    for (let entry = queue.shift(); entry !== undefined; entry = queue.shift()) {
      const started = Date.now();
      const problems = await entry.run();
      if (problems.length === 0) passed += 1;
      else failed += 1;
      process.stdout.write(
        `${problems.length === 0 ? "ok    " : "FAILED"} ${entry.name} (${((Date.now() - started) / 1000).toFixed(0)} s)\n${problems.map((problem) => `         ${problem}\n`).join("")}`,
      );
    }
  };
  const all = (queue: Entry[], atATime: number): Promise<unknown> =>
    Promise.all(Array.from({ length: atATime }, () => work(queue)));

  await all(chosen(onTheApi), AT_A_TIME.api);
  const hosts = hostRequirements();
  if (hosts.possible) await all(chosen(onHosts), AT_A_TIME.hosts);
  const skipped = hosts.possible ? 0 : chosen(onHosts).length;
  if (!hosts.possible && skipped > 0) process.stdout.write(`${skipped} on booted hosts are skipped: ${hosts.reason}\n`);
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

void main();
