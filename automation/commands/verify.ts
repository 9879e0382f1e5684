import { ExitCode } from "../../fleet/exit-codes";
import { verifyFleet } from "../operations/verify";
import { openSession } from "../session";
import { jsonLine } from "../ui/json";
import { tableText } from "../ui/table";
import { verificationText } from "../ui/verification";
import { checkRows, verificationReport } from "../verify/report";
import type { CommandContext } from "./context";
import { configFor, configPath, interruptible, reporterFor, sessionOptions } from "./shell";

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  if (options.list) return listChecks(context);
  const reporter = reporterFor(context, false);
  const { config } = configFor(context, reporter);
  return interruptible(reporter, async (interrupts) => {
    const session = await openSession(sessionOptions(context, { reporter, interrupts, stack: config.stack, backend: config.backend }), false);
    try {
      const verification = await verifyFleet(session, { config, configFile: configPath(context), only: options.only, nodes: options.node });
      if (options.json) jsonLine(terminal, verificationReport(verification, { stack: session.target.stack, at: new Date() }));
      else terminal.stdout.write(`${verificationText(terminal, verification)}\n`);
      return verification.isVerified ? ExitCode.ok : ExitCode.verificationFailed;
    } finally {
      session.cloud.close();
    }
  });
}

function listChecks({ options, terminal }: CommandContext): ExitCode {
  const rows = checkRows();
  if (options.json) jsonLine(terminal, rows);
  else terminal.stdout.write(`${tableText(["ID", "PHASE", "CHECK", "NEEDS", "SEVERITY"], rows.map(({ id, phase, title, needs, severity }) => [id, phase, title, needs.join(" "), severity]))}\n`);
  return ExitCode.ok;
}
