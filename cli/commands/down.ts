import { ExitCode } from "../../fleet/errors/exit-codes";
import { Tag } from "../../fleet/model";
import { counted } from "../../fleet/text/words";
import { packageRoot } from "../../project/package-root";
import { sandboxStatus, stopSandbox } from "../../sandbox/control";
import { down, isProven, planDown, type DownRequest, type DownResult } from "../../automation/operations/down/down";
import { pathsOf } from "../../automation/target/paths";
import { openSession } from "../../automation/session";
import { forgetSandbox, sandboxHome } from "../../automation/target";
import { tableText } from "../output/table";
import { jsonLine } from "../output/json";
import type { CommandContext } from "../runtime/context";
import { placeFrom } from "./list";
import { interruptible, reporterFor, sessionOptions } from "../runtime/shell";

export async function run(context: CommandContext): Promise<ExitCode> {
  const reporter = reporterFor(context, true);
  const home = sandboxHome({ projectDir: packageRoot(), paths: pathsOf(context.env), env: context.env });
  if (context.options.sandbox && !(await sandboxStatus(home))) return withoutSandbox(context, home);
  return interruptible(reporter, async (interrupts) => {
    const { clusterApi, ...place } = placeFrom(context);
    const session = await openSession(
      {
        ...sessionOptions(context, { reporter, interrupts, ...place }),
        changes: !context.options["dry-run"],
        withoutState: true,
      },
      false,
    );
    try {
      if (context.options["dry-run"]) return reportPlan(context, await planDown(session, requestFrom(context)));
      const result = await down(session, { ...requestFrom(context), clusterApi });
      const exitCode = exitCodeFor(result);
      // An empty sandbox has done its work. One that other stacks still use stays.
      const emptied =
        exitCode === ExitCode.ok && session.target.sandbox && (await sandboxStatus(home))?.instances === 0;
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

function requestFrom({ options, positionals }: CommandContext): DownRequest {
  return { nodes: positionals[0], region: options.region, allRegions: options["all-regions"] };
}

function reportPlan({ options, terminal }: CommandContext, plan: Awaited<ReturnType<typeof planDown>>): ExitCode {
  const exitCode =
    plan.namesakes.length > 0 || plan.unexplained.length > 0
      ? ExitCode.leftovers
      : plan.notLookedAt.some(({ everUsed }) => everUsed)
        ? ExitCode.partial
        : ExitCode.ok;
  if (options.json) {
    jsonLine(terminal, { type: "plan", command: "down", exitCode, ...plan });
    return exitCode;
  }
  const rows = plan.found.map(({ kind, region, id, detail, tags }) => [
    kind,
    region,
    id,
    tags[Tag.node] ?? "-",
    detail,
  ]);
  const lines = [
    ...(rows.length > 0 ? [tableText(["WOULD END", "REGION", "ID", "NODE", "DETAIL"], rows), ""] : []),
    ...namesakeLines(plan.namesakes),
    ...plan.notLookedAt.map(notLookedAtLine),
  ];
  lines.push(`Account ${plan.account}: ${counted(plan.found.length, "object")} would be ended; nothing was changed.`);
  terminal.stdout.write(`${lines.join("\n")}\n`);
  return exitCode;
}

/** No sandbox runs, so it holds nothing; what a crashed one left on this machine is cleared away. */
async function withoutSandbox({ options, terminal }: CommandContext, home: string): Promise<ExitCode> {
  if (!options["dry-run"]) {
    await stopSandbox(home);
    forgetSandbox(home);
  }
  if (options.json)
    jsonLine(terminal, {
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

export function exitCodeFor(result: DownResult): ExitCode {
  if (result.failures.some((failure) => failure.class === "interrupted")) return ExitCode.interrupted;
  if (result.namesakes.length > 0 || !isProven(result)) return ExitCode.leftovers;
  // What failed on the way and is gone all the same has not failed.
  return ExitCode.ok;
}

function conclusion(result: DownResult, exitCode: ExitCode, command: string): string {
  const { leftovers, unexplained, held, namesakes, notLookedAt, partial } = result;
  const found = counted(result.found.length, "object");
  const what = partial ? "that part of the fleet" : "the fleet";
  if (exitCode === ExitCode.interrupted) {
    return `Interrupted${notLookedAt.length > 0 ? ", and nothing is proven" : `; left: ${leftovers.length} of ${found}`}. Run \`${command}\` again: it goes on from there.`;
  }
  if (namesakes.length > 0) return "Nothing was ended.";
  if (
    leftovers.length > 0 &&
    leftovers.length === unexplained.length &&
    notLookedAt.every(({ everUsed }) => !everUsed)
  ) {
    return `All of ${what} that is its own is gone. Left: ${counted(leftovers.length, "object")} that nothing explains.`;
  }
  if (leftovers.length > 0) {
    const first =
      held.length > 0 ? `Delete what holds ${held.map(({ vpc }) => vpc).join(", ")} first, then run` : "Run";
    return `Left: ${leftovers.length} of ${counted(result.found.length + unexplained.length, "object")}. ${first} \`${command}\` again.`;
  }
  if (exitCode !== ExitCode.ok)
    return `Not proven: a region that the fleet uses did not answer. Run \`${command}\` again.`;
  if (result.found.length === 0) return `Nothing to end: ${where(result)} showed nothing of ${what}.`;
  return `Proven: all ${found} of ${what} are gone; ${where(result)} again showed nothing.`;
}

/** What was listed, as far as it was. */
function where({ regions, everywhere }: DownResult): string {
  return everywhere ? "listing every region of the account" : `listing ${regions.join(", ") || "no region"}`;
}

function namesakeLines(namesakes: DownResult["namesakes"]): string[] {
  if (namesakes.length === 0) return [];
  const rows = namesakes.map(({ lineage, objects }) => {
    const instances = objects.filter(({ kind }) => kind === "instance").length;
    return [
      lineage,
      String(instances),
      String(objects.length - instances),
      [...new Set(objects.map(({ region }) => region))].sort().join(", "),
    ];
  });
  return [
    "This place has no record of the stack, and possibly somebody else's fleet has its name:",
    tableText(["FLEET ID", "INSTANCES", "OTHER", "REGIONS"], rows),
    ...namesakes.map(
      ({ lineage }) =>
        `\`recover --fleet-id ${lineage}\` ends it, and asks first. If another machine has its state, run \`down\` there instead.`,
    ),
    "",
  ];
}

function notLookedAtLine({ region, error }: DownResult["notLookedAt"][number]): string {
  return `Not looked at: ${region} (${error.message}). ${error.next}`;
}

export function report(
  { options, terminal }: CommandContext,
  result: DownResult,
  exitCode: ExitCode,
  command = "down",
): void {
  const found = result.found.length;
  if (options.json) return jsonLine(terminal, { type: "result", command, exitCode, ...result, found });
  const lines: string[] = [];
  if (result.leftovers.length > 0) {
    lines.push(
      tableText(
        ["LEFT", "REGION", "ID", "DETAIL"],
        result.leftovers.map(({ kind, region, id, detail }) => [kind, region, id, detail]),
      ),
      "",
    );
  }
  lines.push(...namesakeLines(result.namesakes));
  const holding = result.held.flatMap(({ vpc, by }) =>
    by.map(({ kind, region, id, detail }) => [vpc, kind, region, id, detail]),
  );
  if (holding.length > 0)
    lines.push(tableText(["HELD", "BY", "REGION", "ID", "WHICH IS NOT OF THIS FLEET"], holding), "");
  if (exitCode !== ExitCode.interrupted) lines.push(...result.notLookedAt.map(notLookedAtLine));
  if (result.unexplained.length > 0)
    lines.push(
      `Left alone: ${counted(result.unexplained.length, "object")} with this fleet's tags that neither its record nor a run explains; see the warnings above.`,
    );
  if (result.others.length > 0)
    lines.push(
      `Left alone: ${counted(result.others.length, "object")} that carry the fleet's ID and belong to stack ${[...new Set(result.others.map(({ tags }) => tags[Tag.stack] ?? "none"))].sort().join(", ")}.`,
    );
  if (result.setAside !== undefined) lines.push(`The state that stood there is kept as ${result.setAside}.`);
  lines.push(conclusion(result, exitCode, command));
  if (result.partial && exitCode === ExitCode.ok && found > 0)
    lines.push("config.yaml may still ask for it: then the next `up` makes it again.");
  terminal.stdout.write(`${lines.join("\n")}\n`);
}
