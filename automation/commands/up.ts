import type { ErrorClass } from "../../fleet/errors";
import { ExitCode } from "../../fleet/exit-codes";
import { list } from "../operations/list";
import { bootsHosts, refuseStaleBuild, up, type UpResult } from "../operations/up";
import { openSession } from "../session";
import { jsonLine } from "../ui/json";
import { nodeTable } from "../ui/table";
import { verificationText } from "../ui/verification";
import type { CommandContext } from "./context";
import { configFor, configPath, exitCodeOf, interruptible, reporterFor, sessionOptions } from "./shell";

export async function run(context: CommandContext): Promise<ExitCode> {
  const reporter = reporterFor(context, true);
  refuseStaleBuild();
  const { config } = configFor(context, reporter);
  return interruptible(reporter, async (interrupts) => {
    const session = await openSession(sessionOptions(context, { reporter, interrupts, stack: config.stack, backend: config.backend }), true);
    try {
      const result = await up(session, { config, configFile: configPath(context), wait: !context.options["no-wait"] });
      return await report(context, result);
    } finally {
      session.cloud.close();
    }
  });
}

async function report({ options, terminal }: CommandContext, result: UpResult): Promise<ExitCode> {
  const listing = await list(result.session);
  const changed = result.changes.filter(({ kind }) => kind !== "same");
  const standing = listing.nodes.filter(({ state }) => state === "running" || state === "pending").length;
  const nothing = changed.length === 0 && result.otherChanges === 0 && result.failures.length === 0;
  const exitCode = exitCodeFor(result, standing);
  if (options.json) {
    jsonLine(terminal, { type: "result", command: "up", exitCode, changed: changed.map(({ name, kind, reason }) => ({ name, kind, reason })), untouched: result.untouched, failures: result.failures, nodes: listing.nodes, verified: result.verification?.isVerified ?? false, verification: result.verification });
    return exitCode;
  }
  terminal.stdout.write(`${nodeTable(terminal, listing.nodes)}\n\n`);
  if (result.verification) terminal.stdout.write(`${verificationText(terminal, result.verification)}\n\n`);
  const lines = [
    nothing ? `Nothing to change: ${standing} nodes are as configured.` : changeSummary(result),
    ...(result.untouched.length > 0 ? [`The replacement stopped; not touched: ${result.untouched.join(", ")}.`] : []),
    ...(result.failures.length > 0 ? [`${result.failures.length} failed; see the ERROR lines above. \`up\` again tries only what is missing.`] : []),
    verdict(result, standing),
  ];
  terminal.stdout.write(`${lines.join("\n")}\n`);
  return exitCode;
}

function exitCodeFor({ failures, untouched, session, verification }: UpResult, standing: number): ExitCode {
  // A roll that stopped because its new nodes did not prove themselves is a failed verification, however they failed.
  if (untouched.length > 0 && failures.every((failure) => NODE_FAILURES.has(failure.class))) return ExitCode.verificationFailed;
  const failed = exitCodeOf(failures, standing);
  if (failed !== ExitCode.ok) return failed;
  if (!bootsHosts(session)) return ExitCode.notVerifiable;
  // Only `--no-wait` ends without a verification.
  return (verification?.isVerified ?? true) ? ExitCode.ok : ExitCode.verificationFailed;
}

const NODE_FAILURES: ReadonlySet<ErrorClass> = new Set<ErrorClass>(["deployment", "ssh", "verification"]);

function verdict({ session, verification }: UpResult, standing: number): string {
  if (!bootsHosts(session)) return "NOT VERIFIED: nothing was booted or checked here; these nodes exist in the emulated API only.";
  if (!verification) return "NOT VERIFIED: run `verify` when the deployments have had their time.";
  const verified = verification.nodes.filter(({ isVerified }) => isVerified).length;
  return verified === standing && verification.isVerified ? `VERIFIED: ${verified} of ${standing} nodes.` : `NOT VERIFIED: ${standing - verified} of ${standing} nodes; each failure is explained above.`;
}

function changeSummary({ changes, otherChanges }: UpResult): string {
  const count = (kind: string) => changes.filter((change) => change.kind === kind).length;
  const parts = ["create", "replace", "delete"].filter((kind) => count(kind) > 0).map((kind) => `${count(kind)} to ${kind}`);
  return `Nodes: ${parts.join(", ") || "none changed"}; other resources changed: ${otherChanges}.`;
}
