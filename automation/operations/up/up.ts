import type { FoundDrift } from "../../../fleet/drift/types";
import { driftLine } from "../../../fleet/drift/words";
import type { KeptProject } from "../../../project/kept-project";
import { inTemporaryFolder } from "../../../system/temporary-folder";
import type { EngineStep } from "../../engine/events";
import { exclusively } from "../../session/run-lock";
import { bootsHosts, fleetRegions, type Session } from "../../session";
import { withDeregistration } from "../run/deregister-nodes";
import { tellCost } from "../inspect/cost";
import { fleetAccess } from "../nodes/fleet-access";
import { Provisioner } from "../nodes/provisioner";
import { confirmed, limited, planUp, refuseStaleBuild, type UpPlan, type UpRequest } from "../plan/plan-up";
import { workable } from "../plan/workable";
import { holdsNothing } from "../../engine/state";
import { inTheWayOfPlan, removeInTheWay, toBeAsked, type DriftLook } from "../run/drift";
import { noted } from "../run/noted";
import { prepareStack } from "../plan/prepare-stack";
import { forgetLost, recover } from "../run/recover";
import { changesWhatStands, fallbackOf } from "./fallback";
import type { UpRun } from "./progress";
import { carryOut, type UpResult } from "./run";

/**
 * Brings the cloud to what the configuration asks for. Nodes that must be replaced roll: one canary, then batches; a
 * batch that fails stops the roll and leaves the rest as it was.
 * @throws SpotError E_DECLINED when the changes are not confirmed, E_NOT_KEPT, E_LOCKED, E_PROGRAM and what `planUp` throws
 */
export async function up(opened: Session, request: UpRequest): Promise<UpResult> {
  refuseStaleBuild();
  return exclusively(opened, () =>
    withDeregistration(opened, request.config.bacalhau?.api, (ended) => upAlone(opened, request, ended)),
  );
}

/** @param ended told of each instance that this run ends, or finds gone */
async function upAlone(opened: Session, request: UpRequest, ended: (instanceId: string) => void): Promise<UpResult> {
  const regions = fleetRegions(
    opened,
    request.config.regions.map(({ name }) => name),
  );
  const { session, look, found } = await recover(opened, regions);
  goneBetween(opened, session).forEach(ended);
  const { plan, steps } = await withDrift(session, found, async (current) => {
    // What is recorded is the engine's to judge. Where nothing is, there is only to create.
    const whole = await planUp(current, request, !holdsNothing(current.state), found);
    const wanted = await workable(limited(whole, opened, request.part), request.config);
    return {
      plan: { ...wanted, session: { ...wanted.session, stack: session.stack } },
      steps: whole.engine?.steps ?? [],
    };
  });
  // Half a plan, or a question, is of no use to who wants to stop.
  session.interrupts.soft.throwIfAborted();
  announce(plan);
  const fallback =
    request.rollback && changesWhatStands(plan) ? await fallbackOf({ plan, before: opened.state }) : undefined;
  if (plan.changes.some(({ kind }) => kind !== "same")) {
    await tellCost(
      session,
      plan.changes.flatMap(({ to }) => to?.pin.pool ?? []),
      "the fleet will cost",
    );
  }
  await confirmed(plan);
  const due = driftDue(plan, found, steps);
  const current = await forgetLost(session, [], { asked: toBeAsked(due) });
  goneBetween(session, current).forEach(ended);
  // Nothing is removed that is not made again.
  current.interrupts.soft.throwIfAborted();
  const agreed: UpPlan = {
    ...plan,
    session: current,
    // It was made of a copy of the record: the engine is asked again before it is held to anything.
    ...(toBeAsked(found.drift).length > 0 && plan.engine ? { engine: { ...plan.engine, document: undefined } } : {}),
  };
  return noted(current, look.regions, async () => {
    // Where the engine refuses a resource nothing is made again.
    if ((plan.engine?.failures.length ?? 0) === 0)
      await removeInTheWay(current, inTheWayOfPlan(steps, plan.resources, look.networks), look.parts);
    return carriedOut(current, { plan: agreed, request, regions, ended, fallback });
  });
}

