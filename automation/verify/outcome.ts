import type { CheckStatus } from "../../fleet/checks";

/**
 * How the checks of a node, or of a fleet, ended as a whole; from the worst. `unknown`: nothing failed, but something
 * could not be looked at. `skipped`: nothing failed, but checks were left out.
 */
export const outcomes = ["failed", "unknown", "skipped", "verified"] as const;
export type Outcome = (typeof outcomes)[number];

/** Of a node, by the results of its checks. */
export function outcomeOf(results: readonly { status: CheckStatus }[]): Outcome {
  const found = new Set(results.map(({ status }) => status));
  // What was skipped because of a check that failed or is unknown is told by that one.
  if (found.has("failed")) return "failed";
  if (found.has("unknown")) return "unknown";
  return found.size === 0 || found.has("skipped") ? "skipped" : "verified";
}

/** Of a fleet: the worst of its nodes. One without nodes is not verified. */
export function together(ofNodes: readonly Outcome[]): Outcome {
  return outcomes.find((outcome) => ofNodes.includes(outcome)) ?? "skipped";
}
