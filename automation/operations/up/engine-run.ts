import { classifyFailure } from "../../../fleet/aws/error-codes";
import type { ErrorInfo } from "../../../fleet/errors";
import { launchesOf } from "../../../fleet/identity/launch";
import type { NodeChange } from "../../../fleet/plan/changes";
import { PROJECT } from "../../../fleet/plan/stack-config";
import type { NodeRef } from "../../../fleet/model";
import type { EngineOutcome, UpOptions } from "../../engine/stack";
import { NETWORK_TYPE, refOf, unseenOf } from "../../engine/state";
import { reread, type Session } from "../../session";
import { writePins } from "../plan/prepare-stack";
import { withFormer } from "../plan/recorded-pins";
import { createError, failureInfo, nodeListener, tellCreated } from "../run/engine-events";
import { declaredPins } from "./declared";
import { failOver, willTryAgain, type Placement } from "./failover";
import type { Progress, UpRun } from "./progress";
import { reconcile } from "./reconcile";
import { remainingScope, stillThere, urnsRecorded, type RunScope } from "./targets";

/** An engine run that came to its end. `ok`: everything succeeded. */
export type Ran = { at: Progress; ok: boolean };

/**
 * By what an engine run is held to what was agreed to. Asked before each round: what a former one has done is planned no
 * more.
 * @returns a plan of the engine's, or why there is none
 */
export type Planner = (
  at: Progress,
  target: string[],
) => Promise<{ document: string | undefined } | { refused: ErrorInfo }>;

/**
 * Runs the engine, and again until nothing more can be moved or tried again.
 * @param planner for a run that is held to a plan, which has no place for what is lost meanwhile
 * @throws SpotError E_PROVIDER, E_PROGRAM when the program could not run at all
 */
export async function runEngine(run: UpRun, from: Progress, scope: RunScope, planner?: Planner): Promise<Ran> {
  let at = from;
  let lost = 0;
  for (let next = scope; ; next = planner ? next : remainingScope(run, at, next)) {
    const { target, replace } = stillThere(run, at, next);
    // No target at all would mean everything.
    if (target?.length === 0) return { at, ok: lost === 0 };
    // Once a round: what is planned and what is done have the same launches.
    at = withLaunches(run, at);
    const planned = await planner?.(at, target ?? []);
    if (planned && "refused" in planned)
      return { at: { ...at, failures: [...at.failures, planned.refused] }, ok: false };
    const { at: ran, outcome } = await runOnce(run, at, {
      target,
      replace,
      plan: planned?.document,
    });
    const { placement, again, failures } = await failOver(run.plan, ran.placement, outcome);
    lost += failures.length;
    provisionMended(run, at, ran);
    at = withPlacement(run, { ...ran, failures: [...ran.failures, ...failures] }, placement);
    const ok = outcome.ok && lost === 0;
    if (!again && unseenOf(at.session.state).length === 0) return { at, ok };
    // What was made and is not recorded, or recorded and not there, would stand in the way of what comes next.
    const before = at;
    at = await reconcile(run, before);
    provisionMended(run, before, at);
    if (!again) return { at, ok };
    // Another round would take for whole what could not be looked at.
    const unseen = failuresAt(outcome, unseenOf(at.session.state));
    if (unseen.length > 0) return { at: { ...at, failures: [...at.failures, ...unseen] }, ok: false };
  }
}

/** One run of the engine; nodes that it creates are brought up beside it. */
export async function runOnce(
  run: UpRun,
  from: Progress,
  scope: RunScope & Pick<UpOptions, "plan">,
): Promise<{ at: Progress; outcome: EngineOutcome }> {
  const { session, placement } = from;
  const outcome = await session.stack.up({
    ...scope,
    target: scope.target?.map(whetherDeclared(session)),
    isSerial: leavesUndeclared(run, session, scope),
    stop: run.stop.signal,
    listener: nodeListener(session, {
      created: (ref) => provision(run, from, ref),
      deleted: (instanceId) => {
        run.ended(instanceId);
        void run.nodes?.provisioner.release(instanceId);
      },
      failed: (failure) => {
        if (classifyFailure(failure.message).accountWide) run.stop.abort();
        return willTryAgain(placement, failure);
      },
    }),
  });
  // First of all: what a run did is known, whatever it ended with.
  const at = { ...from, outcomes: [...from.outcomes, outcome], session: await reread(session) };
  if (outcome.programErrors.length > 0 && !outcome.interrupted && !run.stop.signal.aborted)
    throw createError(outcome, session);
  return { at, outcome };
}

