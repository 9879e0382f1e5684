import type { NodeChange } from "../../../fleet/plan/changes";
import { confirmed } from "../plan/plan-up";
import type { Outcome } from "../../verify/outcome";
import { isStopped, type Progress, type UpRun } from "./progress";
import { batchesOf, roll } from "./rollout";
import { verificationOf, verify, verifyFleetOf } from "./verification";

/**
 * Replaces what failed verification and looks again. What could not be looked at is left alone: nothing says that it is
 * broken.
 * @throws SpotError E_DECLINED
 */
export async function repair(run: UpRun, from: Progress): Promise<Progress> {
  const { plan } = run;
  const standing = from.changes.filter(({ kind }) => kind === "same").map(({ name }) => name);
  // A node that was not reached may be well, at another address than the recorded one: whether AWS knows is a check.
  const unverified = standing.filter((name) => !from.verified.has(name));
  const looked = await verify(run, from, unverified);
  if (isStopped(run)) return looked;
  tellUnknown(looked, standing);
  const failing = failingOf(looked);
  if (failing.length === 0) return { ...looked, verification: verificationOf(looked) };
  const { reporter, target } = looked.session;
  reporter.emit({ type: "changes", stack: target.stack, account: plan.account, changes: failing, resources: [] });
  await confirmed({ ...plan, changes: failing });
  const replaced = new Map(failing.map((change) => [change.name, change]));
  const at: Progress = {
    ...looked,
    failures: [],
    changes: looked.changes.map((change) => replaced.get(change.name) ?? change),
    pending: new Set([...looked.pending, ...replaced.keys()]),
    verified: new Map([...looked.verified].filter(([name]) => !replaced.has(name))),
  };
  return verifyFleetOf(run, await roll(run, at, batchesOf(run, failing)));
}

/** Outcomes that say neither that a node is well nor that it is not. */
const UNTOLD: ReadonlySet<Outcome | undefined> = new Set<Outcome | undefined>(["unknown", "skipped"]);

function tellUnknown({ session, verified }: Progress, standing: readonly string[]): void {
  for (const name of standing.filter((name) => UNTOLD.has(verified.get(name)?.outcome))) {
    session.reporter.emit({
      type: "message",
      level: "warning",
      subject: name,
      message: "it is not replaced: it is unknown whether it passes verification",
    });
  }
}

/** Nodes that stand and failed, as replacements. */
function failingOf({ changes, verified }: Progress): NodeChange[] {
  return changes.flatMap((change): NodeChange[] =>
    change.kind === "same" && verified.get(change.name)?.outcome === "failed"
      ? [{ ...change, kind: "replace", reason: "it does not pass verification" }]
      : [],
  );
}
