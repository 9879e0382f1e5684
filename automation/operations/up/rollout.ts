import { replacementBatches, type DesiredNode, type NodeChange } from "../../../fleet/plan/changes";
import { nodeUrns } from "../../engine/state";
import { runEngine } from "./engine-run";
import { isStopped, without, type Progress, type UpRun } from "./progress";
import { missingUrns, urnsOf } from "./targets";
import { LOOKED_AT, verify } from "./verification";

/** In which order nodes are replaced: a canary, then batches. */
export function batchesOf({ plan, request }: UpRun, changes: readonly NodeChange[]): string[][] {
  return replacementBatches(changes, request.config.maxUnavailable, plan.definition.slots.length);
}

/**
 * Replaces batch by batch; one that fails, or does not prove itself, leaves the rest pending.
 * @param why nodes that are asked for are replaced whether or not the program sees a difference
 */
export async function roll(
  run: UpRun,
  from: Progress,
  batches: readonly string[][],
  why: "differ" | "asked for" = run.request.part ? "asked for" : "differ",
): Promise<Progress> {
  let at = from;
  for (const batch of batches) {
    if (isStopped(run)) break;
    const replaced = await replaceBatch(run, at, batch, why);
    const proven = replaced.ok ? await prove(run, replaced.at, batch) : replaced;
    ({ at } = proven);
    if (!proven.ok) break;
  }
  return at;
}

async function replaceBatch(
  run: UpRun,
  from: Progress,
  batch: readonly string[],
  why: "differ" | "asked for",
): Promise<{ at: Progress; ok: boolean }> {
  const at = takeTurn({ ...from, pending: without(from.pending, batch) }, batch);
  const urns = urnsOf(at.session, batch);
  const made = instancesToMake(at, batch);
  const target = [...urns, ...missingUrns(run.plan.session, made)];
  return runEngine(run, at, { target, ...(why === "asked for" && urns.length > 0 ? { replace: urns } : {}) });
}

/** From now on these nodes' instances are to be replaced: whatever takes their place has a launch of its own. */
export function takeTurn(at: Progress, names: readonly string[]): Progress {
  const taken = at.session.state.nodes.filter(({ name }) => names.includes(name));
  return { ...at, leaving: new Set([...at.leaving, ...taken.map(({ instanceId }) => instanceId)]) };
}

/**
 * Before the next batch of a roll: every node of this one came up and every check holds. One that is unknown proves
 * nothing.
 */
export async function prove(run: UpRun, from: Progress, batch: string[]): Promise<{ at: Progress; ok: boolean }> {
  if (!run.nodes) return { at: from, ok: true };
  const outcomes = await run.nodes.provisioner.settled();
  const isUp = (name: string): boolean => LOOKED_AT.has(outcomes.get(name)?.state ?? "failed");
  if (!batch.every(isUp)) return { at: from, ok: false };
  const at = await verify(run, from, batch);
  return { at, ok: batch.every((name) => at.verified.get(name)?.isVerified) };
}

/** Of nodes that are gone, and of those whose market changes: their new instance is another resource than the old one. */
function instancesToMake({ session, changes }: Progress, batch: readonly string[]): DesiredNode[] {
  const recorded = new Set(session.state.nodes.map(({ urn }) => urn));
  const isThere = ({ slot, pin }: DesiredNode): boolean =>
    nodeUrns(session.target.stack, slot.name, pin.pool.market).some((urn) => recorded.has(urn));
  return changes.flatMap(({ name, to }) => (to && batch.includes(name) && !isThere(to) ? [to] : []));
}
