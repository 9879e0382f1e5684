import { isKept, type NodeChange } from "../../../fleet/plan/changes";
import { refOf } from "../../engine/state";
import { isAgreed } from "../plan/plan-up";
import { runEngine } from "./engine-run";
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
  const replaced = changes.filter(({ name, kind }) => kind === "replace" && broken.has(name));
  const yes = await isAgreed({ ...run.plan, changes: replaced, resources: [] });
  for (const [name, reason] of broken) {
    const message = yes
      ? `is replaced: ${reason}`
      : `stays as it is, half built, because replacing it was not confirmed: ${reason}`;
    from.session.reporter.emit({ type: "message", level: "warning", subject: name, message });
  }
  if (!yes) return from;
  const names = [...broken.keys()];
  const urns = urnsOf(from.session, names);
  return (await runEngine(run, takeTurn({ ...from, changes }, names), { target: urns, replace: urns })).at;
}
