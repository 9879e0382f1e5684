import { naturalCompare } from "../../../fleet/text/words";
import type { EngineStep } from "../../engine/events";
import { INSTANCE_TYPE, nodeNameOf, type StateNode } from "../../engine/state";

/** What became of the nodes that a run touched: the names of each kind. */
export interface Done {
  created: string[];
  /** Another instance has its place. */
  replaced: string[];
  /** In place. */
  updated: string[];
  deleted: string[];
}

type Recorded = readonly Pick<StateNode, "name" | "instanceId">[];

/** @param steps of all engine runs between the two records */
export function doneBetween(before: Recorded, after: Recorded, steps: readonly EngineStep[]): Done {
  const was = idsOf(before);
  const is = idsOf(after);
  const updated = new Set(
    steps.flatMap(({ type, name, op }) => (type === INSTANCE_TYPE && op === "update" ? [nodeNameOf(name)] : [])),
  );
  const names = [...new Set([...was.keys(), ...is.keys()])].sort(naturalCompare);
  return {
    created: names.filter((name) => !was.has(name)),
    replaced: names.filter((name) => was.has(name) && is.has(name) && was.get(name) !== is.get(name)),
    updated: names.filter((name) => updated.has(name) && was.get(name) === is.get(name)),
    deleted: names.filter((name) => !is.has(name)),
  };
}

const idsOf = (nodes: Recorded): Map<string, string> =>
  new Map(nodes.map(({ name, instanceId }) => [name, instanceId]));
