import type { NodeChange } from "../plan/changes";
import type { Explanations } from "../plan/resource-changes";
import { isStopped } from "./compare";
import type { FoundDrift } from "./types";
import { driftWords } from "./words";

/** Why a plan has a change, where something was done outside this tool: `drift: rule … was removed outside this tool`. */
export function driftReason(drift: FoundDrift): string {
  return `drift: ${driftWords(drift)}`;
}

/** The reasons for changes of resources that are no nodes, by URN. */
export function driftExplanations(drift: readonly FoundDrift[]): Explanations {
  return new Map(
    drift.flatMap((one) =>
      one.urn === undefined ? [] : [[one.urn, { reason: driftReason(one), properties: one.properties }] as const],
    ),
  );
}

/**
 * The changes with those nodes replaced whose instances stand still: the record and the engine take them for sound. They
 * come first, so that no node is taken away while another one stands still.
 */
export function withStopped(changes: readonly NodeChange[], drift: readonly FoundDrift[]): NodeChange[] {
  const stopped = byNode(drift.filter(isStopped));
  const stands = (change: NodeChange): boolean => !stopped.has(change.name);
  const replaced = changes.map((change): NodeChange => {
    const reason = stopped.get(change.name);
    return change.kind === "same" && reason !== undefined ? { ...change, kind: "replace", reason } : change;
  });
  return [...replaced.filter((change) => !stands(change)), ...replaced.filter(stands)];
}

/** The changes with the reasons that lie outside: a property that was changed there is named after what happened to it. */
export function explained(changes: readonly NodeChange[], drift: readonly FoundDrift[]): NodeChange[] {
  const reasons = byNode(drift);
  return changes.map((change): NodeChange => {
    const reason = reasons.get(change.name);
    const isOther = change.kind === "same" || change.kind === "delete" || change.reason === reason;
    if (reason === undefined || isOther) return change;
    const others = change.reason === undefined || OUTSIDE.has(change.reason) ? [] : [change.reason];
    return { ...change, reason: [...others, reason].join(", ") };
  });
}

/** What the engine's plan says of a change that is nothing but drift. */
const OUTSIDE: ReadonlySet<string> = new Set(["", "security groups"]);

function byNode(drift: readonly FoundDrift[]): ReadonlyMap<string, string> {
  return new Map(drift.flatMap((one) => (one.node === undefined ? [] : [[one.node, driftReason(one)] as const])));
}