const failuresAt = ({ failures }: EngineOutcome, urns: readonly string[]): ErrorInfo[] =>
  failures.filter(({ step }) => urns.includes(step.urn)).map(failureInfo);

/** Nodes that this run launched and had not seen, and that have an address now: no step of the engine's makes them. */
function provisionMended(run: UpRun, before: Progress, at: Progress): void {
  const stood = new Set(run.plan.session.state.nodes.map(({ instanceId }) => instanceId));
  const unseen = new Set(
    before.session.state.nodes.flatMap(({ instanceId, address }) => (address ? [] : [instanceId])),
  );
  for (const node of at.session.state.nodes) {
    const { address, ...ref } = refOf(node);
    if (address === undefined || !unseen.has(node.instanceId) || stood.has(node.instanceId)) continue;
    tellCreated(at.session, { ...ref, address });
    provision(run, at, { ...ref, address });
  }
}

/**
 * A part of a network may not be declared after all, because it has nothing to be declared in (infra/outputs.ts,
 * `isMade`), and the engine fails a run with a target that is neither recorded nor declared. It takes a pattern that fits
 * nothing, so such a target is given as one that fits it alone.
 */
function whetherDeclared(session: Session): (urn: string) => string {
  const recorded = urnsRecorded(session);
  const isOpen = (urn: string): boolean =>
    !recorded.has(urn) && !urn.includes("*") && urn.includes(`::${NETWORK_TYPE}$`);
  return (urn) => (isOpen(urn) ? urn.replace(`::${PROJECT}::`, `::${PROJECT}*::`) : urn);
}

/** Something stays recorded although the program declares it no more: the run does not name it. */
function leavesUndeclared({ plan }: UpRun, session: Session, { target }: RunScope): boolean {
  const recorded = urnsRecorded(session);
  if (target === undefined) return false;
  // Where it refuses a resource, the engine tells of no deletion.
  const isPartial = (plan.engine?.failures.length ?? 0) > 0;
  return isPartial || plan.undeclared.some((urn) => recorded.has(urn) && !target.includes(urn));
}

function provision(
  { nodes }: UpRun,
  { changes, placement: { pins } }: Progress,
  ref: NodeRef & { instanceId: string; address: string },
): void {
  const desired = changes.find(({ name }) => name === ref.name)?.to;
  // The program declares what was planned, and nothing else.
  if (desired === undefined) return;
  const launched = { name: ref.name, generation: desired.generation, launch: pins.launches[ref.name] };
  nodes?.provisioner.provision({ ref, launched, origin: "created" });
}

/**
 * Gives whatever the next engine run makes a launch that no run had, and the instances that stay their own. A try that
 * failed may have launched an instance all the same, so its launch is used up. A node stays in its network until its
 * turn to be replaced has come. Writes it down for the program.
 */
export function withLaunches({ plan }: UpRun, at: Progress): Progress {
  const { session, placement, leaving } = at;
  const staying = session.state.nodes.filter(({ instanceId }) => !leaving.has(instanceId));
  const launches = launchesOf(Object.keys(placement.pins.nodes), staying);
  const pins = withFormer({ ...placement.pins, launches }, session.state, leaving);
  const ready = { ...at, placement: { ...placement, pins } };
  writePins(session, plan.definition, declaredPins(ready));
  return ready;
}

/** With nodes in other places, or in none; written down for the program, and for whoever takes over from this run. */
function withPlacement({ plan }: UpRun, at: Progress, placement: Placement): Progress {
  if (placement.pins === at.placement.pins) return { ...at, placement };
  writePins(at.session, plan.definition, declaredPins({ ...at, placement }));
  const moved = (change: NodeChange): NodeChange => {
    const pin = placement.pins.nodes[change.name];
    if (!change.to || !pin || pin === change.to.pin) return change;
    const { slot } = change.to;
    // The image may be another one, too.
    const { generation } = plan.definition.launchSpec(slot, pin, placement.pins.ssh.publicKey);
    return { ...change, to: { slot, pin, generation } };
  };
  return { ...at, placement, changes: at.changes.map(moved) };
}
