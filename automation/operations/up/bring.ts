import { afterReplacements, besideReplacements } from "./beside";
import { replaceHalfBuilt, resumeUnchanged } from "./half-built";
import { isStopped, type Progress, type UpRun } from "./progress";
import { prove, roll } from "./rollout";

/**
 * Brings the cloud to what a plan says. With replacements to roll, everything else is done first:
 * they are left out of that run and then taken in turn.
 * @throws what an engine run throws
 */
export async function bringAbout(run: UpRun, start: Progress, batches: readonly string[][]): Promise<Progress> {
  const beside = await besideReplacements(run, start);
  let { at } = beside;
  if (!isStopped(run)) resumeUnchanged(run, at);
  at = await replaceHalfBuilt(run, at);
  if (beside.ok && batches.length > 0) at = await afterReplacements(run, start, await rollOnProof(run, at, batches));
  return at;
}

/**
 * Nodes that have the new payload already, of a roll that stopped, are proven before any that has not is replaced. What
 * is put back was proven when it was kept: one of its nodes that is unwell now is no reason to leave the others changed.
 */
async function rollOnProof(run: UpRun, from: Progress, batches: readonly string[][]): Promise<Progress> {
  if (run.plan.definition.kept !== undefined) return roll(run, from, batches);
  const ahead = from.changes
    .filter(({ name, kind }) => kind !== "delete" && !from.pending.has(name))
    .map(({ name }) => name);
  const { at, ok } = await prove(run, from, ahead);
  return ok ? roll(run, at, batches) : at;
}
