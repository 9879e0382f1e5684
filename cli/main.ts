#!/usr/bin/env node
// First: what is imported before it is compiled anew each time.
import "./compile-cache";
import "./source-maps";
import { isSpotError } from "../fleet/errors";
import { ExitCode } from "../fleet/errors/exit-codes";
import type { CommandContext } from "./runtime/context";
import { parseCommandLine } from "./parse";
import { COMMANDS } from "./table";

// Who reads may go away first (`list | head`): what is under way goes on, and the exit code tells how it ended.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

/** argv -> one command, loaded when it is run; the only place that sets the exit code. */
async function main(argv: string[]): Promise<ExitCode> {
  let context: CommandContext | undefined;
  try {
    const { command, options, positionals, rest } = parseCommandLine(argv, process.env);
    const { run } = await command.load();
    context = {
      command: command.name,
      args: argv.slice(1),
      options,
      positionals,
      rest,
      terminal: process,
      env: process.env,
    };
    const exitCode = await run(context, COMMANDS);
    context.end?.(exitCode);
    return exitCode;
  } catch (error) {
    const exitCode = isSpotError(error) ? error.exitCode : ExitCode.unexpected;
    const ended = context?.end?.(exitCode, error);
    const { printError } = await import("./output/error.js");
    printError(context ?? { command: argv[0] ?? "", args: argv.slice(1), options: {}, terminal: process }, error, {
      json: argv.includes("--json"),
      debug: argv.includes("--debug"),
      log: ended?.log,
    });
    return exitCode;
  }
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
