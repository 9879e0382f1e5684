import type { Check, Phase } from "../../../fleet/checks";
import type { NodeRef } from "../../../fleet/model";
import type { Level, NodePhase, Reporter } from "../../../fleet/report/events";
import type { StateNode } from "../../engine/state";
import type { Outcome } from "../../verify/outcome";
import type { CheckResult, CheckStatus, NodeVerification, Verification } from "../../verify/result";
import { verify, type VerifyOptions, type VerifyTarget } from "../../verify/runner";
import type { FleetAccess } from "./fleet-access";

/** Runs the check list on these nodes, on one connection each, and tells of every result. */
export async function verifyNodes(
  access: FleetAccess,
  nodes: readonly StateNode[],
  options: Pick<VerifyOptions, "checks" | "whole" | "deadlineMs" | "patienceMs" | "onResult" | "before" | "after">,
): Promise<Verification> {
  const { reporter, interrupts } = access.session;
  const secrets = access.secretsOf(nodes);
  const targets = await access.targets(nodes);
  const tell = checkEvents(reporter, targets, options.checks);
  return verify(targets, {
    ...options,
    secrets,
    onResult: (node, result) => {
      // A check that was cut off tells nothing of its node.
      if (!interrupts.soft.aborted) tell(node, result);
      options.onResult?.(node, result);
    },
  });
}

/** Tells the reporter of the nodes that are checked, and then of each result as one of so many. */
function checkEvents(
  reporter: Reporter,
  targets: readonly VerifyTarget[],
  checks: readonly Check[],
): (node: NodeRef, result: CheckResult) => void {
  reporter.emit({ type: "expected", nodes: targets.map(({ ref }) => ref) });
  const asked = new Map(
    targets.map(({ ref, expectation }) => [ref.name, checks.filter(({ applies }) => applies?.(expectation) ?? true)]),
  );
  const over = new Map<string, CheckResult[]>();
  return (node, result) => {
    const { id, title, phase, status } = result;
    const all = asked.get(node.name) ?? [];
    const done = [...(over.get(node.name) ?? []), result];
    over.set(node.name, done);
    const inPhase = (list: readonly { phase: Phase }[]): number => list.filter((other) => other.phase === phase).length;
    reporter.emit({
      type: "check",
      node,
      id,
      title,
      phase,
      status,
      done: done.length,
      total: all.length,
      inPhase: { done: inPhase(done), total: inPhase(all) },
    });
  };
}

/** What is told of a node by the outcome of its checks. `of`: the status of the results that are named. */
const TOLD: Record<Outcome, { level: Level; phase: NodePhase; word: string; of?: CheckStatus }> = {
  verified: { level: "success", phase: "verified", word: "Verified" },
  failed: { level: "error", phase: "verified", word: "Not verified", of: "failed" },
  unknown: { level: "warning", phase: "unknown", word: "Not verified, could not be looked at", of: "unknown" },
  skipped: { level: "error", phase: "verified", word: "Not verified: checks were skipped" },
};

/** One line for a node that was checked: verified, or what stands in the way of that. */
export function reportVerified(
  reporter: Reporter,
  { node, region, instanceId, address, outcome, results }: NodeVerification,
): void {
  const { level, phase, word, of } = TOLD[outcome];
  const named = results.filter(({ status }) => status === of).map(({ id, title }) => `${id} ${title}`);
  reporter.emit({
    type: "node",
    level,
    node: { name: node, region, instanceId, address },
    phase,
    message: named.length === 0 ? word : `${word}: ${named.join(", ")}`,
  });
}
