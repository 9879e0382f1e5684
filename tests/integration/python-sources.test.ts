import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { packageRoot } from "../../project/package-root";
import { ensurePythonCheckers } from "../support/python-checkers";
import { FIRST_RUN_MS, testCacheDir } from "../support/sandbox";

const run = promisify(execFile);

/** Nothing but what a tool that finds no fault says; otherwise its own words. */
async function clean(python: string, tool: string, args: string[], satisfied: RegExp): Promise<void> {
  const { stdout } = await run(python, ["-m", tool, ...args], { cwd: packageRoot() }).catch((error: unknown) => {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return assert.fail(`${tool}:\n${stdout}${stderr}`);
  });
  assert.match(stdout, satisfied);
}

describe("the programs that run on nodes, and their tests", function () {
  this.timeout(60_000);
  let python: string;
  before(async function () {
    this.timeout(FIRST_RUN_MS);
    python = await ensurePythonCheckers(testCacheDir, () => undefined);
  });

  it("have no fault that ruff knows", () =>
    clean(python, "ruff", ["check", "--no-cache", "instance", "tests"], /^All checks passed!$/m));

  it("are typed throughout, for the oldest Python that a node may have", () =>
    clean(
      python,
      "mypy",
      // The environment is its own folder's, and so is what mypy remembers.
      [
        "--strict",
        "--python-version",
        "3.10",
        "--cache-dir",
        path.join(path.dirname(python), "..", "mypy-cache"),
        "instance/scripts",
        "instance/client",
        "tests/instance",
        "tests/support/bacalhau-stand-in.py",
      ],
      /^Success: no issues found in \d\d source files$/m,
    ));
});
