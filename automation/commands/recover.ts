import { ExitCode } from "../../fleet/exit-codes";
import { asFleetId } from "../../fleet/fleet-id";
import { counted } from "../../fleet/words";
import { endFleet, recoverState, type RecoverResult } from "../operations/recover-fleet";
import { openSession } from "../session";
import { jsonLine } from "../ui/json";
import type { CommandContext } from "./context";
import { exitCodeFor, report } from "./down";
import { placeFrom } from "./list";
import { interruptible, reporterFor, sessionOptions } from "./shell";

export async function run(context: CommandContext): Promise<ExitCode> {
  const reporter = reporterFor(context, true);
  const { "fleet-id": given } = context.options;
  const fleetId = given === undefined ? undefined : asFleetId(given, "--fleet-id");
  return interruptible(reporter, async (interrupts) => {
    const session = await openSession({ ...sessionOptions(context, { reporter, interrupts, ...placeFrom(context) }), withoutState: true }, false);
    try {
      if (fleetId === undefined) return reportRecovered(context, await recoverState(session));
      const result = await endFleet(session, fleetId);
      const exitCode = exitCodeFor(result);
      report(context, result, exitCode, `recover --fleet-id ${fleetId}`);
      return exitCode;
    } finally {
      session.cloud.close();
    }
  });
}

function reportRecovered({ options, terminal }: CommandContext, result: RecoverResult): ExitCode {
  if (options.json) jsonLine(terminal, { type: "result", command: "recover", exitCode: ExitCode.ok, ...result });
  else {
    const { restored, nodes } = result;
    const lines = [
      ...(restored ? [`The state was restored from ${restored.file} of ${restored.at.toISOString()}.`] : []),
      ...(restored?.kept ? [`The state that could not be read is kept as ${restored.kept}.`] : []),
      `Record and cloud agree: ${counted(nodes, "node")}. Run \`up\` to go on.`,
    ];
    terminal.stdout.write(`${lines.join("\n")}\n`);
  }
  return ExitCode.ok;
}
