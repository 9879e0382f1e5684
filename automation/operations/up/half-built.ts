import { isKept, type NodeChange } from "../../../fleet/plan/changes";
import { refOf } from "../../engine/state";
import { isAgreed } from "../plan/plan-up";
import { runEngine } from "./engine-run";
import { possibleOf } from "./possible";
import { isStopped, type Progress, type UpRun } from "./progress";
import { takeTurn } from "./rollout";
import { urnsOf } from "./targets";

/**
 * Nodes that need no change may yet be half built: a run may have been broken off. Their own records tell. One that is
 * held has the payload of before, and would be taken for such a node.
 */
export function resumeUnchanged({ plan, nodes }: UpRun, { session }: Progress): void {
  const same = new Set(
    plan.changes.flatMap((change) => (isKept(change) && !plan.held.includes(change.name) ? [change.name] : [])),
  );
  for (const node of session.state.nodes) {
    const ref = refOf(node);
    if (same.has(node.name) && ref.address)
      nodes?.provisioner.provision({
        ref: { ...ref, address: ref.address },
        launched: node,
        origin: "found",
        created: node.created,
      });
  }
}

/**
 * A node whose deployment broke off or failed in an earlier run is made anew, when that is agreed to; one that fails now
 * is not tried twice.
 */
export async function replaceHalfBuilt(run: UpRun, from: Progress): Promise<Progress> {
  if (!run.nodes || isStopped(run)) return from;
  const outcomes = await run.nodes.provisioner.settled();
  const broken = new Map(
    [...outcomes].flatMap(([name, outcome]) => (outcome.state === "must-replace" ? [[name, outcome.reason]] : [])),
  );
  if (broken.size === 0) return from;
  const changes = from.changes.map((change): NodeChange => {
    const reason = broken.get(change.name);
    return isKept(change) && reason !== undefined ? { ...change, kind: "replace", reason } : change;
  });
  const wanted = changes.filter(({ name, kind }) => kind === "replace" && broken.has(name));
  const { at, possible } = await possibleOf(run, from, wanted);
  const names = possible.map(({ name }) => name);
  const yes = possible.length > 0 && (await isAgreed({ ...run.plan, changes: possible, resources: [] }));
  for (const [name, reason] of broken) {
    const why = names.includes(name) ? "replacing it was not confirmed" : "another one could not be made there";
    const message =
      yes && names.includes(name) ? `is replaced: ${reason}` : `stays as it is, half built, because ${why}: ${reason}`;
    from.session.reporter.emit({ type: "message", level: "warning", subject: name, message });
  }
  if (!yes) return at;
  const made = at.changes.map((change) => possible.find(({ name }) => name === change.name) ?? change);
  const urns = urnsOf(at.session, names);
  return (await runEngine(run, takeTurn({ ...at, changes: made }, names), { target: urns, replace: urns })).at;
}
