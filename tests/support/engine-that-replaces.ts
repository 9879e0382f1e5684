import { chmodSync, mkdtempSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { obtainPulumiCli } from "../../automation/engine/pulumi-cli";
import { testCacheDir } from "./sandbox";
import type { Workbench } from "./workbench";

/**
 * A Pulumi CLI whose provider replaces each instance that it would update, in these of its commands alone.
 * @returns its path, for `PULUMI_CLI`
 */
export async function engineThatReplaces(
  { dir, env, root }: Workbench,
  ...commands: ("preview" | "up")[]
): Promise<string> {
  const real = await obtainPulumiCli({ cacheDir: testCacheDir, env, report: () => undefined });
  const folder = mkdtempSync(path.join(dir, "engine-"));
  const hook = path.join(root, "dist/tests/support/replaces-all.js");
  const command = path.join(folder, "pulumi");
  writeFileSync(
    command,
    `#!/bin/sh
case "$1" in ${commands.join("|")}) export NODE_OPTIONS="$NODE_OPTIONS --require=${hook}";; esac
exec '${real.command}' "$@"
`,
  );
  chmodSync(command, 0o755);
  for (const other of readdirSync(real.binDir))
    if (other !== "pulumi") symlinkSync(path.join(real.binDir, other), path.join(folder, other));
  return command;
}
