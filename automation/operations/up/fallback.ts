import { cidrOfSshRule } from "../../../fleet/aws/network";
import { AwsType } from "../../../fleet/aws/resource-types";
import { isSpotError, SpotError, wordsOf } from "../../../fleet/errors";
import type { NodePin } from "../../../fleet/model";
import { spot } from "../../../fleet/steps";
import { naturalCompare, pluralize } from "../../../fleet/text/words";
import { assertContent, readKeptProject, type KeptProject } from "../../../project/kept-project";
import { imagesGone } from "../../../cloud/offerings/images-gone";
import type { StackState, StateNode } from "../../engine/state";
import type { Session } from "../../session";
import { keyPairOf } from "../plan/decide";
import type { UpPlan } from "../plan/plan-up";

/** Does a plan do more than to add? What it adds can be removed again without knowing anything of what was before. */
export function changesWhatStands({ changes, resources }: Pick<UpPlan, "changes" | "resources">): boolean {
  return (
    changes.some(({ kind }) => kind !== "create" && kind !== "same") || resources.some(({ kind }) => kind !== "create")
  );
}

/** Was this node made of the kept fleet? Its image and place may have been decided later. */
export function isOfFleet(
  { kept, definition }: KeptProject,
  { name, pin, generation }: Pick<StateNode, "name" | "pin" | "generation">,
): boolean {
  const slot = definition.slots.find((one) => one.name === name);
  return slot !== undefined && definition.launchSpec(slot, pin, kept.pins.ssh.publicKey).generation === generation;
}

/** What a run is to do. */
interface Intended {
  plan: Pick<UpPlan, "session" | "definition" | "decisions" | "changes">;
  /** What was recorded when it began: before what is gone from the cloud was forgotten. */
  before: Pick<StackState, "nodes" | "resources">;
}

/**
 * What a run goes back to where it fails: the fleet that was verified last. What would stand in the way of that, as far
 * as it can be known, is found out before anything is changed.
 * @throws SpotError E_NOT_KEPT
 */
export async function fallbackOf(run: Intended): Promise<KeptProject> {
  const { session } = run.plan;
  const { stack, target, lineage, identity, reporter } = session;
  const project = readKeptProject(stack.keptFleet, target.stack);
  const { kept } = project;
  if (kept.lineage !== lineage || kept.account !== identity.account)
    throw new SpotError("E_NOT_KEPT", {
      message: `what is kept in ${stack.keptFleet} is another fleet: ID ${kept.lineage} in account ${kept.account}`,
    });
  assertStands(project, run);
  assertContent(stack.keptFleet, kept);
  assertKey(session, project);
  await assertImages(session, project);
  reporter.emit({
    type: "message",
    level: "info",
    message: `if anything fails, the fleet is put back as it was verified at ${kept.at}`,
  });
  return project;
}

/**
 * Only what this run changes is to be put back. Where an earlier one did more than is kept, that would be undone as well,
 * and nobody was asked: nodes that are newer would be ended, others made again, and ports opened.
 */
function assertStands({ kept, definition }: KeptProject, { plan, before }: Intended): void {
  const { nodes } = plan.session.state;
  const isKeptSlot = (name: string): boolean => definition.slots.some((slot) => slot.name === name);
  const goes = new Set(plan.changes.flatMap(({ name, kind }) => (kind === "delete" ? [name] : [])));
  const other = nodes.filter((node) => !isOfFleet({ kept, definition }, node));
  // That they end was agreed to, and nothing makes them again.
  const newer = other.filter(({ name }) => isKeptSlot(name) || !goes.has(name));
  if (newer.length > 0)
    throw changedSince(
      `not of the fleet that is kept, which was verified at ${kept.at}: ${newer.length} of ${pluralize(nodes.length, "node")} (${namesOf(newer)})`,
    );
  const known = new Set([...before.nodes, ...nodes, ...plan.definition.slots].map(({ name }) => name));
  const removed = definition.slots.filter(({ name }) => name in kept.pins.nodes && !known.has(name));
  if (removed.length > 0)
    throw changedSince(
      `the fleet that is kept, which was verified at ${kept.at}, has nodes that were removed since and would be made again: ${namesOf(removed)}`,
    );
  const open = new Set([...plan.decisions.pins.ssh.allow, ...blocksOf(before), ...blocksOf(plan.session.state)]);
  const closed = kept.pins.ssh.allow.filter((cidr) => !open.has(cidr));
  if (closed.length > 0)
    throw changedSince(
      `the fleet that is kept, which was verified at ${kept.at}, lets ${closed.join(", ")} log in, which was closed since`,
    );
}

/** The blocks that are recorded as let in. */
function blocksOf({ resources }: Pick<StackState, "resources">): string[] {
  return resources.flatMap(({ type, name }) => (type === AwsType.ingressRule ? (cidrOfSshRule(name) ?? []) : []));
}

const namesOf = (named: readonly { name: string }[]): string =>
  named
    .map(({ name }) => name)
    .sort(naturalCompare)
    .join(", ");

function changedSince(message: string): SpotError {
  return new SpotError("E_NOT_KEPT", {
    message,
    cause: "the fleet was changed since by a run that did not leave it verified, or from another machine",
    next: "Nothing was changed. Run `up` without --rollback-on-failure: it goes on to what is configured, and keeps the fleet once all of it is verified.",
    step: spot("up"),
  });
}

/** Whoever logs in to the nodes that are put back needs the key that they are made with. */
function assertKey(session: Session, { kept, definition }: KeptProject): void {
  let publicKey: string | undefined;
  let cause: unknown;
  try {
    ({ publicKey } = keyPairOf(session, definition.config));
  } catch (error) {
    cause = error;
  }
  if (publicKey !== kept.pins.ssh.publicKey)
    throw new SpotError("E_NOT_KEPT", {
      message: "the fleet that is kept cannot be put back: the SSH key that it was made with is not on this machine",
      cause,
    });
}

/** An image that its owner has withdrawn makes no node. Where AWS does not say, it is told and left to the launch. */
async function assertImages(session: Session, { kept, definition }: KeptProject): Promise<void> {
  const pins = definition.slots.flatMap(({ name }): NodePin[] => {
    const node = session.state.nodes.find((one) => one.name === name);
    const pin = node && isOfFleet({ kept, definition }, node) ? node.pin : kept.pins.nodes[name];
    return pin ? [pin] : [];
  });
  for (const region of new Set(pins.map(({ pool }) => pool.region))) {
    const ids = [...new Set(pins.filter(({ pool }) => pool.region === region).map(({ ami }) => ami))];
    const gone = await imagesGone(session.cloud, region, ids).catch((error: unknown) => {
      if (isSpotError(error) && error.code === "E_CREDENTIALS") throw error;
      session.reporter.emit({
        type: "message",
        level: "warning",
        subject: region,
        message: `it is not known whether the images are still there that would be put back: ${wordsOf(error)}`,
      });
      return [];
    });
    if (gone.length > 0)
      throw new SpotError("E_NOT_KEPT", {
        message: `the fleet that is kept cannot be put back: ${region} does not have its image ${gone.join(", ")} any more`,
        next: "Nothing was changed. Run `up` without --rollback-on-failure: a roll that fails stops at its first batch.",
        step: spot("up"),
      });
  }
}
