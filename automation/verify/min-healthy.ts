import { SpotError } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { enoughNodes, type MinHealthy } from "../../fleet/config/min-healthy";
import { pluralize } from "../../fleet/text/words";
import type { Verification } from "./result";

export type { MinHealthy };

/** `80%` or `3`. @throws SpotError E_USAGE */
export function parseMinHealthy(text: string): MinHealthy {
  if (/^(\d{1,2}|100)%$/.test(text)) return text;
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new SpotError("E_USAGE", {
    message: `--min-healthy ${text}: it must be a percentage such as 80%, or a number of nodes`,
    next: "Run `spot help verify`.",
    step: outside("correct-command-line"),
  });
}

/**
 * @param looked how many nodes are looked at
 * @param all how many the fleet has
 * @throws SpotError E_USAGE when so many can never be verified
 */
export function assertPossible(min: MinHealthy, looked: number, all: number): void {
  if (enoughNodes(min, looked) <= looked) return;
  throw new SpotError("E_USAGE", {
    message: `--min-healthy ${min}: the fleet has ${pluralize(all, "node")}${looked < all ? `, and ${looked} of them would be looked at` : ""}`,
    next: `Give a number up to ${looked}, or a percentage.`,
    step: outside("correct-command-line"),
  });
}

/** Without `min` every node must be verified. No nodes at all are never healthy. */
export function isHealthy({ nodes, isVerified }: Verification, min: MinHealthy | undefined): boolean {
  if (min === undefined) return isVerified;
  const verified = nodes.filter((node) => node.isVerified).length;
  return nodes.length > 0 && verified >= enoughNodes(min, nodes.length);
}

/** What is answered for a fleet that is not healthy: failed only when something did fail. */
export function unhealthyCode({ outcome }: Pick<Verification, "outcome">): ExitCode {
  return outcome === "unknown" ? ExitCode.partial : ExitCode.verificationFailed;
}
