import type { ErrorInfo } from "../../fleet/errors";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { pluralize } from "../../fleet/text/words";
import { preview, refuseStaleBuild, type UpPlan } from "../../automation/operations/plan/plan-up";
import { shown } from "../../automation/operations/run/drift";
import { driftLines } from "../output/drift";
import { exitCodeOf } from "../output/exit-code";
import { changeLines } from "../output/lines";
import { jsonLine } from "../output/json";
import type { CommandContext } from "../runtime/context";
import { withSession } from "../runtime/with-session";

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  return withSession(
    context,
    { needs: "config", starts: true, before: refuseStaleBuild },
    async ({ session, given, reporter }) => {
      const plan = await preview(session, { ...given, wait: false });
      const { changes, resources, account, decisions, engine, drift } = plan;
      const refused = engine?.failures ?? [];
      const failures = [...decisions.failedRegions.map(({ error }) => error), ...refused];
      if (options.json) {
        jsonLine(context, {
          stack: session.target.stack,
          account,
          changes: changes.map(({ name, kind, reason, differences, to, from }) => ({
            name,
            kind,
            reason,
            differences,
            pool: (to ?? from).pin.pool,
            ami: (to ?? from).pin.ami,
          })),
          resources,
          drift: drift.map(shown),
          failedRegions: decisions.failedRegions,
          refused,
        });
      } else {
        terminal.stdout.write(`account ${account}, stack ${session.target.stack}\n`);
        for (const line of changeLines(changes, resources)) terminal.stdout.write(`${line}\n`);
        for (const line of driftLines(drift.filter(({ urn }) => urn === undefined))) terminal.stdout.write(`${line}\n`);
        terminal.stdout.write(`${summary(plan, refused)}\n`);
        for (const error of refused) reporter.emit({ type: "message", level: "error", message: error.message, error });
        for (const { region, error } of decisions.failedRegions)
          reporter.emit({ type: "message", level: "error", subject: region, message: error.message, error });
      }
      return exitCodeOf(failures, changes.length);
    },
  );
}

function summary(
  { changes, resources, definition, decisions: { failedRegions } }: UpPlan,
  refused: readonly ErrorInfo[],
): string {
  // Those that cannot be planned are of the fleet as well.
  const fleet = new Set([...changes, ...definition.slots].map(({ name }) => name)).size;
  const changed = changes.filter(({ kind }) => kind !== "same").length;
  const others = resources.length > 0 ? `, and ${pluralize(resources.length, "other resource")}` : "";
  if (changed > 0 || others !== "") return `${changed} of ${pluralize(fleet, "node")} would change${others}.`;
  const unplanned = failedRegions.map(({ region }) => region);
  if (refused.length > 0) return "Nothing would change: see the errors.";
  if (unplanned.length > 0)
    return `Nothing would change; ${unplanned.join(", ")} cannot be planned: see the ${unplanned.length === 1 ? "error" : "errors"}.`;
  return `Nothing to change: ${pluralize(changes.length, "node")} as configured.`;
}
