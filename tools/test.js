#!/usr/bin/env node
/**
 * Runs the test suites and ends with one line: `N passed, N failed` (and `, N skipped`).
 *
 *   node tools/test.js          unit, node scripts, integration, and a sample on booted hosts
 *   node tools/test.js --all    everything but what stands apart
 *   node tools/test.js NAME …   suites by name
 */
"use strict";
const { spawnSync } = require("node:child_process");
const { existsSync, readdirSync } = require("node:fs");
const path = require("node:path");

const root = path.resolve(__dirname, "..");
const hostsCanBoot = process.platform === "linux" && process.getuid() === 0;

/** Integration tests that take minutes each: whole matrices, every option, every mistake. */
const THOROUGH = /^(cleanup-vpcs|command-line|completion|config-keys|ctrl-c|fault-sample|options|parts|recovery|report-page|terminal|troubleshooting)\.test\.js$/;

/** What there is to run. `booted`: needs real hosts, so where they can boot a skipped test is a failure. `apart`: by its name only. */
const SUITES = [
  { name: "unit", mocha: "unit", standard: true },
  { name: "instance", python: "tests/instance", standard: true },
  { name: "integration", mocha: "integration", except: THOROUGH, needsSetUp: true, standard: true },
  { name: "sample", mocha: "e2e", only: /^sample\.test\.js$/, needsSetUp: true, booted: true, standard: true },
  { name: "thorough", mocha: "integration", only: THOROUGH, needsSetUp: true },
  { name: "kill", mocha: "kill", needsSetUp: true },
  { name: "e2e", mocha: "e2e", except: /^(sample|images)\.test\.js$/, needsSetUp: true, booted: true },
  // Builds a root image of each Ubuntu from Ubuntu's archive, which not every machine reaches.
  { name: "images", mocha: "e2e", only: /^images\.test\.js$/, needsSetUp: true, booted: true, apart: true },
];

function chosen(args) {
  if (args.includes("--all")) return SUITES.filter(({ apart }) => !apart);
  if (args.length === 0) return SUITES.filter(({ standard }) => standard);
  const unknown = args.filter((arg) => !SUITES.some(({ name }) => name === arg));
  if (unknown.length > 0) {
    console.error(`no suite ${unknown.join(", ")}; there are ${SUITES.map(({ name }) => name).join(", ")} and --all`);
    process.exit(2);
  }
  return SUITES.filter(({ name }) => args.includes(name));
}

/** A build of exactly these sources: what runs is what is tested. */
function build() {
  const { status } = spawnSync(process.execPath, [path.join(root, "tools/build.js")], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}

/** Installs once what the first test would otherwise wait for, with progress. */
function setUp() {
  const { status } = spawnSync(process.execPath, [path.join(root, "dist/tests/support/set-up.js")], { stdio: "inherit", cwd: root });
  if (status !== 0) process.exit(status ?? 1);
}

async function runMocha({ mocha: folder, only = /\.test\.js$/, except = /^$/ }) {
  const { default: Mocha } = await import("mocha");
  const mocha = new Mocha({ timeout: 10_000, reporter: "spec", color: process.stdout.isTTY });
  const directory = path.join(root, "dist/tests", folder);
  const sources = path.join(root, "tests", folder);
  for (const file of existsSync(directory) ? readdirSync(directory).sort() : []) {
    // A compiled test whose source is gone is no test.
    const hasSource = existsSync(path.join(sources, file.replace(/\.js$/, ".ts")));
    if (file.endsWith(".test.js") && hasSource && only.test(file) && !except.test(file)) mocha.addFile(path.join(directory, file));
  }
  await mocha.loadFilesAsync();
  const failed = [];
  const runner = await new Promise((resolve) => {
    const started = mocha.run(() => resolve(started));
    started.on("fail", (test, error) => failed.push(`${test.fullTitle()}\n${whyOf(error).replace(/^/gm, "    ")}`));
  });
  const { passes, failures, pending } = runner.stats;
  return { passed: passes, failed: failures, skipped: pending, said: failed };
}

/** An error's message and what caused it, as far as it fits: mocha leaves out a cause that is text, as our errors have. */
function whyOf({ message, cause }) {
  const words = [message, cause instanceof Error ? cause.message : cause].filter((text) => typeof text === "string" && text !== "");
  return words.join("\ncause: ").slice(0, 2_000);
}

function runPython({ python: folder }) {
  const { stderr, status } = spawnSync("python3", ["-B", "-W", "error", "-m", "unittest", "discover", "-s", folder], { cwd: root, encoding: "utf8", stdio: ["ignore", "inherit", "pipe"] });
  process.stdout.write(stderr ?? "");
  const number = (pattern) => Number(pattern.exec(stderr ?? "")?.[1] ?? 0);
  const ran = number(/^Ran (\d+) tests?/m);
  const failed = number(/failures=(\d+)/) + number(/errors=(\d+)/);
  const skipped = number(/skipped=(\d+)/);
  // A run that broke off before it could count has failed, whatever it printed.
  if (status !== 0 && failed === 0) return { passed: Math.max(0, ran - skipped), failed: 1, skipped };
  return { passed: ran - failed - skipped, failed, skipped };
}

// The SDK's notice about Node versions is for those who choose its version: that is package.json here.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

async function main() {
  const suites = chosen(process.argv.slice(2));
  process.chdir(root);
  build();
  if (suites.some(({ needsSetUp }) => needsSetUp)) setUp();
  const total = { passed: 0, failed: 0, skipped: 0 };
  const rows = [];
  const failures = [];
  for (const suite of suites) {
    console.log(`\n=== ${suite.name}`);
    const started = Date.now();
    const counts = suite.python ? runPython(suite) : await runMocha(suite);
    if (suite.booted && hostsCanBoot && counts.skipped > 0) {
      console.log(`${counts.skipped} tests of booted hosts were skipped where hosts can boot: that is a failure`);
      counts.failed += counts.skipped;
      counts.skipped = 0;
    }
    rows.push(`${suite.name}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped, ${((Date.now() - started) / 1000).toFixed(0)} s`);
    for (const key of Object.keys(total)) total[key] += counts[key];
    failures.push(...(counts.said ?? []).map((text) => `${suite.name}: ${text}`));
  }
  // Once more at the end: of a long log often the end alone is kept.
  for (const failure of failures) console.log(`\nFAILED ${failure}`);
  console.log(`\n${rows.map((row) => `  ${row}`).join("\n")}`);
  if (total.passed + total.failed === 0) {
    console.log("no test was run: that is a failure");
    total.failed = 1;
  }
  console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ""}`);
  process.exit(total.failed > 0 ? 1 : 0);
}

void main();
