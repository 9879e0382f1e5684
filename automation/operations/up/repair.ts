import type { ErrorInfo } from "../../../fleet/errors";
import { isKept, type NodeChange } from "../../../fleet/plan/changes";
import { confirmed } from "../plan/plan-up";
import type { Outcome } from "../../verify/outcome";
import { possibleOf } from "./possible";
import { isStopped, type Progress, type UpRun } from "./progress";
import { batchesOf, roll } from "./rollout";
import { verificationOf, verify, verifyFleetOf } from "./verification";

/**
 * Replaces what failed verification and looks again. What could not be looked at is left alone: nothing says that it is
 * broken.
 * @param failures what failed before the nodes were verified, and is not mended by replacing them
 * @throws SpotError E_DECLINED
 */
export async function repair(run: UpRun, from: Progress, failures: readonly ErrorInfo[]): Promise<Progress> {
  const { plan } = run;
  const standing = from.changes.filter(({ kind }) => kind === "same").map(({ name }) => name);
  // A node that was not reached may be well, at another address than the recorded one: whether AWS knows is a check.
  const unverified = standing.filter((name) => !from.verified.has(name));
  const looked = await verify(run, from, unverified);
  if (isStopped(run)) return looked;
  tellUnknown(looked, standing);
  const { at: checked, possible: failing } = await possibleOf(run, looked, failingOf(looked));
  if (failing.length === 0) return { ...checked, verification: verificationOf(run, checked) };
  const { reporter, target } = looked.session;
  reporter.emit({ type: "changes", stack: target.stack, account: plan.account, changes: failing, resources: [] });
  // What the plan opens was asked about when it began.
  await confirmed({ ...plan, changes: failing, resources: [] });
  const added = checked.failures.filter((failure) => !looked.failures.includes(failure));
  return replaceAll(run, { ...checked, failures: [...failures, ...added] }, failing);
}

/**
 * After a run on the whole fleet: names what stood before and fails verification, and offers to replace it. That is for
 * a person to say, whatever was agreed to before: what the nodes fail by may not be on them.
 * @param failures what failed before the nodes were verified
 */
export async function offerRepair(run: UpRun, from: Progress, failures: readonly ErrorInfo[]): Promise<Progress> {
  const at = await withKept(run, from);
  const failing = failingOf(at);
  if (isStopped(run) || failing.length === 0) return at;
  const { reporter } = at.session;
  const names = failing.map(({ name }) => name);
  const which = names.length === 1 ? "the node that fails" : `the ${names.length} nodes that fail`;
  reporter.emit({
    type: "message",
    level: "warning",
    message: `failing verification: ${names.join(", ")}. \`replace ${names.join(",")}\` replaces ${names.length === 1 ? "it" : "them"}.`,
  });
  const yes = await reporter.confirm({
    message: `Replace ${which} verification now (${names.join(", ")})?`,
    answeredBy: "nothing",
    unattended: false,
  });
  if (!yes) return at;
  const { at: checked, possible } = await possibleOf(run, at, failing);
  if (possible.length === 0) return checked;
  const added = checked.failures.filter((failure) => !at.failures.includes(failure));
  return replaceAll(run, { ...checked, failures: [...failures, ...added] }, possible);
}

/** What stood before and could not be brought up is verified as well: that says what is wrong with it. */
async function withKept(run: UpRun, from: Progress): Promise<Progress> {
  const unverified = from.changes
    .filter((change) => isKept(change) && !from.pending.has(change.name) && !from.verified.has(change.name))
    .map(({ name }) => name);
  if (isStopped(run) || unverified.length === 0) return from;
  const at = await verify(run, from, unverified);
  return at.verification && at !== from ? { ...at, verification: verificationOf(run, at) } : at;
}

/** Replaces these nodes in a roll of their own, and verifies again. */
async function replaceAll(run: UpRun, from: Progress, failing: readonly NodeChange[]): Promise<Progress> {
  const replaced = new Map(failing.map((change) => [change.name, change]));
  const at: Progress = {
    ...from,
    changes: from.changes.map((change) => replaced.get(change.name) ?? change),
    pending: new Set([...from.pending, ...replaced.keys()]),
    verified: new Map([...from.verified].filter(([name]) => !replaced.has(name))),
  };
  return verifyFleetOf(run, await roll(run, at, batchesOf(run, failing), "asked for"));
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
    isKept(change) && verified.get(change.name)?.outcome === "failed"
      ? [{ ...change, kind: "replace", reason: "it does not pass verification" }]
      : [],
  );
}
