import { errorInfo } from "../../../fleet/errors";
import { naturalCompare, pluralize } from "../../../fleet/text/words";
import { pinsOf, unplaced } from "../../../fleet/plan/pins";
import { failureInfo } from "../run/engine-events";
import { runOnce, withLaunches } from "./engine-run";
import { isStopped, type Progress, type UpRun } from "./progress";
import { brokenOff, putBack } from "./put-back";
import { urnsRecorded, type RunScope } from "./targets";

/** Does the run end with all or nothing, and not with all? What could not be looked at did not fail: nothing is ended because of it. */
export function mustRollBack(run: UpRun, { failures, verification, session }: Progress): boolean {
  if (!run.request.rollback || isStopped(run)) return false;
  if (failures.length > 0 || verification?.outcome === "failed") return true;
  if (verification !== undefined && verification.outcome !== "verified")
    session.reporter.emit({
      type: "message",
      level: "warning",
      message: "nothing is rolled back: no node failed, and some could not be looked at",
    });
  return false;
}

/**
 * Takes a run back that failed: what was verified last is put back where the run changed what stood. One that only added
 * takes away what it made, with the networks that only it needed. An error while that is put back is told beside what failed
 * first.
 * @throws SpotError E_INTERRUPTED; of a run that only added, what an engine run throws
 */
export async function rollBack(run: UpRun, from: Progress): Promise<Progress> {
  const { fallback } = run;
  if (!fallback) return takeAway(run, from);
  try {
    return await putBack(run, from, fallback);
  } catch (error) {
    if (errorInfo(error).class === "interrupted") throw error;
    return brokenOff(run, from, fallback.project, error);
  }
}

async function takeAway(run: UpRun, from: Progress): Promise<Progress> {
  const before = new Set(run.plan.session.state.nodes.map(({ name }) => name));
  const rolledBack = from.session.state.nodes
    .map(({ name }) => name)
    .filter((name) => !before.has(name))
    .sort(naturalCompare);
  from.session.reporter.emit({
    type: "message",
    level: "warning",
    message: `rolling back: removing ${pluralize(rolledBack.length, "node")} that this run made`,
  });
  const { pins } = from.placement;
  const reasons = run.plan.definition.slots
    .filter(({ name }) => !before.has(name))
    .map(({ name }) => [name, pins.unplaced[name] ?? "rolled back: another node of the same run failed"] as const);
  const placement = { ...from.placement, pins: pinsOf(unplaced(pins, Object.fromEntries(reasons))) };
  // Written down even where nothing was made: the settings are to ask for no node that failed.
  const without = withLaunches(run, { ...from, placement });
  const scope = madeSince(run, from);
  // No target at all would mean everything.
  if (scope.target?.length === 0) return { ...without, rolledBack };
  const { at, outcome } = await runOnce(run, without, scope);
  return { ...at, rolledBack, failures: [...at.failures, ...outcome.failures.map(failureInfo)] };
}

/** What was recorded since the run began; where nothing was before, that is everything. */
function madeSince({ plan }: UpRun, { session }: Progress): RunScope {
  if (plan.engine === undefined && plan.session.state.nodes.length === 0) return {};
  const before = urnsRecorded(plan.session);
  return { target: session.state.resources.map(({ urn }) => urn).filter((urn) => !before.has(urn)) };
}
