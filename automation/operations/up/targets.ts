import type { DesiredNode } from "../../../fleet/plan/changes";
import type { UpOptions } from "../../engine/stack";
import { urnParts } from "../../engine/events";
import { INSTANCE_TYPE, networkUrns, nodeNameOf, NODE_TYPE, nodeUrns } from "../../engine/state";
import type { Session } from "../../session";
import { declaredPins } from "./declared";
import type { Progress, UpRun } from "./progress";

/** What an engine run is about. */
export type RunScope = Pick<UpOptions, "target" | "replace">;

/** URNs of the nodes that are recorded: one that turned out to be gone has none. */
export function urnsOf({ state }: Session, names: Iterable<string>): string[] {
  const urnOf = new Map(state.nodes.map(({ name, urn }) => [name, urn]));
  return [...names].flatMap((name) => urnOf.get(name) ?? []);
}

/** Nodes that are to be there and are not recorded, never made or gone meanwhile, of those that are chosen. */
export function missingNodes(
  { session, changes }: Pick<Progress, "session" | "changes">,
  isChosen: (name: string) => boolean,
): DesiredNode[] {
  const recorded = new Set(session.state.nodes.map(({ name }) => name));
  return changes.flatMap(({ name, to }) => (to && isChosen(name) && !recorded.has(name) ? [to] : []));
}

/**
 * URNs of nodes that are to be made, with the network of every region that had none when the run began.
 * @param before the session as the run found it
 */
export function missingUrns(before: Session, missing: readonly DesiredNode[]): string[] {
  return [
    ...missing.flatMap(({ slot, pin }) => nodeUrns(before.target.stack, slot.name, pin.pool.market)),
    ...newNetworks(
      before,
      missing.map(({ pin }) => pin.pool.region),
    ),
  ];
}

/** URNs of the networks of those regions that had none when the run began. */
function newNetworks({ target, state }: Session, regions: readonly string[]): string[] {
  const isNew = (region: string): boolean => !state.regions.includes(region);
  return [...new Set(regions.filter(isNew))].flatMap((region) => networkUrns(target.stack, region));
}

/** URNs of what a part's nodes depend on and is not there: the component around a new network is no resource of AWS. */
export function neededUrns({ session, resources }: UpRun["plan"]): string[] {
  return [
    ...resources.map(({ urn }) => urn),
    ...newNetworks(
      session,
      resources.flatMap(({ region }) => region ?? []),
    ),
  ];
}

/**
 * What is left after an engine run that failed: the same, with its nodes that are missing where they go now, and with
 * those that stood and were lost meanwhile. What it has replaced already is not replaced again. A run on everything stays
 * one: it began with nothing.
 * @param last what that run was about
 */
export function remainingScope({ plan }: UpRun, at: Progress, last: RunScope): RunScope {
  if (last.target === undefined) return last;
  const before = plan.session.state.nodes;
  const ids = new Set(before.map(({ instanceId }) => instanceId));
  const replace = at.session.state.nodes
    .filter(({ urn, instanceId }) => last.replace?.includes(urn) && ids.has(instanceId))
    .map(({ urn }) => urn);
  const own = new Set([...before.map(({ name }) => name), ...last.target.flatMap(nodeOfUrn)]);
  const missing = missingNodes(at, (name) => own.has(name) && !at.pending.has(name));
  return {
    target: [...new Set([...last.target, ...lostSince(plan, at), ...missingUrns(plan.session, missing)])],
    ...(replace.length > 0 ? { replace } : {}),
  };
}

/** What stood when the run began, is to stay, and turned out to be gone; nodes are missing by their names. */
function lostSince({ session, engine }: UpRun["plan"], at: Progress): string[] {
  // A part makes nothing but its nodes.
  if (engine === undefined) return [];
  const recorded = urnsRecorded(at.session);
  const leaving = urnsLeaving(engine);
  return session.state.resources
    .filter(({ urn, custom }) => custom && !recorded.has(urn) && !leaving.has(urn) && nodeOfUrn(urn).length === 0)
    .map(({ urn }) => urn);
}

/**
 * The scope without what is gone and comes no more: what has been deleted, and a node's instance of the market that it
 * left. The engine fails a run with a target that is neither recorded nor declared.
 */
export function stillThere({ plan }: UpRun, at: Progress, scope: RunScope): RunScope {
  if (scope.target === undefined) return scope;
  const { session } = at;
  const recorded = urnsRecorded(session);
  const declared = new Set(
    Object.entries(declaredPins(at).nodes).flatMap(([name, { pool }]) =>
      nodeUrns(session.target.stack, name, pool.market),
    ),
  );
  const leaving = urnsLeaving(plan.engine);
  const isNode = (urn: string): boolean => nodeOfUrn(urn).length > 0;
  return {
    ...scope,
    target: scope.target.filter((urn) => recorded.has(urn) || (isNode(urn) ? declared.has(urn) : !leaving.has(urn))),
  };
}

export const urnsRecorded = ({ state }: Session): Set<string> => new Set(state.resources.map(({ urn }) => urn));

const urnsLeaving = (engine: UpRun["plan"]["engine"]): Set<string> =>
  new Set(engine?.steps.flatMap(({ urn, op }) => (op === "delete" ? [urn] : [])));

function nodeOfUrn(urn: string): string[] {
  const { type, name } = urnParts(urn);
  if (type === NODE_TYPE) return [name];
  return type === INSTANCE_TYPE ? [nodeNameOf(name)] : [];
}
