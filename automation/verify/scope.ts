import { isDeepStrictEqual } from "node:util";
import { spot, type Step } from "../../fleet/steps";
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
  const step = stepOf(nodes);
  return {
    nodes: [...nodes],
    isVerified: outcome === "verified",
    outcome,
    isWhole: nodes.length > 0 && notLookedAt.length === 0 && nodes.every(({ isWhole }) => isWhole),
    leftOut,
    notLookedAt,
    ...(step === undefined ? {} : { step }),
  };
}

/**
 * The step of each node's first failure, which is the cause of those that follow from it. Where these are several, one
 * command replaces all that is to be replaced; of others the first comes first.
 */
function stepOf(nodes: readonly NodeVerification[]): Step | undefined {
  const steps = nodes.flatMap(
    ({ results }) => results.find(({ status }) => status === "failed" || status === "unknown")?.step ?? [],
  );
  const [first, ...others] = steps;
  const isAlike = others.every((step) => isDeepStrictEqual(step, first));
  const replaces = steps.every((step) => "command" in step && step.command === "replace");
  return !isAlike && replaces ? spot("repair") : first;
}
