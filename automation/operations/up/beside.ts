import { isDeepStrictEqual } from "node:util";
import { isOfAws } from "../../../fleet/aws/resource-types";
import { errorInfo, SpotError, type ErrorInfo } from "../../../fleet/errors";
import { kindOf, shortType, type ChangeKind } from "../../../fleet/plan/resource-changes";
import { INSTANCE_TYPE, NODE_TYPE, nodeNameOf, type StateNode } from "../../engine/state";
import type { EngineStep } from "../../engine/events";
import { askEngine, endsNode, isOutside, regionOf, type EnginePlan } from "../plan/engine-plan";
import { declaredPins } from "./declared";
import { runEngine, type Planner, type Ran } from "./engine-run";
import { isStopped, type Progress, type UpRun } from "./progress";
import { missingNodes, missingUrns, neededUrns, urnsOf, urnsRecorded } from "./targets";

/**
 * Everything that is no replacement of a node. The engine is given nothing but what was agreed to: what is created by
 * name; where something is updated, by the plan too, for only that keeps an update from becoming a replacement.
 */
export async function besideReplacements(run: UpRun, at: Progress): Promise<Ran> {
  const { engine, session } = run.plan;
  if (run.request.part)
    return creating(run, at, [...missingUrns(session, missingNodes(at, isCreated(at))), ...neededUrns(run.plan)]);
  if (engine === undefined) return runEngine(run, at, {});
  if (engine.failures.length > 0) return despiteRefusal(run, at);
  const { creates, others } = stepsFor(engine, at);
  const created = await creating(run, at, urns(creates));
  if (isStopped(run)) return created;
  const failed = failedRegions(created.at, creates);
  const possible = others.filter((step) => isOutside(step, failed));
  const rest = await changing(run, created.at, possible, engine);
  return { at: rest.at, ok: created.ok && rest.ok };
}

/**
 * After a roll: what nodes stood in that waited for their turn, in the regions where none of their instances is left.
 * @param start before the roll
 */
export async function afterReplacements(run: UpRun, start: Progress, at: Progress): Promise<Progress> {
  const { engine } = run.plan;
  if (engine === undefined || engine.failures.length > 0 || isStopped(run)) return at;
  const left = new Set(at.session.state.nodes.map(({ instanceId }) => instanceId));
  const occupied = regionsOf(waitingNodes(start).filter(({ instanceId }) => left.has(instanceId)));
  const waiting = stepsFor(engine, start).waiting.filter((step) => !occupied.has(regionOf(step)));
  return waiting.length === 0 ? at : (await changing(run, at, waiting, engine)).at;
}

/**
 * What was agreed to and stays to be done for now: what nodes still stand in that were not replaced, what depends on
 * something that failed, and all updates where the engine refuses a resource.
 * @param start before anything was done
 */
export function leftOver(run: UpRun, start: Progress, { session }: Progress): EngineStep[] {
  const { engine } = run.plan;
  if (engine === undefined) return [];
  const { creates, others, waiting } = stepsFor(engine, start);
  const recorded = urnsRecorded(session);
  const isLeft = (step: EngineStep): boolean => {
    const kind = kindOf(step);
    if (kind === "create" || kind === "delete") return !isNode(step) && recorded.has(step.urn) === (kind === "delete");
    // Of an update the record does not tell whether it was made.
    return kind === "update" && engine.failures.length > 0;
  };
  return [...creates, ...others, ...waiting].filter(isLeft);
}

const urns = (steps: readonly EngineStep[]): string[] => steps.map(({ urn }) => urn);

function isCreated({ changes }: Progress): (name: string) => boolean {
  const created = new Set(changes.filter(({ kind }) => kind === "create").map(({ name }) => name));
  return (name) => created.has(name);
}

async function creating(run: UpRun, at: Progress, target: string[]): Promise<Ran> {
  return target.length === 0 ? { at, ok: true } : runEngine(run, at, { target });
}

/** Where the engine refuses a resource as it is declared, nothing is updated: nodes come and go as they are asked for. */
async function despiteRefusal(run: UpRun, from: Progress): Promise<Ran> {
  const { session, changes } = run.plan;
  const gone = changes.filter(({ kind }) => kind === "delete").map(({ name }) => name);
  const target = [...missingUrns(session, missingNodes(from, isCreated(from))), ...urnsOf(session, gone)];
  return { ...(await creating(run, from, target)), ok: false };
}

