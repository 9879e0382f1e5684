import { pluralize } from "../../fleet/text/words";
import { together, type Outcome } from "./outcome";
import type { NodeVerification, Verification } from "./result";

/** What there was to look at, beside the nodes that were. */
export interface Scope {
  /** Names of all nodes of the fleet. */
  fleet: readonly string[];
  /** Of the list; absent: all. */
  checks?: { chosen: number; of: number };
  /** Why it ended early, a phrase each. */
  early?: readonly string[];
  /** What counts for a node that was not looked at. Absent: it was not asked for, and does not count. */
  outcomeOf?: (node: string) => Outcome | undefined;
}

/** Nodes that were looked at as one result, with what was not. */
export function combined(
  nodes: readonly NodeVerification[],
  { fleet, checks = { chosen: 0, of: 0 }, early = [], outcomeOf = () => undefined }: Scope,
): Verification {
  const looked = new Set(nodes.map(({ node }) => node));
  const notLookedAt = fleet.filter((name) => !looked.has(name));
  const leftOut = [
    ...(checks.chosen < checks.of ? [`${checks.of - checks.chosen} of ${pluralize(checks.of, "check")}`] : []),
    ...(notLookedAt.length > 0 ? [`${notLookedAt.length} of ${pluralize(fleet.length, "node")}`] : []),
    ...new Set(early),
  ];
  const outcome = together([
    ...nodes.map((node) => node.outcome),
    ...notLookedAt.flatMap((name) => outcomeOf(name) ?? []),
  ]);
  return {
    nodes: [...nodes],
    isVerified: outcome === "verified",
    outcome,
    isWhole: nodes.length > 0 && notLookedAt.length === 0 && nodes.every(({ isWhole }) => isWhole),
    leftOut,
    notLookedAt,
  };
}
