"use strict";
const { fork, spawn } = require("node:child_process");
const path = require("node:path");
const { root } = require("./suites");

/** How a process is started by another Node than this one, which is then also what its own processes find by name. */
const startedBy = (node) => ({
  execPath: node,
  env: { ...process.env, PATH: [path.dirname(node), process.env.PATH].join(path.delimiter) },
});

/** `pattern`: of the folder's files these alone. */
const pythonArguments = ({ python, pattern, grep }) => [
  ..."-B -W error -m unittest discover -s".split(" "),
  python,
  ...(pattern ? ["-p", pattern] : []),
  ...(grep ? ["-k", grep] : []),
];

const mochaArguments = ({ files, grep }) => [
  process.stdout.isTTY ? "--color" : "--no-color",
  ...(grep ? [`--grep=${grep}`] : []),
  ...files,
];

/**
 * Runs a job in a process of its own.
 * @param job `node`: the executable that runs its test files; `grep`: words in the title of each test that is run
 * @param stop an AbortSignal: end after the test that is under way
 * @returns { passed, failed, skipped, said, output, seconds }; a process that ends before it could count has failed
 */
async function runJob(job, stop) {
  const started = Date.now();
  const child = job.python
    ? spawn("python3", pythonArguments(job), { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
    : fork(path.join(__dirname, "mocha-files.js"), mochaArguments(job), {
        ...startedBy(job.node),
        cwd: root,
        stdio: ["ignore", "pipe", "pipe", "ipc"],
      });
  let output = "";
  let counts;
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  child.on("message", (message) => (counts = message));
  const tell = () => child.connected && child.send("stop", () => undefined);
  stop.addEventListener("abort", tell);
  const how = await new Promise((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) => resolve(signal ? `ended by ${signal}` : `exit code ${code}`));
  });
  stop.removeEventListener("abort", tell);
  if (job.python) counts = pythonCounts(output, how);
  counts ??= { passed: 0, failed: 1, skipped: 0, said: [`${job.title} broke off (${how}):\n${output.slice(-2_000)}`] };
  return { ...counts, output, seconds: (Date.now() - started) / 1000 };
}

/** From unittest's last lines. A run that broke off before it could count has failed, whatever it printed. */
function pythonCounts(output, how) {
  const number = (pattern) => Number(pattern.exec(output)?.[1] ?? 0);
  const ran = number(/^Ran (\d+) tests?/m);
  const skipped = number(/skipped=(\d+)/);
  const counted = number(/failures=(\d+)/) + number(/errors=(\d+)/);
  const failed = how === "exit code 0" ? counted : Math.max(counted, 1);
  return {
    passed: Math.max(0, ran - failed - skipped),
    failed,
    skipped,
    said: failed > 0 ? [output.slice(-2_000)] : [],
  };
}

module.exports = { runJob };
