import type { NodeChange } from "../../../fleet/plan/changes";
import { workable } from "../plan/workable";
import type { Progress, UpRun } from "./progress";
import { urnsRecorded } from "./targets";

/**
 * Of replacements that turn out to be needed in the course of a run: those that can work. In a region where something
 * that the configuration names is not there, or where this run could not make what it was to make, nothing is ended.
 * What stands in the way is told, and is among the failures.
 * @throws SpotError E_CREDENTIALS
 */
export async function possibleOf(
  { plan, request }: UpRun,
  from: Progress,
  replacements: readonly NodeChange[],
): Promise<{ at: Progress; possible: NodeChange[] }> {
  const { session } = from;
  const checked = await workable(
    { ...plan, session, changes: [...replacements], resources: [], engine: undefined },
    request.config,
  );
  const found = checked.decisions.failedRegions.filter(
    ({ error }) => !from.failures.some(({ message }) => message === error.message),
  );
  for (const { region, error } of found)
    session.reporter.emit({ type: "message", level: "error", subject: region, message: error.message, error });
  const unmade = regionsUnmade(plan.resources, from);
  return {
    at: { ...from, failures: [...from.failures, ...found.map(({ error }) => error)] },
    possible: checked.changes.filter(({ kind, to }) => kind === "replace" && !unmade.has(to.pin.pool.region)),
  };
}

/** A node there may depend on what is missing. */
function regionsUnmade(resources: UpRun["plan"]["resources"], { session }: Progress): ReadonlySet<string> {
  const recorded = urnsRecorded(session);
  return new Set(
    resources.flatMap(({ kind, urn, region }) => (kind === "create" && !recorded.has(urn) ? (region ?? []) : [])),
  );
}
