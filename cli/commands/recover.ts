import { SpotError } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { asFleetId } from "../../fleet/identity/fleet-id";
import { pluralize } from "../../fleet/text/words";
import { endFleet } from "../../automation/operations/down/end-fleet";
import { dealWith, type NamedResult } from "../../automation/operations/down/named-objects";
import { recoverState, type RecoverResult } from "../../automation/operations/down/recover-state";
import { reportDown } from "../output/down";
import { driftLines } from "../output/drift";
import { jsonLine } from "../output/json";
import { tableText, widthOf } from "../output/table";
import type { CommandContext } from "../runtime/context";
import { withSession } from "../runtime/with-session";

export async function run(context: CommandContext): Promise<ExitCode> {
  const { "fleet-id": fleetId, end, release } = context.options;
  const before = (): void => {
    if ([fleetId, end, release].filter((option) => option !== undefined).length > 1)
      throw new SpotError("E_USAGE", {
        message: "--fleet-id, --end and --release stand alone",
        next: "Run the command once for each.",
        step: outside("correct-command-line"),
      });
    if (fleetId !== undefined) asFleetId(fleetId, "--fleet-id");
  };
  const access = { needs: "place", shows: "progress", before, changes: true, withoutState: true } as const;
  return withSession(context, access, async ({ session }) => {
    if (end) return reportNamed(context, await dealWith(session, "end", end));
    if (release) return reportNamed(context, await dealWith(session, "release", release));
    if (fleetId === undefined) return reportRecovered(context, await recoverState(session));
    const result = await endFleet(session, fleetId);
    return reportDown(context, result, `recover --fleet-id ${fleetId}`);
  });
}

function reportNamed(context: CommandContext, result: NamedResult): ExitCode {
  const { options, terminal } = context;
  const exitCode = result.failures.length > 0 ? ExitCode.leftovers : ExitCode.ok;
  if (options.json) jsonLine(context, { type: "result", command: "recover", exitCode, ...result });
  else
    terminal.stdout.write(
      `${result.done.length} of ${pluralize(result.done.length + result.failures.length, "thing")} ${result.fate === "end" ? "deleted" : "released"}.\n`,
    );
  return exitCode;
}

/** A foreign rule is left alone by every command. */
function agreement(nodes: number, drift: RecoverResult["drift"]): string {
  const differing = drift.filter(({ urn }) => urn !== undefined).length;
  return differing === 0
    ? `Record and cloud agree: ${pluralize(nodes, "node")}. Run \`up\` to go on.`
    : `Record and cloud agree but for ${pluralize(differing, "difference")} made outside this tool: ${pluralize(nodes, "node")}. Run \`up\` to put that right.`;
}

function reportRecovered(context: CommandContext, result: RecoverResult): ExitCode {
  const { options, terminal } = context;
  const exitCode = result.left.length > 0 || result.notLookedAt.length > 0 ? ExitCode.leftovers : ExitCode.ok;
  if (options.json) jsonLine(context, { type: "result", command: "recover", exitCode, ...result });
  else {
    const { restored, nodes, left, notLookedAt, drift } = result;
    const lines = [
      ...(restored ? [`The state was restored from ${restored.file} of ${restored.at.toISOString()}.`] : []),
      ...(restored?.kept ? [`The state that stood there is kept as ${restored.kept}.`] : []),
      ...(notLookedAt.length > 0
        ? [`Not looked at: ${notLookedAt.join(", ")}. Run \`recover\` again when AWS answers there.`]
        : []),
      ...(left.length > 0
        ? [
            tableText(
              ["LEFT", "REGION", "ID", "WHY"],
              left.map(({ kind, region, id, reason }) => [kind, region, id, reason]),
              widthOf(terminal.stdout),
            ),
          ]
        : []),
      ...driftLines(drift),
      ...(left.length + notLookedAt.length === 0 ? [agreement(nodes, drift)] : []),
    ];
    terminal.stdout.write(`${lines.join("\n")}\n`);
  }
  return exitCode;
}
