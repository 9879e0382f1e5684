import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** A file of sandbox/ that is not compiled (Python, requirements): it stays in the source tree beside the build. */
export function sourceFile(...parts: string[]): string {
  let folder = __dirname;
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${__dirname}`);
    folder = parent;
  }
  return join(folder, "sandbox", ...parts);
}
