import { ExitCode } from "../../fleet/errors/exit-codes";
import { allowMe } from "../../automation/operations/access/allow-me";
import { openSession } from "../../automation/session";
import { placeIn } from "../../automation/target";
import { jsonLine } from "../output/json";
import type { CommandContext } from "../runtime/context";
import { configFor, configPath, interruptible, reporterFor, sessionOptions } from "../runtime/shell";

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  const reporter = reporterFor(context, false);
  const { config } = configFor(context, reporter);
  return interruptible(reporter, async (interrupts) => {
    const session = await openSession(
      { ...sessionOptions(context, { reporter, interrupts, ...placeIn(config) }), changes: true },
      false,
    );
    try {
      const result = await allowMe(session, { config, configFile: configPath(context) });
      if (options.json) jsonLine(terminal, result);
      else
        terminal.stdout.write(
          result.changed
            ? `${result.caller} may log in now, in ${result.regions.join(", ")}.\n`
            : `${result.caller} may log in already: nothing to change.\n`,
        );
      return ExitCode.ok;
    } finally {
      session.cloud.close();
    }
  });
}
