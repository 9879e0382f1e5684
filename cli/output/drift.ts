import type { Drift } from "../../fleet/drift/types";
import { driftLine } from "../../fleet/drift/words";

/** What was done outside this tool, a line each, with what ends it. */
export function driftLines(drift: readonly Drift[]): string[] {
  return drift.map((one) => `drift: ${driftLine(one)}`);
}
