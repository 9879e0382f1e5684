import type { Check } from "../../fleet/checks";
import { naturalCompare } from "../../fleet/text/words";
import type { SandboxProvider } from "../../sandbox/control";
import type { Target } from "../target";
import type { CheckStatus, NodeVerification, Verification } from "./result";
import { combined } from "./scope";

/** The JSON document of `verify --json` and of the report that is kept. `version` changes when a reader would break. */
export interface VerificationReport extends Verification {
  version: 1;
  /** ISO 8601, UTC. */
  at: string;
  stack: string;
  /** In a sandbox: what served it as Pulumi's AWS provider. */
  provider?: Pick<SandboxProvider, "kind" | "version">;
  summary: {
    /** Of those looked at. */
    nodes: number;
    verified: number;
    failed: number;
    unknown: number;
    notLookedAt: number;
    checks: Record<CheckStatus, number>;
  };
  nodes: ReportedNode[];
}

export interface ReportedNode extends NodeVerification {
  /** When it was looked at: ISO 8601, UTC. */
  at: string;
}

/** Where a fleet is, as its report says it. */
type Place = Pick<VerificationReport, "stack" | "provider">;

/** Of a target, what its reports say. */
export function placeOf({ stack, sandbox }: Pick<Target, "stack" | "sandbox">): Place {
  if (!sandbox) return { stack };
  const { kind, version } = sandbox.provider;
  return { stack, provider: { kind, version } };
}

export function verificationReport(verification: Verification, about: Place & { at: Date }): VerificationReport {
  const at = about.at.toISOString();
  return reportOf({ ...verification, nodes: verification.nodes.map((node) => ({ ...node, at })) }, about, at);
}

/**
 * What is known of a fleet after another run: of each node the last result of the whole list, with its time. Results of
 * chosen checks, and of a list that ended early, change nothing in it; neither does one of another instance stay.
 * @param known from the runs before, of the same stack
 * @param fleet all nodes that there are now
 * @returns undefined when nothing is known of any node
 */
export function knownAfter(
  known: VerificationReport | undefined,
  latest: VerificationReport,
  fleet: readonly { name: string; instanceId: string }[],
): VerificationReport | undefined {
  const results = [...latest.nodes.filter(({ isWhole }) => isWhole), ...(known?.nodes ?? [])];
  if (results.length === 0) return undefined;
  const nodes = fleet
    .flatMap(({ name, instanceId }) => results.find((one) => one.node === name && one.instanceId === instanceId) ?? [])
    .sort((a, b) => naturalCompare(a.node, b.node));
  const verification = combined(nodes, {
    fleet: fleet.map(({ name }) => name).sort(naturalCompare),
    outcomeOf: () => "skipped",
  });
  const at = nodes.map((node) => node.at).reduce((a, b) => (a > b ? a : b), known?.at ?? "");
  return reportOf({ ...verification, nodes }, latest, at || latest.at);
}

function reportOf(
  verification: Omit<Verification, "nodes"> & { nodes: ReportedNode[] },
  { stack, provider }: Place,
  at: string,
): VerificationReport {
  const { nodes } = verification;
  const count: Record<CheckStatus, number> = { ok: 0, failed: 0, unknown: 0, warning: 0, info: 0, skipped: 0 };
  for (const { results } of nodes) for (const { status } of results) count[status] += 1;
  return {
    version: 1,
    at,
    stack,
    ...(provider && { provider }),
    summary: {
      nodes: nodes.length,
      verified: nodes.filter(({ isVerified }) => isVerified).length,
      failed: nodes.filter(({ outcome }) => outcome === "failed").length,
      unknown: nodes.filter(({ outcome }) => outcome === "unknown").length,
      notLookedAt: verification.notLookedAt.length,
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
