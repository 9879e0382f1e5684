import { ExitCode } from "../../fleet/exit-codes";
import { packageRoot } from "../../project/package-root";
import { sandboxStatus, stopSandbox } from "../../sandbox/control";
import { down, type DownResult } from "../operations/down";
import { pathsOf } from "../paths";
import { openSession } from "../session";
import { forgetSandbox, sandboxHome } from "../target";
import { tableText } from "../ui/table";
import { jsonLine } from "../ui/json";
import type { CommandContext } from "./context";
import { placeFrom } from "./list";
import { interruptible, reporterFor, sessionOptions } from "./shell";

export async function run(context: CommandContext): Promise<ExitCode> {
  const reporter = reporterFor(context, true);
  const home = sandboxHome({ projectDir: packageRoot(), paths: pathsOf(context.env), env: context.env });
  if (context.options.sandbox && !(await sandboxStatus(home))) return withoutSandbox(context, home);
  return interruptible(reporter, async (interrupts) => {
    const session = await openSession(sessionOptions(context, { reporter, interrupts, ...placeFrom(context) }), false);
    try {
      const result = await down(session);
      const exitCode = exitCodeFor(result);
      // An empty sandbox has done its work. One that other stacks still use stays.
      const emptied = exitCode === ExitCode.ok && session.target.sandbox && (await sandboxStatus(home))?.instances === 0;
      if (emptied) {
        await stopSandbox(home);
        forgetSandbox(home);
      }
      report(context, result, exitCode);
      return exitCode;
    } finally {
      session.cloud.close();
    }
  });
}

/** No sandbox runs, so it holds nothing; what a crashed one left on this machine is cleared away. */
async function withoutSandbox({ options, terminal }: CommandContext, home: string): Promise<ExitCode> {
  await stopSandbox(home);
  forgetSandbox(home);
  if (options.json) jsonLine(terminal, { type: "result", command: "down", exitCode: ExitCode.ok, found: 0, leftovers: [], notLookedAt: [], failures: [] });
  else terminal.stdout.write("No sandbox is running: nothing to end.\n");
  return ExitCode.ok;
}

function exitCodeFor(result: DownResult): ExitCode {
  if (result.failures.some((failure) => failure.class === "interrupted")) return ExitCode.interrupted;
  if (result.leftovers.length > 0 || result.notLookedAt.some(({ everUsed }) => everUsed)) return ExitCode.leftovers;
  // What failed on the way and is gone all the same has not failed.
  return ExitCode.ok;
}

function report({ options, terminal }: CommandContext, result: DownResult, exitCode: ExitCode): void {
  if (options.json) return jsonLine(terminal, { type: "result", command: "down", exitCode, ...result });
  const lines: string[] = [];
  if (result.leftovers.length > 0) {
    lines.push(tableText(["LEFT", "REGION", "ID", "DETAIL"], result.leftovers.map(({ kind, region, id, detail }) => [kind, region, id, detail])), "");
  }
  for (const { region, error } of result.notLookedAt) lines.push(`Not looked at: ${region} (${error.message}). ${error.next}`);
  lines.push(
    exitCode !== ExitCode.ok
      ? `${result.leftovers.length} of ${result.found} objects are left. Run \`down\` again.`
      : result.found === 0
        ? "Nothing to end: listing every region of the fleet showed nothing of it."
        : `Proven: all ${result.found} objects of the fleet are gone; listing every region again showed nothing.`,
  );
  terminal.stdout.write(`${lines.join("\n")}\n`);
}
