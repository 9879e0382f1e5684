#!/usr/bin/env node
/**
 * Runs the test suites, several files at once, and ends with one line: `N passed, N failed` (and `, N skipped`).
 *
 *   node tools/test.js          unit, node scripts, integration, and a sample on booted hosts
 *   node tools/test.js --all    everything but what stands apart
 *   node tools/test.js --rest   what of everything the first leaves out
 *   node tools/test.js NAME …   suites by name
 *   node tools/test.js FILE …   test files by the paths of their sources
 *   -g WORDS                    of these the tests in whose title the words stand
 */
"use strict";
const { spawnSync } = require("node:child_process");
const path = require("node:path");
const { runJob } = require("./test/run-job");
const { runAll } = require("./test/schedule");
const { chosen, root } = require("./test/suites");

const hostsCanBoot = process.platform === "linux" && process.getuid() === 0;

/** Begun before others of their suites, so that none of them is left to run alone at the end. */
const LONG = ["integration: fleet", "thorough: recovery", "thorough: options", "kill: kill"];

/** What is begun first: what `npm test` runs, then what may not run beside its like, then the longest. */
const ORDER = [
  ({ suite }) => !suite.standard,
  ({ suite }) => !suite.booted,
  ({ title }) => (LONG.includes(title) ? LONG.indexOf(title) : LONG.length),
];
const inOrder = (a, b) => ORDER.map((rank) => rank(a) - rank(b)).find((difference) => difference !== 0) ?? 0;

function runNode(file) {
  const { status } = spawnSync(process.execPath, [path.join(root, file)], { stdio: "inherit", cwd: root });
  if (status !== 0) process.exit(status ?? 1);
}

/**
 * The Node for all that need not run on this one. Where nothing beyond `npm test` is run, that is this one: nobody has to
 * fetch another for it. What it compiles is kept between its processes.
 */
async function currentNode(suites) {
  if (suites.every(({ standard }) => standard)) return process.execPath;
  const built = (name) => require(path.join(root, "dist", name));
  built("cli/compile-cache.js");
  return built("tests/support/current-node.js").ensureCurrentNode(
    built("automation/target/paths.js").pathsOf(process.env).cache,
    (detail) => console.log(detail),
  );
}

/** Aborted by the first Ctrl-C; the second ends this process. */
function interruption() {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.once(signal, () => {
      console.log("\ninterrupted: ending after the tests that are under way, with their clean-up");
      stop.abort();
    });
  }
  return stop.signal;
}

/** A skipped test of booted hosts is a failure where they can boot. */
function judged({ booted }, counts) {
  if (!booted || !hostsCanBoot || counts.skipped === 0) return counts;
  const why = `${counts.skipped} tests of booted hosts were skipped where hosts can boot`;
  return { ...counts, failed: counts.failed + counts.skipped, skipped: 0, said: [...counts.said, why] };
}

async function main() {
  const choice = chosen(process.argv.slice(2));
  const { suites } = choice;
  // A build of exactly these sources: what runs is what is tested.
  runNode("tools/build.js");
  // What the first test would otherwise wait for, with progress.
  if (suites.some(({ needsSetUp }) => needsSetUp)) runNode("dist/tests/support/set-up.js");

  const rows = new Map(suites.map(({ name }) => [name, { passed: 0, failed: 0, skipped: 0, seconds: 0 }]));
  const failures = [];
  // Both ends are tested: the Node that is here, and a current one, which takes a quarter less time.
  const current = await currentNode(suites);
  const jobs = choice.jobs().map((job) => ({ ...job, node: job.suite.anyNode ? process.execPath : current }));
  let left = jobs.length;
  const stop = interruption();
  const run = async (job) => {
    const result = await runJob(job, stop);
    const counts = judged(job.suite, result);
    left -= 1;
    console.log(`\n=== ${job.title} (${result.seconds.toFixed(0)} s; ${left} to go)\n${result.output}`);
    const row = rows.get(job.suite.name);
    for (const key of Object.keys(row)) row[key] += counts[key];
    failures.push(...counts.said.map((text) => `${job.title}: ${text}`));
  };
  await runAll(jobs.sort(inOrder), run, stop);

  // Once more at the end: of a long log often the end alone is kept.
  for (const failure of failures) console.log(`\nFAILED ${failure}`);
  console.log(
    `\n${[...rows].map(([name, row]) => `  ${name}: ${row.passed} passed, ${row.failed} failed, ${row.skipped} skipped, ${row.seconds.toFixed(0)} s in all files`).join("\n")}`,
  );
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const row of rows.values()) for (const key of Object.keys(total)) total[key] += row[key];
  if (total.passed + total.failed === 0) {
    console.log("no test was run: that is a failure");
    total.failed = 1;
  }
  console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`);
  // A pipe may still hold lines that nobody has read yet: an exit at once would lose them, the last one first.
  process.stdout.write("", () => process.exit(stop.aborted ? 130 : total.failed > 0 ? 1 : 0));
}

// The SDK's notice about Node versions is for those who choose its version: that is package.json here.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
// Memory is plentiful here and CPU is not: Go's garbage collector takes a tenth of an engine run's CPU time.
process.env.GOGC ??= "400";
process.chdir(root);
main().catch((error) => {
  console.error(error.message);
  process.exit(2);
});
