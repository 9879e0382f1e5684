import type { DesiredNode } from "../../../fleet/plan/changes";
import type { UpOptions } from "../../engine/stack";
import { networkUrns, nodeUrns } from "../../engine/state";
import type { Session } from "../../session";
import type { Progress, UpRun } from "./progress";

/** Which resources an engine run is about. */
export type EngineScope = Pick<UpOptions, "target" | "exclude" | "replace">;

/** URNs of the nodes that are recorded: one that turned out to be gone has none. */
export function urnsOf({ state }: Session, names: Iterable<string>): string[] {
  const urnOf = new Map(state.nodes.map(({ name, urn }) => [name, urn]));
  return [...names].flatMap((name) => urnOf.get(name) ?? []);
}

/** Everything but the nodes that wait for their turn to be replaced. */
export function allButPending({ session, pending }: Progress): EngineScope {
  return pending.size === 0 ? {} : { exclude: urnsOf(session, pending) };
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
export function missingUrns({ target, state }: Session, missing: readonly DesiredNode[]): string[] {
  const regions = new Set(
    missing.map(({ pin }) => pin.pool.region).filter((region) => !state.regions.includes(region)),
  );
  return [
    ...missing.flatMap(({ slot, pin }) => nodeUrns(target.stack, slot.name, pin.pool.market)),
    ...[...regions].flatMap((region) => networkUrns(target.stack, region)),
  ];
}

/**
 * What is left after an engine run that failed: what is missing, or still waits to be replaced. Nodes whose turn has not
 * come are left alone.
 * @param last what that run was about
 */
export function remainingScope({ plan, request }: UpRun, at: Progress, last: EngineScope): EngineScope {
  if (!request.part) return allButPending(at);
  const before = new Set(plan.session.state.nodes.map(({ instanceId }) => instanceId));
  const replace = at.session.state.nodes
    .filter(({ urn, instanceId }) => last.replace?.includes(urn) && before.has(instanceId))
    .map(({ urn }) => urn);
  const missing = missingUrns(
    plan.session,
    missingNodes(at, (name) => !at.pending.has(name)),
  );
  return { target: [...replace, ...missing], ...(replace.length > 0 ? { replace } : {}) };
}
