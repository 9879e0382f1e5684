import { writeFileSync } from "node:fs";
import path from "node:path";
import { checksFor } from "../../fleet/checks";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { debugBundle } from "../../automation/operations/inspect/debug";
import { jsonLine } from "../output/json";
import { withSteps } from "../output/steps";
import { firstWord, type CommandContext } from "../runtime/context";
import { nodeNamed, onNodes } from "../runtime/on-nodes";

/** Writes all that can be found out about a node into one archive, where the user stands. */
export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  return onNodes(context, async ({ session, fleet, config }) => {
    const node = nodeNamed(session, firstWord(context));
    const at = new Date();
    const { archive, summary } = await debugBundle(await fleet(), node, {
      checks: checksFor(config),
      at,
      asTyped: (found) => withSteps(found, context),
    });
    const file = path.resolve(`debug-${node.name}-${at.toISOString().replace(/[-:]|\.\d+/g, "")}.tar.gz`);
    try {
      writeFileSync(file, archive, { mode: 0o600 });
    } catch (cause) {
      throw new SpotError("E_USAGE", {
        message: `${file} cannot be written`,
        cause,
        next: "Run the command in a folder that you may write to.",
        step: outside("free-file", again()),
      });
    }
    if (options.json) jsonLine(context, { file, node: node.name, bytes: archive.length });
    else terminal.stdout.write(`${summary}\nWritten to ${file} (${(archive.length / 1024).toFixed(0)} KiB)\n`);
    return ExitCode.ok;
  });
}
