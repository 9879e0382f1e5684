import type { KeptProject } from "../../../project/kept-project";
import { exclusively } from "../../session/run-lock";
import { bootsHosts, fleetRegions, type Session } from "../../session";
import { withDeregistration } from "../run/deregister-nodes";
import { tellCost } from "../inspect/cost";
import { fleetAccess } from "../nodes/fleet-access";
import { Provisioner } from "../nodes/provisioner";
import { confirmed, limited, planUp, refuseStaleBuild, type UpPlan, type UpRequest } from "../plan/plan-up";
import { workable } from "../plan/workable";
import { holdsNothing } from "../../engine/state";
import { removeInTheWay } from "../run/drift";
import { noted } from "../run/noted";
import { prepareStack } from "../plan/prepare-stack";
import { recover } from "../run/recover";
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
  const { session, look, found } = await recover(opened, regions, { asksForDrift: true });
  goneBetween(opened, session).forEach(ended);
  // What is recorded is the engine's to judge. Where nothing is, there is only to create.
  const whole = await planUp(session, request, !holdsNothing(session.state), found);
  const plan = await workable(limited(whole, opened, request.part), request.config);
  // Half a plan, or a question, is of no use to who wants to stop.
  session.interrupts.soft.throwIfAborted();
  announce(plan);
  const fallback = request.rollback && changesWhatStands(plan) ? await fallbackOf(session) : undefined;
  if (plan.changes.some(({ kind }) => kind !== "same")) {
    await tellCost(
      session,
      plan.changes.flatMap(({ to }) => to?.pin.pool ?? []),
      "the fleet will cost",
    );
  }
  await confirmed(plan);
  return noted(session, look.regions, async () => {
    await removeInTheWay(session, plan, look.parts);
    return carriedOut(session, { plan, request, regions, ended, fallback });
  });
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

function announce({ session, account, changes, resources, decisions, engine }: UpPlan): void {
  session.reporter.emit({ type: "changes", stack: session.target.stack, account, changes, resources });
  for (const error of engine?.failures ?? [])
    session.reporter.emit({ type: "message", level: "error", message: error.message, error });
  for (const { region, error } of decisions.failedRegions) {
    session.reporter.emit({ type: "message", level: "error", subject: region, message: error.message, error });
  }
}
