import type { ErrorClass } from "../../fleet/errors";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { poolText } from "../../fleet/aws/pools";
import { enoughNodes } from "../../fleet/config/min-healthy";
import { capitalized, pluralize } from "../../fleet/text/words";
import { tellCost } from "../../automation/operations/inspect/cost";
import { list, type ListedNode } from "../../automation/operations/inspect/list";
import { refuseStaleBuild, type Part } from "../../automation/operations/plan/plan-up";
import { up } from "../../automation/operations/up/up";
import type { PutBack } from "../../automation/operations/up/progress";
import type { UpResult } from "../../automation/operations/up/run";
import { bootsHosts } from "../../automation/session";
import { exitCodeOf } from "../output/exit-code";
import { jsonLine } from "../output/json";
import { nodeTable } from "../output/node-table";
import { withSteps } from "../output/steps";
import { tableText, widthOf } from "../output/table";
import { nextLines, verdictLine, verificationText } from "../output/verification";
import { unhealthyCode } from "../../automation/verify/min-healthy";
import { keepReport } from "../output/report-store";
import { placeOf, verificationReport } from "../../automation/verify/report";
import { combined } from "../../automation/verify/scope";
import type { CommandContext } from "../runtime/context";
import { logsOf } from "../runtime/reporter";
import { withSession } from "../runtime/with-session";

export async function run(context: CommandContext): Promise<ExitCode> {
  return runUp(context);
}

/** `up` on the whole fleet, or on a part of it (`replace`, `repair`). */
export async function runUp(context: CommandContext, part?: Part): Promise<ExitCode> {
  const access = {
    needs: "config",
    shows: "progress",
    before: refuseStaleBuild,
    starts: true,
    changes: true,
    founds: part === undefined,
  } as const;
  return withSession(context, access, async ({ session, given }) => {
    const result = await up(session, {
      ...given,
      wait: !context.options["no-wait"],
      rollback: context.options["rollback-on-failure"],
      part,
    });
    return report(context, result);
  });
}

/** Enough of the fleet is well, as `min_healthy` has it, although something failed. */
function isHealthyEnough({ verification, definition, session }: UpResult, standing: number): boolean {
  const { minHealthy } = definition.config;
  if (minHealthy === undefined) return false;
  const well =
    bootsHosts(session) && verification ? verification.nodes.filter(({ isVerified }) => isVerified).length : standing;
  return well >= enoughNodes(minHealthy, definition.slots.length);
}

/** Keeps what was verified, and forgets nodes that are gone; the page's path, when nodes came as far as that. */
async function kept(context: CommandContext, { verification, session }: UpResult): Promise<string | undefined> {
  const { nodes } = session.state;
  const told = verification ?? combined([], { fleet: nodes.map(({ name }) => name) });
  const report = withSteps(verificationReport(told, { ...placeOf(session.target), at: new Date() }), context);
  const page = await keepReport(logsOf(context), report, nodes);
  return told.nodes.some(({ isWhole }) => isWhole) ? page : undefined;
}

/** Failures that a fleet may live with: a node or a region less. */
const BEARABLE: ReadonlySet<ErrorClass> = new Set<ErrorClass>([
  "capacity",
  "quota",
  "price",
  "opt-in",
  "throttle",
  "transient",
  "deployment",
  "ssh",
  "verification",
  "config",
]);

async function report(context: CommandContext, result: UpResult): Promise<ExitCode> {
  const { options, terminal } = context;
  const listing = await list(result.session);
  const changed = result.changes.filter(({ kind }) => kind !== "same");
  const standing = listing.nodes.filter(isStanding).length;
  const silent = listing.nodes.filter(({ state }) => state === "unknown").length;
  const nothing = changed.length === 0 && result.otherChanges === 0 && result.failures.length === 0;
  const exitCode = exitCodeFor(result, standing, silent);
  const { attempts, rolledBack, putBack } = result;
  // What was foretold is not what was launched where a node found no capacity at its first place.
  if (changed.length > 0) await tellCost(result.session, listing.nodes.filter(isStanding), "the fleet costs now");
  const page = await kept(context, result);
  if (options.json) {
    jsonLine(context, {
      type: "result",
      command: "up",
      exitCode,
      changed: changed.map(({ name, kind, reason }) => ({ name, kind, reason })),
      done: result.done,
      left: result.left,
      untouched: result.untouched,
      rolledBack,
      rollback: putBack && {
        to: putBack.to,
        done: putBack.isDone,
        putBack: putBack.nodes,
        failed: {
          failures: putBack.failed.failures,
          untouched: [...putBack.failed.pending],
          verification: putBack.failed.verification,
        },
      },
      failures: result.failures,
      attempts,
      provider: placeOf(result.session.target).provider,
      nodes: listing.nodes,
      verified: result.verification?.isVerified ?? false,
      verification: result.verification,
    });
    return exitCode;
  }
  terminal.stdout.write(listing.nodes.length === 0 ? "No nodes.\n\n" : `${nodeTable(terminal, listing.nodes)}\n\n`);
  if (result.verification) terminal.stdout.write(`${verificationText(terminal, result.verification)}\n\n`);
  if (attempts.length > 0) {
    const rows = attempts.map(({ node, pool, awsCode, class: failureClass, next }) => [
      node,
      poolText(pool),
      awsCode ?? "-",
      failureClass,
      next,
    ]);
    const head = ["NODE", "POOL TRIED", "AWS SAID", "CLASS", "NEXT"];
    terminal.stdout.write(`${tableText(head, rows, widthOf(terminal.stdout))}\n\n`);
  }
  const lines = [
    nothing
      ? `Nothing to change: ${pluralize(standing, "node")} as configured${silent > 0 ? `, ${silent} unknown: AWS did not answer` : ""}.`
      : changeSummary(result),
    ...(rolledBack.length > 0 ? [`Rolled back: ${rolledBack.join(", ")}.`] : []),
    ...(putBack ? putBackLines(putBack) : []),
    ...(result.untouched.length > 0 ? [`The replacement stopped; not touched: ${result.untouched.join(", ")}.`] : []),
    ...failureLines(context, result),
    ...(standing + silent > 0 ? [verdict(result)] : []),
    ...(result.verification ? nextLines(withSteps(result.verification, context)) : []),
    ...(page === undefined ? [] : [`Its report: ${page}`]),
  ];
  terminal.stdout.write(`${lines.join("\n")}\n`);
  return exitCode;
}

