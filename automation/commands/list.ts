import { existsSync } from "node:fs";
import { errorCatalogue } from "../../fleet/errors";
import { ExitCode } from "../../fleet/exit-codes";
import { readConfig } from "../../project/config-file";
import { list } from "../operations/list";
import { openSession } from "../session";
import { jsonLine } from "../ui/json";
import { nodeTable } from "../ui/table";
import type { CommandContext } from "./context";
import { configPath, exitCodeOf, interruptible, reporterFor, sessionOptions } from "./shell";

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  const reporter = reporterFor(context, false);
  return interruptible(reporter, async (interrupts) => {
    const session = await openSession(sessionOptions(context, { reporter, interrupts, ...placeFrom(context) }), false);
    try {
      const listing = await list(session);
      const exitCode = exitCodeOf(listing.failedRegions.map(({ error }) => error), listing.nodes.length);
      if (options.json) jsonLine(terminal, listing);
      else {
        terminal.stdout.write(listing.nodes.length === 0 ? `No nodes in stack ${listing.stack}.\n` : `${nodeTable(terminal, listing.nodes)}\n`);
        for (const { region, error } of listing.failedRegions) reporter.emit({ type: "message", level: "error", subject: region, message: error.message, error });
      }
      return exitCode;
    } finally {
      session.cloud.close();
    }
  });
}

/**
 * Stack and backend as config.yaml names them. Commands that need nothing else work without it, or with a broken one
 * when the command line names the stack; a file that was asked for by name must be there.
 */
export function placeFrom(context: CommandContext): { stack?: string; backend?: string } {
  const file = configPath(context);
  if (context.options.config === undefined && !existsSync(file)) return {};
  try {
    const { stack, backend } = readConfig(file).config;
    return { stack, backend };
  } catch (error) {
    if (context.options.config !== undefined || !(error instanceof Error) || !(error.name in errorCatalogue)) throw error;
    return {};
  }
}
