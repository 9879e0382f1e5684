import { isOfAws } from "../../../fleet/aws/resource-types";
import { driftExplanations } from "../../../fleet/drift/reasons";
import { isSpotError, wordsOf, type ErrorCode, type ErrorInfo } from "../../../fleet/errors";
import type { NodeChange } from "../../../fleet/plan/changes";
import { resourceChanges, resourceLines, type ResourceChange } from "../../../fleet/plan/resource-changes";
import type { FleetDefinition } from "../../../project/definition";
import { readStackSettings } from "../../engine/stack-config";
import { INSTANCE_TYPE } from "../../engine/state";
import { reread, type Session } from "../../session";
import { interruption } from "../../session/interrupts";
import type { Verification } from "../../verify/result";
import { leftOver } from "./beside";
import { bringAbout } from "./bring";
import { withLaunches } from "./engine-run";
import type { Attempt } from "./failover";
import { doneBetween, type Done } from "./done";
import { keepVerified } from "./keep";
import { keepRecord } from "./keep-record";
import { begun, type Progress, type PutBack, type UpRun } from "./progress";
import { reconcile } from "./reconcile";
import { offerRepair, repair } from "./repair";
import { mustRollBack, rollBack } from "./rollback";
import { batchesOf } from "./rollout";
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
  /** The fleet that was verified last was put back after a failure: `verification` and `untouched` are of that. */
  putBack?: PutBack;
  /** Absent where nothing was verified: nothing boots here, `--no-wait`, or no node got that far. */
  verification?: Verification;
  definition: FleetDefinition;
  session: Session;
}

const ENDS_ALL: readonly ErrorCode[] = ["E_BACKEND", "E_PROVIDER"];

/** The part of `up` that changes things. @throws what an engine run and `repair` throw */
export async function carryOut(run: UpRun): Promise<UpResult> {
  const batches = batchesOf(run, run.plan.changes);
  const start = begun(run.plan, batches.flat());
  let at: Progress;
  try {
    at = await steps(run, start, batches);
  } catch (error) {
    // Without a backend or a provider another run of the engine would only fail the same way, after as long a wait.
    const canRecord = !isSpotError(error) || !ENDS_ALL.includes(error.code);
    await settleAfterFailure(run, canRecord).catch((second: unknown) =>
      run.plan.session.reporter.emit({
        type: "message",
        level: "warning",
        subject: "settings",
        message: `the settings could not be brought up to date: ${wordsOf(second)}`,
      }),
    );
    throw error;
  }
  const left = at.putBack?.left ?? leftOf(run, start, at);
  tellLeft(run, left);
  keepVerified(run, at, left.length === 0);
  const last = settled(run, at);
  return resultOf(run, { ...last, session: await keepRecord(last.session) }, left);
}

async function steps(run: UpRun, start: Progress, batches: readonly string[][]): Promise<Progress> {
  const { request } = run;
  let at = await bringAbout(run, start, batches);
  const { failures } = at;
  at = await verifyFleetOf(run, at);
  if (at.verification)
    at = request.part?.replace === "broken" ? await repair(run, at, failures) : await offerRepair(run, at, failures);
  if (mustRollBack(run, at)) at = await rollBack(run, at);
  return reconcile(run, at);
}

/**
 * An instance that was to go and still stands has the launch that it was made by. What still waits is declared as the
 * next `up` and plain `pulumi up` are to see it: in the market that it is to have, and in the network that it stands in.
 */
function settled(run: UpRun, at: Progress): Progress {
  withLaunches(run, { ...at, leaving: new Set(), pending: new Set() });
  return at;
}

/**
 * The same after a run that broke off before it learned what it had made: what it decided is put in the settings and, where
 * that is possible, in the record.
 */
async function settleAfterFailure(run: UpRun, canRecord: boolean): Promise<void> {
  const session = await reread(run.plan.session);
  const start = begun(run.plan, []);
  const pins = readStackSettings(session.stack.configFile).pins ?? start.placement.pins;
  const last = settled(run, { ...start, session, placement: { ...start.placement, pins } });
  if (canRecord) await keepRecord(last.session);
}

const leftOf = (run: UpRun, start: Progress, at: Progress): ResourceChange[] =>
  resourceChanges(leftOver(run, start, at), driftExplanations(run.plan.drift));

/** What is not done beside the nodes could be something that was to be closed: nobody is to take it for done. */
function tellLeft(run: UpRun, left: readonly ResourceChange[]): void {
  if (left.length > 0)
    run.plan.session.reporter.emit({
      type: "message",
      level: "warning",
      message: `not done yet: ${resourceLines(left).join("; ")}. \`up\` does it once what failed is put right.`,
    });
}

function resultOf(run: UpRun, at: Progress, left: readonly ResourceChange[]): UpResult {
  const { plan } = run;
  const { interrupts } = at.session;
  const interrupted = at.outcomes.some((outcome) => outcome.interrupted) || interrupts.soft.aborted;
  const steps = at.outcomes.flatMap((outcome) => outcome.steps);
  const changed = steps.filter(({ op, type }) => op !== "same" && isOfAws(type) && type !== INSTANCE_TYPE);
  return {
    account: plan.account,
    changes: (at.putBack?.failed ?? at).changes,
    wanted: [...wantedBy(run, (at.putBack?.failed ?? at).changes)],
    done: doneBetween(plan.session.state.nodes, at.session.state.nodes, steps),
    otherChanges: changed.length,
    failures: interrupted ? [...at.failures, interruption(interrupts)] : at.failures,
    untouched: [...at.pending],
    left,
    attempts: at.placement.attempts,
    rolledBack: at.rolledBack,
    ...(at.putBack ? { putBack: at.putBack } : {}),
    verification: at.verification,
    definition: plan.definition,
    session: at.session,
  };
}
