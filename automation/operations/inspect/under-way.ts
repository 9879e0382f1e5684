import { shortName } from "../../../fleet/identity/ownership";
import { fileLockOwners, lockState, type LockOwner } from "../../engine/lock";
import { INSTANCE_TYPE, nodeNameOf, stateOf, type StateNode, type StackState } from "../../engine/state";
import { urnParts } from "../../engine/events";
import type { Session } from "../../session";

/** What a run is doing with an instance: making it, ending it, or making another in its place. */
export type UnderWay = "creating" | "replacing" | "ending";

/** What a run has begun and not come to record. */
export interface BegunSteps {
  /** Nodes whose instance was ended to be made anew, and is not made yet: to the record they are no nodes any more. */
  awaited: StateNode[];
  /** Names of the nodes of which an instance is being made. */
  creating: ReadonlySet<string>;
  /** Ids of instances that something else is done to. */
  changing: ReadonlySet<string>;
}

/** What the record tells of steps that were begun: by a run that is at work, or one that was broken off. */
export function begunSteps({ resources, nodes, pending }: StackState): BegunSteps {
  const known = new Set(nodes.map(({ instanceId }) => instanceId));
  const ended = resources.filter(
    ({ type, custom, id }) => custom && type === INSTANCE_TYPE && id !== "" && !known.has(id),
  );
  // The same reading of a resource as of those that stand.
  const awaited = stateOf({ deployment: { resources: ended } }).nodes;
  const begun = pending.filter(({ type }) => type === INSTANCE_TYPE);
  const changed = new Set(begun.flatMap(({ urn, creating }) => (creating ? [] : urn)));
  return {
    awaited,
    creating: new Set(begun.flatMap(({ urn, creating }) => (creating ? nodeNameOf(urnParts(urn).name) : []))),
    changing: new Set(nodes.flatMap(({ urn, instanceId }) => (changed.has(urn) ? instanceId : []))),
  };
}

/** Is a run at work on the stack, as far as can be told without disturbing it? */
export function isAtWork({ target }: Pick<Session, "target">): boolean {
  return fileOwners(target.env.PULUMI_BACKEND_URL, target.stack).some((owner) => lockState(owner) !== "dead");
}

/** Is no run at work on the stack, for certain? Only a file backend tells who holds it without being disturbed. */
export function isAtRest({ target }: Session): boolean {
  return (target.env.PULUMI_BACKEND_URL ?? "").startsWith("file://") && !isAtWork({ target });
}

const fileOwners = (backend = "", stack: string): LockOwner[] =>
  backend.startsWith("file://") ? fileLockOwners(backend, shortName(stack)) : [];