const isStanding = ({ state }: ListedNode): boolean => state === "running" || state === "pending";

/** What failed first, and how far the fleet is what it was before. */
function putBackLines({ failed, to, nodes, isDone }: PutBack): string[] {
  const { failures, verification } = failed;
  const broken = verification?.nodes.filter(({ outcome }) => outcome === "failed") ?? [];
  const first =
    failures[0]?.message ?? `${broken.map(({ node }) => node).join(", ")} did not pass verification, see above`;
  const again = nodes.length === 0 ? "no node had to be made again" : `made again: ${nodes.join(", ")}`;
  return [
    `What failed first: ${first}.`,
    isDone
      ? `The fleet is put back as it was verified at ${to}; ${again}.`
      : `The fleet could not be put back whole as it was verified at ${to}; ${again}.`,
  ];
}

/** An interrupt is no failure: what was under way did not fail, it was not begun. */
function failureLines({ command }: CommandContext, { failures, putBack }: UpResult): string[] {
  const tries = putBack ? "tries the whole change anew" : "tries only what is missing";
  const goesOn = putBack ? "it tries the failed change anew" : "it goes on from there";
  const interrupted = failures.find((failure) => failure.class === "interrupted");
  const failed = failures.filter((failure) => failure.class !== "interrupted").length;
  return [
    ...(failed > 0 ? [`${failed} failed; see the ERROR lines above. \`${command}\` again ${tries}.`] : []),
    ...(interrupted ? [`${capitalized(interrupted.message)}. Run \`${command}\` again: ${goesOn}.`] : []),
    ...(putBack?.isDone === false
      ? [
          `To have the former fleet, put the former files and configuration in their places first; then run \`${command}\`.`,
        ]
      : []),
  ];
}

/** @param silent nodes of which AWS did not say whether they stand: none of them is taken for gone */
function exitCodeFor(result: UpResult, standing: number, silent: number): ExitCode {
  const { failures, untouched, session, verification } = result;
  if (result.putBack) return putBackCode(result, result.putBack, standing + silent);
  // A roll that stopped because its new nodes did not prove themselves is a failed verification, however they failed.
  if (untouched.length > 0 && failures.every((failure) => NODE_FAILURES.has(failure.class))) return stoppedCode(result);
  const enough = failures.every((failure) => BEARABLE.has(failure.class)) && isHealthyEnough(result, standing);
  const failed = enough ? ExitCode.ok : exitCodeOf(failures, standing + silent);
  if (failed !== ExitCode.ok) return failed;
  if (!bootsHosts(session)) return ExitCode.notVerifiable;
  if (enough) return ExitCode.ok;
  // Only `--no-wait` ends without a verification.
  return verification === undefined || verification.isVerified ? ExitCode.ok : unhealthyCode(verification);
}

/** Of a run whose change was put back it is that of what failed first, however well the fleet is now. */
function putBackCode({ failures }: UpResult, { failed }: PutBack, standing: number): ExitCode {
  const first = failures.some((failure) => failure.class === "interrupted") ? failures : failed.failures;
  return first.every((failure) => NODE_FAILURES.has(failure.class)) ? stoppedCode(failed) : exitCodeOf(first, standing);
}

/** Of a roll that stopped: what could not be looked at stops it as well, and did not fail. */
function stoppedCode({ failures, verification }: Pick<UpResult, "failures" | "verification">): ExitCode {
  return failures.length === 0 && verification !== undefined
    ? unhealthyCode(verification)
    : ExitCode.verificationFailed;
}

const NODE_FAILURES: ReadonlySet<ErrorClass> = new Set<ErrorClass>(["deployment", "ssh", "verification"]);

function verdict({ session, verification, putBack, untouched, ...result }: UpResult): string {
  const { wanted } = putBack ?? result;
  if (!bootsHosts(session))
    return "NOT VERIFIED: nothing was booted or checked here; these nodes exist in the emulated API only.";
  if (!verification) return "NOT VERIFIED: run `verify` when the deployments have had their time.";
  const looked = new Set(verification.nodes.map(({ node }) => node));
  const others = wanted.filter((name) => !looked.has(name));
  const waiting = others.filter((name) => untouched.includes(name)).length;
  // Those that the run was about are counted as what they are.
  const left = verification.notLookedAt.filter((name) => !others.includes(name));
  return verdictLine(
    {
      ...verification,
      notLookedAt: left,
      leftOut:
        left.length > 0 ? [`${left.length} of ${pluralize(looked.size + others.length + left.length, "node")}`] : [],
    },
    { waiting, down: others.length - waiting },
  );
}

function changeSummary({ done, otherChanges }: UpResult): string {
  const parts = Object.entries(done).flatMap(([what, names]: [string, string[]]) =>
    names.length > 0 ? [`${names.length} ${what}`] : [],
  );
  return `Nodes: ${parts.join(", ") || "none changed"}; other resources changed: ${otherChanges}.`;
}
