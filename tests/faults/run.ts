import { runScenario } from "./matrix";
import { scenarios } from "./scenarios";

/** Several at once: each has a sandbox and a stack of its own, and mostly waits. */
const AT_A_TIME = 3;

/** Runs the fault matrix: one line for each scenario and a total. An argument keeps those whose name holds it. */
async function main(): Promise<void> {
  const wanted = process.argv[2] ?? "";
  const queue = scenarios.filter(({ name }) => name.includes(wanted));
  let passed = 0;
  let failed = 0;
  const worker = async (): Promise<void> => {
    for (let scenario = queue.shift(); scenario !== undefined; scenario = queue.shift()) {
      const started = Date.now();
      const problems = await runScenario(scenario);
      if (problems.length === 0) passed += 1;
      else failed += 1;
      process.stdout.write(`${problems.length === 0 ? "ok    " : "FAILED"} ${scenario.name} (${((Date.now() - started) / 1000).toFixed(0)} s)\n${problems.map((problem) => `         ${problem}\n`).join("")}`);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
}

void main();
