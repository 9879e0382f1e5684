import { SpotError } from "../../fleet/errors";
import { ExitCode } from "../../fleet/errors/exit-codes";
import type { Verification } from "./result";

/** How many nodes must be verified for the fleet to count as healthy: a share of them, or a number. */
export type MinHealthy = { percent: number } | { nodes: number };

/** `80%` or `3`. @throws SpotError E_USAGE */
export function parseMinHealthy(text: string): MinHealthy {
  const percent = /^(\d{1,3})%$/.exec(text)?.[1];
  if (percent !== undefined && Number(percent) <= 100) return { percent: Number(percent) };
  if (/^\d{1,6}$/.test(text)) return { nodes: Number(text) };
  throw new SpotError("E_USAGE", `--min-healthy ${text}: it must be a percentage such as 80%, or a number of nodes.`);
}

/** Without `min` every node must be verified. No nodes at all are never healthy. */
export function isHealthy({ nodes, isVerified }: Verification, min: MinHealthy | undefined): boolean {
  if (min === undefined) return isVerified;
  const verified = nodes.filter((node) => node.isVerified).length;
  return nodes.length > 0 && verified >= ("nodes" in min ? min.nodes : (nodes.length * min.percent) / 100);
}

/** What is answered for a fleet that is not healthy: failed only when something did fail. */
export function unhealthyCode({ outcome }: Pick<Verification, "outcome">): ExitCode {
  return outcome === "unknown" ? ExitCode.partial : ExitCode.verificationFailed;
}
