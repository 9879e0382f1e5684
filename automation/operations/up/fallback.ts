import { isSpotError, SpotError, wordsOf } from "../../../fleet/errors";
import type { NodePin } from "../../../fleet/model";
import { spot } from "../../../fleet/steps";
import { assertContent, readKeptProject, type KeptProject } from "../../../project/kept-project";
import { imagesGone } from "../../cloud/offerings/images-gone";
import type { StateNode } from "../../engine/state";
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

const CHANGED_SINCE = "the fleet was changed since by a run that did not leave it verified, or from another machine";

/**
 * What a run goes back to where it fails: the fleet that was verified last. What would stand in the way of that, as far
 * as it can be known, is found out before anything is changed.
 * @throws SpotError E_NOT_KEPT
 */
export async function fallbackOf(session: Session): Promise<KeptProject> {
  const { stack, target, lineage, identity, state, reporter } = session;
  const project = readKeptProject(stack.keptFleet, target.stack);
  const { kept, definition } = project;
  if (kept.lineage !== lineage || kept.account !== identity.account)
    throw new SpotError("E_NOT_KEPT", {
      message: `what is kept in ${stack.keptFleet} is another fleet: ID ${kept.lineage} in account ${kept.account}`,
    });
  if (state.nodes.length > 0 && !state.nodes.some((node) => isOfFleet(project, node)))
    throw new SpotError("E_NOT_KEPT", {
      message: `no node that stands is of the fleet that is kept, which was verified at ${kept.at}`,
      cause: CHANGED_SINCE,
    });
  const strange = state.nodes.filter(({ name }) => definition.slots.every((slot) => slot.name !== name));
  if (strange.length > 0)
    throw new SpotError("E_NOT_KEPT", {
      message: `the fleet that is kept, which was verified at ${kept.at}, has no ${strange.map(({ name }) => name).join(", ")}: putting it back would end what stands`,
      cause: CHANGED_SINCE,
    });
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
