import { down, planDown, type DownRequest } from "../../automation/operations/down/down";
import { forgetSandbox, sandboxHome } from "../../automation/target";
import { pathsOf } from "../../automation/target/paths";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { packageRoot } from "../../project/package-root";
import { sandboxStatus, stopSandbox } from "../../sandbox/control";
import { downExitCode, reportDown, reportPlan } from "../output/down";
import { jsonLine } from "../output/json";
import type { CommandContext } from "../runtime/context";
import { reporterFor } from "../runtime/reporter";
import { withSession } from "../runtime/with-session";

export async function run(context: CommandContext): Promise<ExitCode> {
  const dryRun = context.options["dry-run"] === true;
  const home = sandboxHome({ projectDir: packageRoot(), paths: pathsOf(context.env), env: context.env });
  if (context.options.sandbox && !(await sandboxStatus(home))) return withoutSandbox(context, home);
  const access = { needs: "place", shows: "progress", changes: !dryRun, withoutState: true } as const;
  return withSession(context, access, async ({ session, given: { clusterApi } }) => {
    if (dryRun) return reportPlan(context, await planDown(session, requestFrom(context)));
    const result = await down(session, { ...requestFrom(context), clusterApi });
    const exitCode = downExitCode(result);
    // An empty sandbox has done its work. One that other stacks still use stays.
    const emptied = exitCode === ExitCode.ok && session.target.sandbox && (await sandboxStatus(home))?.instances === 0;
    if (emptied) {
      await stopSandbox(home);
      forgetSandbox(home);
    }
    reportDown(context, result);
    return exitCode;
  });
}

function requestFrom({ options, positionals }: CommandContext): DownRequest {
  return { nodes: positionals[0], region: options.region, allRegions: options["all-regions"] };
}

/** No sandbox runs, so it holds nothing; what a crashed one left on this machine is cleared away. */
async function withoutSandbox(context: CommandContext, home: string): Promise<ExitCode> {
  const { options, terminal } = context;
  // The log and the record of a run, as of any other.
  reporterFor(context, "progress");
  if (!options["dry-run"]) {
    await stopSandbox(home);
    forgetSandbox(home);
  }
  if (options.json)
    jsonLine(context, {
      type: "result",
      command: "down",
      exitCode: ExitCode.ok,
      found: 0,
      leftovers: [],
      others: [],
      unexplained: [],
      held: [],
      namesakes: [],
      notLookedAt: [],
      failures: [],
    });
  else terminal.stdout.write("No sandbox is running: nothing to end.\n");
  return ExitCode.ok;
}
