import { wordsOf, type ErrorInfo } from "../../../fleet/errors";
import type { NodeChange } from "../../../fleet/plan/changes";
import { resourceChanges, resourceLines, type ResourceChange } from "../../../fleet/plan/resource-changes";
import type { FleetDefinition } from "../../../project/definition";
import { readStackSettings } from "../../engine/stack-config";
import { INSTANCE_TYPE } from "../../engine/state";
import { reread, type Session } from "../../session";
import { interruption } from "../../session/interrupts";
import type { Verification } from "../../verify/result";
import { afterReplacements, besideReplacements, leftOver } from "./beside";
import { withLaunches } from "./engine-run";
import type { Attempt } from "./failover";
import { doneBetween, type Done } from "./done";
import { replaceHalfBuilt, resumeUnchanged } from "./half-built";
import { begun, isStopped, type Progress, type UpRun } from "./progress";
import { reconcile } from "./reconcile";
import { offerRepair, repair } from "./repair";
import { mustRollBack, rollBack } from "./rollback";
import { batchesOf, prove, roll } from "./rollout";
import { verifyFleetOf, wantedBy } from "./verification";

/** How an `up` ended. */
export interface UpResult {
  account: string;
  changes: readonly NodeChange[];
  /** Nodes that were to stand at the end, those that could not even be planned among them. */
  wanted: readonly string[];
  /** What the engine did to the nodes. */
  done: Done;
  /** Resources that the engine changed, other than nodes. */
  otherChanges: number;
  /** What failed, each with its class and next action. */
  failures: readonly ErrorInfo[];
  /** Nodes that a stopped roll left as they were. */
  untouched: string[];
  /** What was agreed to beside the nodes and is still to be done: a rule, for one, through which such nodes are reached. */
  left: readonly ResourceChange[];
  /** Every pool that refused a node, in order, whether or not another one took it. */
  attempts: readonly Attempt[];
  /** Nodes that were made and removed again because others failed (`--rollback-on-failure`). */
  rolledBack: readonly string[];
  /** Absent where nothing was verified: nothing boots here, `--no-wait`, or no node got that far. */
  verification?: Verification;
  definition: FleetDefinition;
  session: Session;
}

/** The part of `up` that changes things. @throws what an engine run and `repair` throw */
export async function carryOut(run: UpRun): Promise<UpResult> {
  const batches = batchesOf(run, run.plan.changes);
  const start = begun(run.plan, batches.flat());
  let at: Progress;
  try {
    at = await steps(run, start, batches);
  } catch (error) {
    await settleAfterFailure(run).catch((second: unknown) =>
      run.plan.session.reporter.emit({
        type: "message",
        level: "warning",
        subject: "settings",
        message: `the settings could not be brought up to date: ${wordsOf(second)}`,
      }),
    );
    throw error;
  }
  return resultOf(run, settled(run, at), tellLeft(run, start, at));
}

/** With replacements to roll, everything else is done first: they are left out of that run and then taken in turn. */
async function steps(run: UpRun, start: Progress, batches: readonly string[][]): Promise<Progress> {
  const { request } = run;
  const beside = await besideReplacements(run, start);
  let { at } = beside;
  if (!isStopped(run)) resumeUnchanged(run, at);
  at = await replaceHalfBuilt(run, at);
  if (beside.ok && batches.length > 0) at = await afterReplacements(run, start, await rollOnProof(run, at, batches));
  const { failures } = at;
  at = await verifyFleetOf(run, at);
  if (at.verification)
    at = request.part?.replace === "broken" ? await repair(run, at, failures) : await offerRepair(run, at, failures);
  if (mustRollBack(run, at)) at = await rollBack(run, at);
  return reconcile(run, at);
}

/** Nodes that have the new payload already, of a roll that stopped, are proven before any that has not is replaced. */
async function rollOnProof(run: UpRun, from: Progress, batches: readonly string[][]): Promise<Progress> {
  const ahead = from.changes
    .filter(({ name, kind }) => kind !== "delete" && !from.pending.has(name))
    .map(({ name }) => name);
  const { at, ok } = await prove(run, from, ahead);
  return ok ? roll(run, at, batches) : at;
}

/**
 * An instance that was to go and still stands has the launch that it was made by. What still waits is declared as the
 * next `up` and plain `pulumi up` are to see it: in the market that it is to have, and in the network that it stands in.
 */
function settled(run: UpRun, at: Progress): Progress {
  withLaunches(run, { ...at, leaving: new Set(), pending: new Set() });
  return at;
}

/** The same after a run that broke off before it learned what it had made: what it decided is in the settings. */
async function settleAfterFailure(run: UpRun): Promise<void> {
  const session = await reread(run.plan.session);
  const start = begun(run.plan, []);
  const pins = readStackSettings(session.stack.configFile).pins ?? start.placement.pins;
  settled(run, { ...start, session, placement: { ...start.placement, pins } });
}

/** What is not done beside the nodes could be something that was to be closed: nobody is to take it for done. */
function tellLeft(run: UpRun, start: Progress, at: Progress): ResourceChange[] {
  const left = resourceChanges(leftOver(run, start, at));
  if (left.length > 0)
    run.plan.session.reporter.emit({
      type: "message",
      level: "warning",
      message: `not done yet: ${resourceLines(left).join("; ")}. \`up\` does it once what failed is put right.`,
    });
  return left;
}

function resultOf(run: UpRun, at: Progress, left: readonly ResourceChange[]): UpResult {
  const { plan } = run;
  const { interrupts } = at.session;
  const interrupted = at.outcomes.some((outcome) => outcome.interrupted) || interrupts.soft.aborted;
  const steps = at.outcomes.flatMap((outcome) => outcome.steps);
  const changed = steps.filter(({ op, type }) => op !== "same" && type.startsWith("aws:") && type !== INSTANCE_TYPE);
  return {
    account: plan.account,
    changes: at.changes,
    wanted: [...wantedBy(run, at.changes)],
    done: doneBetween(plan.session.state.nodes, at.session.state.nodes, steps),
    otherChanges: changed.length,
    failures: interrupted ? [...at.failures, interruption(interrupts)] : at.failures,
    untouched: [...at.pending],
    left,
    attempts: at.placement.attempts,
    rolledBack: at.rolledBack,
    verification: at.verification,
    definition: plan.definition,
    session: at.session,
  };
}