/** What is to be changed and waits for no turn. */
function stepsFor(
  { steps }: EnginePlan,
  at: Progress,
): { creates: EngineStep[]; others: EngineStep[]; waiting: EngineStep[] } {
  const { session, pending } = at;
  const changing = steps.filter((step) => kindOf(step) !== undefined && !isOf(pending, step));
  // Nothing that a node still stands in can go.
  const occupied = regionsOf(waitingNodes(at));
  const isWaiting = (step: EngineStep): boolean =>
    kindOf(step) === "delete" && !endsNode(step) && occupied.has(regionOf(step));
  // An instance that a former run ended and could not make again is recorded as a replacement, and is none.
  const standing = new Set(session.state.nodes.map(({ urn }) => urn));
  const isCreate = (step: EngineStep): boolean =>
    kindOf(step) === "create" || (kindOf(step) === "replace" && isInstance(step) && !standing.has(step.urn));
  return {
    creates: changing.filter(isCreate),
    others: changing.filter((step) => !isCreate(step) && !isWaiting(step)),
    waiting: changing.filter(isWaiting),
  };
}

const waitingNodes = ({ session, pending }: Progress): StateNode[] =>
  session.state.nodes.filter(({ name }) => pending.has(name));

const regionsOf = (nodes: readonly StateNode[]): ReadonlySet<string> =>
  new Set(nodes.map(({ pin }) => pin.pool.region));

const isInstance = ({ type }: EngineStep): boolean => type === INSTANCE_TYPE;
const isNode = (step: EngineStep): boolean => isInstance(step) || step.type === NODE_TYPE;

function isOf(pending: ReadonlySet<string>, step: EngineStep): boolean {
  return isInstance(step) && pending.has(nodeNameOf(step.name));
}

/** Regions in which something could not be made: what depends on it there cannot be changed either. */
function failedRegions({ session }: Progress, creates: readonly EngineStep[]): ReadonlySet<string> {
  const recorded = urnsRecorded(session);
  return new Set(creates.filter((step) => !recorded.has(step.urn) && !isNode(step)).map(regionOf));
}

/** Updates, replacements of what is no node, and deletions. */
async function changing(run: UpRun, at: Progress, steps: readonly EngineStep[], engine: EnginePlan): Promise<Ran> {
  const dependents = dependentsOf(steps, engine, at);
  const target = [...urns(steps), ...urns(dependents)];
  if (target.length === 0) return { at, ok: true };
  const mayGrow = dependents.length > 0 || steps.some((step) => kindOf(step) === "update");
  return runEngine(run, at, { target }, mayGrow ? plannerFor(run, steps, engine) : undefined);
}

/**
 * What stays in regions where something goes. The engine keeps whatever a resource that is no target was recorded to
 * depend on, and says nothing of it: a rule that is to go would stay.
 */
function dependentsOf(steps: readonly EngineStep[], { steps: all }: EnginePlan, { pending }: Progress): EngineStep[] {
  const going = steps.filter((step) => kindOf(step) === "delete" && isOfAws(step.type) && !endsNode(step));
  const regions = new Set(going.map(regionOf));
  return all.filter((step) => kindOf(step) === undefined && regions.has(regionOf(step)) && !isOf(pending, step));
}

/** The plan that was agreed to where the run is about all of it, else one of its own that goes no further. */
function plannerFor(run: UpRun, steps: readonly EngineStep[], engine: EnginePlan): Planner {
  const all = engine.steps.filter((step) => kindOf(step) !== undefined);
  return async (at, target) => {
    const pins = declaredPins(at);
    // The record of what is declared is part of a plan, too.
    const isAsPlanned = all.length === steps.length && isDeepStrictEqual(pins, engine.pins);
    if (at.outcomes.length === 0 && isAsPlanned && engine.document !== undefined) return { document: engine.document };
    const again = await askEngine(at.session, run.plan.definition, pins, { target });
    const [failure] = again.failures;
    if (failure) return { refused: failure };
    const beyond = unplanned(again.steps, steps);
    return beyond === undefined ? { document: again.document } : { refused: beyond };
  };
}

/** A replacement may turn out to be less; nothing may turn out to be more. */
function unplanned(now: readonly EngineStep[], agreed: readonly EngineStep[]): ErrorInfo | undefined {
  const kinds = new Map(agreed.map((step) => [step.urn, kindOf(step)]));
  const isWithin = (kind: ChangeKind, step: EngineStep): boolean => {
    const planned = kinds.get(step.urn);
    return kind === planned || (kind === "update" && planned === "replace") || !isOfAws(step.type);
  };
  for (const step of now) {
    const kind = kindOf(step);
    if (kind === undefined || isWithin(kind, step)) continue;
    return errorInfo(
      new SpotError("E_UNPLANNED", {
        message: `${shortType(step.type)} ${step.name} would be ${PAST[kind]} now, which was not planned`,
      }),
    );
  }
  return undefined;
}

const PAST: Record<ChangeKind, string> = {
  create: "created",
  update: "updated",
  replace: "replaced",
  delete: "deleted",
};