/**
 * Plans with what was done outside written into the record: into a copy of it, for as long as nothing is agreed to the
 * record must tell what there was.
 */
async function withDrift<T>(
  session: Session,
  { drift }: DriftLook,
  plan: (current: Session) => Promise<T>,
): Promise<T> {
  const asked = toBeAsked(drift);
  if (asked.length === 0) return plan(session);
  // What a service keeps cannot be read by anything else, so there is no copy to plan with.
  if (!session.stack.canBeCopied) return plan(await forgetLost(session, [], { asked }));
  return inTemporaryFolder(async (folder) => {
    const stack = await session.stack.copiedTo(folder, false);
    return plan(await forgetLost({ ...session, stack }, [], { asked }));
  });
}

/**
 * What a run puts right of it. The rest stays in the record as it was, so that it is still told of: what is not part of
 * the run, or lies in a region where nothing can be done.
 */
function driftDue(
  { changes, resources, engine }: UpPlan,
  { drift }: DriftLook,
  steps: readonly EngineStep[],
): readonly FoundDrift[] {
  // Where the engine refuses a resource, nodes come and go, and nothing is updated.
  const isRefused = (engine?.failures.length ?? 0) > 0;
  const planned = new Set(isRefused ? [] : resources.map(({ urn }) => urn));
  const nodes = new Set(
    changes.flatMap(({ kind, name }) => (kind === "create" || (kind === "update" && !isRefused) ? [name] : [])),
  );
  // What is gone and declared no more has no step. Left in the record it would stand in the way of every run.
  const known = new Set(steps.map(({ urn }) => urn));
  return drift.filter(
    ({ urn, node }) =>
      urn !== undefined && (planned.has(urn) || !known.has(urn) || (node !== undefined && nodes.has(node))),
  );
}

interface Agreed extends Pick<UpRun, "plan" | "request" | "regions" | "ended"> {
  fallback: KeptProject | undefined;
}

/** Does what was planned and agreed to. */
async function carriedOut(session: Session, { plan, request, regions, ended, fallback }: Agreed): Promise<UpResult> {
  const fleetSecret = await prepareStack(session, plan);
  // Each batch of a roll is proven before the next, and so is what is put back: such a run waits.
  const isRoll = plan.changes.some(({ kind }) => kind === "replace");
  const wait = request.wait || isRoll || fallback !== undefined;
  const boots = bootsHosts(session);
  if (wait !== request.wait && boots)
    session.reporter.emit({
      type: "message",
      level: "info",
      message: `${isRoll ? "nodes are replaced one batch after the other, each proven" : "what fails is put back"}: this run waits in spite of --no-wait`,
    });
  const nodesFor = ({ definition, decisions: { pins, keyPair } }: UpPlan): UpRun["nodes"] => {
    if (!boots) return undefined;
    const { privateKeyPath } = keyPair;
    const access = fleetAccess({ session, definition, ssh: pins.ssh, fleetSecret, privateKeyPath });
    return { access, provisioner: new Provisioner(access, { wait }) };
  };
  const result = await carryOut({
    plan,
    request: { ...request, wait },
    nodes: nodesFor(plan),
    fallback: fallback && { project: fallback, nodesFor },
    regions,
    ended,
    stop: new AbortController(),
  });
  goneBetween(session, result.session).forEach(ended);
  return result;
}

/** Instances that the record has forgotten. */
function goneBetween(before: Session, after: Session): string[] {
  const left = new Set(after.state.nodes.map(({ instanceId }) => instanceId));
  return before.state.nodes.flatMap(({ instanceId }) => (left.has(instanceId) ? [] : [instanceId]));
}

function announce({ session, account, changes, resources, decisions, engine, drift }: UpPlan): void {
  session.reporter.emit({ type: "changes", stack: session.target.stack, account, changes, resources });
  for (const added of drift.filter(({ urn }) => urn === undefined))
    session.reporter.emit({ type: "message", level: "info", subject: "drift", message: driftLine(added) });
  for (const error of engine?.failures ?? [])
    session.reporter.emit({ type: "message", level: "error", message: error.message, error });
  for (const { region, error } of decisions.failedRegions) {
    session.reporter.emit({ type: "message", level: "error", subject: region, message: error.message, error });
  }
}
