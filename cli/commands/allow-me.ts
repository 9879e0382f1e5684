import { ExitCode } from "../../fleet/errors/exit-codes";
import { allowMe } from "../../automation/operations/access/allow-me";
import { jsonLine } from "../output/json";
import type { CommandContext } from "../runtime/context";
import { withSession } from "../runtime/with-session";

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  return withSession(context, { needs: "config", changes: true }, async ({ session, given }) => {
    const result = await allowMe(session, given);
    if (options.json) jsonLine(context, result);
    else
      terminal.stdout.write(
        result.changed
          ? `${result.caller} may log in now, in ${result.regions.join(", ")}.\n`
          : `${result.caller} may log in already: nothing to change.\n`,
      );
    return ExitCode.ok;
  });
}
