import { SpotError } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { pluralize } from "../../fleet/text/words";
import { cleanupVpcs, type CleanupPlan, type CleanupResult } from "../../automation/operations/cleanup/cleanup-vpcs";
import { isAttended } from "../output/console";
import { jsonLine } from "../output/json";
import { tableText, widthOf } from "../output/table";
import type { CommandContext } from "../runtime/context";
import { withSession } from "../runtime/with-session";

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options } = context;
  const legacy = options.legacy === true;
  const dryRun = options["dry-run"] === true;
  if (options.vpc && !legacy)
    throw new SpotError("E_USAGE", {
      message: "--vpc names VPCs of the predecessor's: it stands with --legacy",
      next: "Leave it out, or add --legacy.",
      step: outside("correct-command-line"),
    });
  const answering = options.yes ? "yes" : !options.json && isAttended(context.terminal) ? "person" : "nobody";
  return withSession(context, { needs: "place", changes: !dryRun }, async ({ session }) => {
    const onPlan = (plan: CleanupPlan): void => {
      if (!options.json) context.terminal.stdout.write(planText(plan, widthOf(context.terminal.stdout)));
    };
    const result = await cleanupVpcs(session, { legacy, dryRun, vpcs: options.vpc, answering, onPlan });
    const exitCode = exitCodeFor(result, dryRun);
    report(context, result, exitCode, dryRun);
    return exitCode;
  });
}

/** Nothing of ours may be left, and a region that was not looked at may hold something. */
function exitCodeFor({ left, plan, unexplained }: CleanupResult, dryRun: boolean): ExitCode {
  if (dryRun) return ExitCode.ok;
  return left.length > 0 || unexplained.length > 0 || plan.some(({ error }) => error)
    ? ExitCode.leftovers
    : ExitCode.ok;
}

/** What is there, what each thing is and why it is ours: read before anything is agreed to. */
function planText({ account, plan }: CleanupPlan, width: number): string {
  const planned = plan.flatMap((region) => region.planned);
  const blocked = plan.flatMap((region) => region.blocked);
  const blockers = new Set(blocked.flatMap(({ by }) => by.map(({ id }) => id)));
  const notOurs = plan.flatMap((region) => region.notOurs).filter(({ id }) => !blockers.has(id));
  const blocks: string[] = [`account ${account}, ${pluralize(plan.length, "region")}`];
  if (planned.length > 0)
    blocks.push(
      tableText(
        ["REGION", "KIND", "ID", "DETAIL", "WHY IT IS OURS"],
        planned.map(({ region, kind, id, detail, why }) => [region, kind, id, detail, why]),
        width,
      ),
    );
  const holding = blocked.flatMap(({ region, id: vpc, by }) =>
    by.map(({ kind, id, detail }) => [region, vpc, kind, id, detail]),
  );
  if (holding.length > 0)
    blocks.push(tableText(["REGION", "VPC, LEFT ALONE", "HOLDS", "ID", "WHICH IS SOMEBODY ELSE'S"], holding, width));
  if (notOurs.length > 0)
    blocks.push(
      tableText(
        ["REGION", "NOT OURS, LEFT ALONE", "ID", "DETAIL", "WHOSE"],
        notOurs.map(({ region, kind, id, detail, owner }) => [region, kind, id, detail, owner]),
        width,
      ),
    );
  for (const { region, error } of plan)
    if (error) blocks.push(`Not looked at: ${region} (${error.message}). ${error.next}`);
  return `${blocks.join("\n\n")}\n\n`;
}

function report(
  context: CommandContext,
  { account, plan, unexplained, deleted, left }: CleanupResult,
  exitCode: ExitCode,
  dryRun: boolean,
): void {
  const { options, terminal } = context;
  if (options.json) {
    jsonLine(context, { command: "cleanup-vpcs", exitCode, account, dryRun, plan, unexplained, deleted, left });
    return;
  }
  const blocks: string[] = [];
  const planned = plan.flatMap((region) => region.planned);
  if (left.length > 0)
    blocks.push(
      tableText(
        ["LEFT", "REGION", "ID", "WHY"],
        left.map(({ kind, region, id, reason }) => [kind, region, id, reason]),
        widthOf(terminal.stdout),
      ),
    );
  blocks.push(
    dryRun
      ? `${pluralize(planned.length, "thing")} would be deleted.`
      : `${deleted} of ${pluralize(planned.length, "thing")} deleted.`,
  );
  terminal.stdout.write(`${blocks.join("\n\n")}\n`);
}
