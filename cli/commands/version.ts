import { readFileSync } from "node:fs";
import path from "node:path";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { packageRoot } from "../../project/package-root";
import type { CommandContext } from "../runtime/context";

export function run({ terminal }: CommandContext): Promise<ExitCode> {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as { version: string };
  terminal.stdout.write(`${version}\n`);
  return Promise.resolve(ExitCode.ok);
}
