import type { Check } from "../../fleet/checks";
import type { CheckStatus, Verification } from "./result";

/** The JSON document of `verify --json` and of the report that is kept. `version` changes when a reader would break. */
export interface VerificationReport extends Verification {
  version: 1;
  /** ISO 8601, UTC. */
  at: string;
  stack: string;
  summary: { nodes: number; verified: number; failed: number; unknown: number; checks: Record<CheckStatus, number> };
}

export function verificationReport(verification: Verification, about: { stack: string; at: Date }): VerificationReport {
  const { nodes } = verification;
  const count: Record<CheckStatus, number> = { ok: 0, failed: 0, unknown: 0, warning: 0, info: 0, skipped: 0 };
  for (const { results } of nodes) for (const { status } of results) count[status] += 1;
  return {
    version: 1,
    at: about.at.toISOString(),
    stack: about.stack,
    summary: {
      nodes: nodes.length,
      verified: nodes.filter(({ isVerified }) => isVerified).length,
      failed: nodes.filter(({ outcome }) => outcome === "failed").length,
      unknown: nodes.filter(({ outcome }) => outcome === "unknown").length,
      checks: count,
    },
    ...verification,
  };
}

/** What `verify --list` shows of one check. */
export type CheckRow = Pick<Check, "id" | "title" | "phase" | "needs" | "severity" | "where">;

/** Checks as rows, for the table of `verify --list`. */
export function checkRows(checks: readonly Check[]): CheckRow[] {
  return checks.map(({ id, title, phase, needs, severity, where }) => ({ id, title, phase, needs, severity, where }));
}
