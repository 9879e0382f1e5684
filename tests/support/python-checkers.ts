import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { ensureEnvironment } from "../../sandbox/moto/python-environment";

/** Installs ruff and mypy unless they are there, and returns the interpreter that has them. */
export const ensurePythonCheckers = (cacheDir: string, report: (detail: string) => void): Promise<string> =>
  ensureEnvironment(
    {
      name: "python-checkers",
      what: "What checks the nodes' scripts",
      requirements: path.join(packageRoot(), "tests/support/python-checkers.txt"),
    },
    cacheDir,
    report,
  );
