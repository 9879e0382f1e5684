import { checksFor } from "../../../fleet/checks";
import type { NodeChange } from "../../../fleet/plan/changes";
import { naturalCompare } from "../../../fleet/text/words";
import { combined } from "../../verify/scope";
import type { Verification } from "../../verify/result";
import type { ProvisionOutcome } from "../nodes/provisioner";
import { reportVerified, verifyNodes } from "../nodes/verify-nodes";
import { isStopped, type Progress, type UpRun } from "./progress";

/** One that failed on its way up is known to be broken. */
export const LOOKED_AT: ReadonlySet<ProvisionOutcome["state"]> = new Set(["rebooted", "unreachable"] as const);

/** Waits for every node to come up or fail, then runs the whole list; what a roll proved is not asked again. */
export async function verifyFleetOf(run: UpRun, from: Progress): Promise<Progress> {
  if (!run.nodes) return from;
  const outcomes = await run.nodes.provisioner.settled();
  const failures = [...outcomes].flatMap(([name, outcome]) =>
    outcome.state === "failed" && outcome.error.class !== "interrupted"
      ? [{ ...outcome.error, message: `node ${name}: ${outcome.error.message}` }]
      : [],
  );
  const at = { ...from, failures: [...from.failures, ...failures], verification: undefined };
  if (!run.request.wait || isStopped(run)) return at;
  const ready = [...outcomes]
    .filter(([name, { state }]) => LOOKED_AT.has(state) && !at.verified.has(name) && !at.pending.has(name))
    .map(([name]) => name);
  const verified = await verify(run, at, ready);
  return at.session.interrupts.soft.aborted ? verified : { ...verified, verification: verificationOf(run, verified) };
}

/**
 * The nodes that a run was to end with: those of its changes, and, unless it was about a part of the fleet, those that
 * could not even be planned because their region is closed.
 */
export function wantedBy(
  { request, plan }: Pick<UpRun, "request" | "plan">,
  changes: readonly NodeChange[],
): ReadonlySet<string> {
  const slots = request.part ? [] : plan.definition.slots.map(({ name }) => name);
  return new Set([...slots, ...changes.flatMap(({ name, kind }) => (kind === "delete" ? [] : [name]))]);
}

/**
 * Everything that was verified so far. A node that never came up failed; one whose turn did not come was only not looked
 * at.
 */
export function verificationOf(run: UpRun, { verified, changes, pending, session }: Progress): Verification {
  const nodes = [...verified.values()].sort((a, b) => naturalCompare(a.node, b.node));
  const wanted = wantedBy(run, changes);
  const fleet = new Set([...session.state.nodes.map(({ name }) => name), ...wanted]);
  return combined(nodes, {
    fleet: [...fleet].sort(naturalCompare),
    outcomeOf: (name) => (wanted.has(name) ? (pending.has(name) ? "skipped" : "failed") : undefined),
  });
}

/** Verifies the recorded nodes of these names, and tells of each. */
export async function verify({ nodes: fleet, request }: UpRun, at: Progress, names: string[]): Promise<Progress> {
  const wanted = at.session.state.nodes.filter(({ name }) => names.includes(name));
  if (!fleet || wanted.length === 0) return at;
  const { nodes } = await verifyNodes(fleet.access, wanted, { checks: checksFor(request.config) });
  // Checks that were cut off tell nothing of the nodes.
  if (at.session.interrupts.soft.aborted) return at;
  for (const verification of nodes) reportVerified(at.session.reporter, verification);
  return { ...at, verified: new Map([...at.verified, ...nodes.map((one) => [one.node, one] as const)]) };
}
