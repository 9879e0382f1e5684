import { isOfAws } from "../../../fleet/aws/resource-types";
import { errorInfo, SpotError, type ErrorInfo } from "../../../fleet/errors";
import { pluralize } from "../../../fleet/text/words";
import type { FleetObject } from "../../../cloud/resources/find";
import type { HeldVpc } from "../../../cloud/resources/strangers";
import { interruption } from "../../session/interrupts";
import { rememberConfig } from "../../session/last-config";
import type { UnexplainedObject } from "../../session/orphans";
import { exclusively } from "../../session/run-lock";
import { fleetRegions, type Session } from "../../session";
import { tellCost } from "../inspect/cost";
import { holdsNothing, recordUrn, refOf } from "../../engine/state";
import { restoreOwner } from "../plan/prepare-stack";
import { withDeregistration } from "../run/deregister-nodes";
import { createError, failureInfo, nodeListener } from "../run/engine-events";
import { noted } from "../run/noted";
import { clearBrokenRun } from "../run/recover";
import { deleteByTags } from "./delete-by-tags";
import { forgetStack } from "./forget-stack";
import { staysFor, tellHeld } from "./held";
import { coverageOf, proofOf } from "./proof";
import { isProven, type DownRequest, type DownResult } from "./result";
import { explainedBy, idsOf, lookAtScope, scopeOf, type Scope } from "./scope";
import { isSearch, searchByName } from "./search";

export { isProven, type DownRequest, type DownResult } from "./result";

/**
 * Ends everything of the fleet, or a part of it, and proves it by listing again: first by the state, then by the
 * lineage's tag what the state or a run of ours explains. Needs neither config.yaml nor the payload.
 * @throws SpotError E_STATE of class `leftover` when the state cannot be believed; E_DECLINED, E_LOCKED, E_CREDENTIALS, E_USAGE for a pattern that fits no node
 */
export function down(opened: Session, request: DownRequest = {}): Promise<DownResult> {
  return exclusively(opened, () =>
    withDeregistration(opened, request.clusterApi, (ended) => downAlone(opened, request, ended)),
  );
}

/** @param ended told of each instance that this run ends */
async function downAlone(
  opened: Session,
  request: DownRequest,
  ended: (instanceId: string) => void,
): Promise<DownResult> {
  const { account } = opened.identity;
  refuseLost(opened);
  const { session } = await clearBrokenRun(opened);
  if (isSearch(session, request)) {
    const result = { account, ...(await searchByName(session)) };
    return session.stackExists && result.namesakes.length === 0 && isProven(result)
      ? { ...result, setAside: await forgetStack(session, []) }
      : result;
  }
  const { scope, looked, found, unexplained } = await scopeOf(session, request);
  session.interrupts.soft.throwIfAborted();
  await confirmed(session, account, found);
  rememberConfig(session);
  restoreOwner(session);
  return noted(session, looked, () => ending(session, { request, account, scope, found, unexplained, ended }));
}

/** What a `down` is about, and what it leaves alone. */
interface Ending {
  request: DownRequest;
  account: string;
  scope: Scope;
  found: FleetObject[];
  unexplained: UnexplainedObject[];
  ended: (instanceId: string) => void;
}

async function ending(
  session: Session,
  { request, account, scope, found, unexplained, ended }: Ending,
): Promise<DownResult> {
  const partial = request.nodes !== undefined || request.region !== undefined;
  session.reporter.emit({
    type: "expected",
    nodes: session.state.nodes
      .map(refOf)
      .filter(({ name, region }) => scope.regions.includes(region) && (scope.nodes?.has(name) ?? true)),
  });
  const held = await tellHeld(session, session.lineage, found, idsOf(unexplained));
  const failures = await destroyRecorded(session, { scope, partial, ended, held });
  if (!session.interrupts.soft.aborted) {
    const left = explainedBy(session, (await lookAtScope(session, scope)).own);
    await deleteByTags(
      session,
      left.found.filter((object) => !staysFor(held, object)),
    );
  }
  const result = { account, found, failures, partial, held, ...(await proofOf(session, scope)) };
  endedInstances(result).forEach(ended);
  const interrupted = session.interrupts.soft.aborted;
  if (interrupted) failures.push(interruption(session.interrupts));
  return isProven(result) && !interrupted && !partial
    ? { ...result, setAside: await forgetStack(session, result.others) }
    : result;
}

