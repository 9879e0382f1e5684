import { ExitCode } from "../../fleet/errors/exit-codes";
import { pluralize } from "../../fleet/text/words";
import { preview, refuseStaleBuild } from "../../automation/operations/plan/plan-up";
import { exitCodeOf } from "../output/exit-code";
import { changeLine } from "../output/lines";
import { jsonLine } from "../output/json";
import type { CommandContext } from "../runtime/context";
import { withSession } from "../runtime/with-session";

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  return withSession(
    context,
    { needs: "config", starts: true, before: refuseStaleBuild },
    async ({ session, given, reporter }) => {
      const { changes, account, decisions } = await preview(session, { ...given, wait: false });
      const failures = decisions.failedRegions.map(({ error }) => error);
      const changed = changes.filter(({ kind }) => kind !== "same");
      if (options.json) {
        jsonLine(terminal, {
          stack: session.target.stack,
          account,
          changes: changes.map(({ name, kind, reason, to, from }) => ({
            name,
            kind,
            reason,
            pool: (to ?? from).pin.pool,
            ami: (to ?? from).pin.ami,
          })),
          failedRegions: decisions.failedRegions,
        });
      } else {
        terminal.stdout.write(`account ${account}, stack ${session.target.stack}\n`);
        for (const change of changed) terminal.stdout.write(`${changeLine(change)}\n`);
        terminal.stdout.write(
          changed.length === 0
            ? failures.length > 0
              ? "Nothing can be planned: see the errors.\n"
              : `Nothing to change: ${pluralize(changes.length, "node")} as configured.\n`
            : `${changed.length} of ${pluralize(changes.length, "node")} would change.\n`,
        );
        for (const { region, error } of decisions.failedRegions)
          reporter.emit({ type: "message", level: "error", subject: region, message: error.message, error });
      }
      return exitCodeOf(failures, changes.length);
    },
  );
}
