#!/usr/bin/env node
import { isSpotError } from "../fleet/errors";
import { ExitCode } from "../fleet/exit-codes";
import { parseCommandLine } from "./commands/parse";

/** argv -> one command, loaded when it is run; the only place that sets the exit code. */
async function main(argv: string[]): Promise<ExitCode> {
  const json = argv.includes("--json");
  try {
    const { command, options, positionals } = parseCommandLine(argv);
    const { run } = await command.load();
    return await run({ options, positionals, terminal: process, env: process.env });
  } catch (error) {
    const { printError } = await import("./ui/error.js");
    printError(process, error, { json, debug: argv.includes("--debug") });
    return isSpotError(error) ? error.exitCode : ExitCode.unexpected;
  }
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