function endedInstances({ found, leftovers }: Pick<DownResult, "found" | "leftovers">): string[] {
  const left = new Set(leftovers.map(({ id }) => id));
  return found.flatMap(({ kind, id }) => (kind === "instance" && !left.has(id) ? [id] : []));
}

/** What `down` would end. Changes nothing. @throws SpotError E_CREDENTIALS, E_USAGE */
export async function planDown(
  session: Session,
  request: DownRequest,
): Promise<Pick<DownResult, "account" | "found" | "unexplained" | "held" | "namesakes" | "notLookedAt">> {
  const { account } = session.identity;
  refuseLost(session);
  if (isSearch(session, request)) {
    const { found, namesakes, notLookedAt } = await searchByName(session);
    return { account, found, unexplained: [], held: [], namesakes, notLookedAt };
  }
  const { scope, looked, found, unexplained } = await scopeOf(session, request);
  const held = await tellHeld(session, session.lineage, found, idsOf(unexplained));
  const { notLookedAt } = coverageOf(looked, fleetRegions(session, session.configured), scope.everywhere);
  return { account, found, unexplained, held, namesakes: [], notLookedAt };
}

/** Of a fleet whose record cannot be believed nothing is ended, and something is left. @throws SpotError E_STATE, exit code 8 */
function refuseLost({ lost }: Session): void {
  if (lost)
    throw new SpotError("E_STATE", {
      message: lost.message,
      cause: lost.cause,
      next: lost.next,
      step: lost.step,
      class: "leftover",
    });
}

async function destroyRecorded(
  session: Session,
  {
    scope,
    partial,
    ended,
    held,
  }: { scope: Scope; partial: boolean; ended: (instanceId: string) => void; held: HeldVpc[] },
): Promise<ErrorInfo[]> {
  const target = partial || held.length > 0 ? recordedIn(session, scope, held) : undefined;
  if (holdsNothing(session.state) || target?.length === 0) return [];
  // What could not be ended still belongs to the fleet: its record goes with the stack.
  const exclude = target === undefined && session.state.record ? [recordUrn(session.target.stack)] : undefined;
  const listener = nodeListener(session, { deleted: ended });
  const outcome = await session.stack.destroy({ target, exclude, listener });
  const failures = outcome.failures.map(failureInfo);
  // Tags tell what is still there, and end it: what could not be recorded is no reason to leave it running.
  if (outcome.unsaved !== undefined) {
    const error = errorInfo(createError(outcome, session));
    session.reporter.emit({ type: "message", level: "error", subject: "state", message: error.message, error });
    return [...failures, error];
  }
  if (outcome.programErrors.length > 0 && !outcome.interrupted) throw createError(outcome, session);
  return failures;
}

/** URNs of the part: the nodes with their components, and for a region its network too, unless somebody holds it. */
function recordedIn({ state }: Session, { regions, nodes }: Scope, held: HeldVpc[]): string[] {
  const instances = state.nodes.filter(
    ({ name, pin }) => regions.includes(pin.pool.region) && (nodes === undefined || nodes.has(name)),
  );
  const whole = new Set(
    nodes === undefined ? regions.filter((region) => !held.some((one) => one.region === region)) : [],
  );
  const components = new Set([...instances.map(({ name }) => name), ...whole]);
  const parts = state.resources.filter(({ custom, type, name, inputs }) =>
    custom
      ? isOfAws(type) && whole.has(inputs.region as string)
      : type.startsWith("spot-deployer:infra:") && components.has(name),
  );
  return [...new Set([...instances, ...parts].map(({ urn }) => urn))];
}

async function confirmed(session: Session, account: string, found: FleetObject[]): Promise<void> {
  if (session.target.kind === "sandbox") return;
  const instances = found.filter(({ kind }) => kind === "instance").length;
  if (found.length === 0 && holdsNothing(session.state)) return;
  await tellCost(
    session,
    session.state.nodes.map(({ pin }) => pin.pool),
    "the fleet costs",
  );
  const message = `Account ${account}, stack ${session.target.stack}: end ${pluralize(instances, "instance")} and delete ${pluralize(found.length - instances, "other resource")}?`;
  if (!(await session.reporter.confirm({ message, unattended: false })))
    throw new SpotError("E_DECLINED", "nothing was changed");
}
