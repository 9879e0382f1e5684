import { SpotError, wordsOf } from "../../../fleet/errors";
import { outside, spot } from "../../../fleet/steps";
import { Tag } from "../../../fleet/model";
import { pluralize } from "../../../fleet/text/words";
import { enabledRegions } from "../../../cloud/enabled-regions";
import { deleteOfFleet } from "../../../cloud/resources/delete";
import { inventory, type FleetObject } from "../../../cloud/resources/inventory";
import { takeTagsOff } from "../../../cloud/resources/release";
import { orphansAmong, type UnexplainedObject } from "../../session/orphans";
import { dividedLook } from "../../session/ownership";
import { exclusively } from "../../session/run-lock";
import { fleetRegions, type Session } from "../../session";

/** What is done with objects that carry the fleet's tags and that nothing explains. */
export type Fate = "end" | "release";

export interface NamedResult {
  fate: Fate;
  done: FleetObject[];
  failures: { object: FleetObject; reason: string }[];
}

const FATES: Record<Fate, { question: (what: string) => string; word: string; failed: string }> = {
  end: { question: (what) => `delete ${what}?`, word: "deleted", failed: "could not be deleted" },
  release: {
    question: (what) => `take this fleet's tags off ${what}?`,
    word: "is this fleet's no more: its tags were taken off",
    failed: "keeps its tags",
  },
};

/**
 * Deletes objects that the user names, or takes the fleet's tags off them. For what carries the tags and is neither in
 * the record nor explained by a run of ours; all the ids are judged before anything is done.
 * @throws SpotError E_NOT_FOUND for what does not carry the tags, E_USAGE for what is the fleet's own, E_DECLINED, E_LOCKED
 */
export function dealWith(session: Session, fate: Fate, ids: readonly string[]): Promise<NamedResult> {
  return exclusively(session, async () => {
    // Where there is no record, everything looks like a stranger's.
    if (session.damaged || !session.stackExists)
      throw session.lost ?? new SpotError("E_STATE", `stack ${session.target.stack} has no state here`);
    const objects = await unexplainedByIds(session, ids);
    const what = objects.map(({ kind, id, region }) => `${kind} ${id} in ${region}`).join(", ");
    const { question, word, failed } = FATES[fate];
    const message = `Account ${session.identity.account}: ${question(what)}`;
    if (!(await session.reporter.confirm({ message, unattended: false })))
      throw new SpotError("E_DECLINED", "nothing was changed");
    const failures =
      fate === "end"
        ? await deleteOfFleet(session.cloud, objects, { signal: session.interrupts.hard })
        : await takeTagsOff(session.cloud, objects, OUR_TAGS);
    const undone = new Map(failures.map(({ object, error }) => [object.id, wordsOf(error)]));
    for (const { kind, id, region } of objects) {
      const reason = undone.get(id);
      session.reporter.emit({
        type: "message",
        level: reason === undefined ? "info" : "warning",
        subject: region,
        message: `${kind} ${id} ${reason === undefined ? word : `${failed}: ${reason}`}`,
      });
    }
    return {
      fate,
      done: objects.filter(({ id }) => !undone.has(id)),
      failures: failures.map(({ object, error }) => ({ object, reason: wordsOf(error) })),
    };
  });
}

/** By which a thing is taken for this fleet's. Its name stays. */
const OUR_TAGS = [Tag.managedBy, Tag.lineage, Tag.stack, Tag.node, Tag.generation];

async function unexplainedByIds(session: Session, ids: readonly string[]): Promise<UnexplainedObject[]> {
  const near = await lookFor(session, fleetRegions(session, session.configured), ids);
  const own = near.length === ids.length ? near : await lookFor(session, await enabledRegions(session.cloud), ids);
  const missing = ids.filter((id) => !own.some((object) => object.id === id));
  if (missing.length > 0) {
    throw new SpotError("E_NOT_FOUND", {
      message: `${missing.join(", ")} ${missing.length === 1 ? "carries" : "carry"} no tags of the fleet ${session.lineage} of stack ${session.target.stack}; nothing was changed`,
      next: "Run `recover` to see what there is.",
      step: spot("recover"),
    });
  }
  const { unexplained } = orphansAmong(session, own);
  const ours = own.filter(({ id }) => !unexplained.some((object) => object.id === id));
  if (ours.length > 0) {
    throw new SpotError("E_USAGE", {
      message: `${ours.map(({ id }) => id).join(", ")}: the fleet's own, by its record or a run's notes; nothing was changed`,
      next: `\`down\` ends ${pluralize(ours.length, "thing")} that the record holds, \`recover\` what a run left.`,
      step: outside("correct-command-line"),
    });
  }
  return unexplained;
}

async function lookFor(session: Session, regions: string[], ids: readonly string[]): Promise<FleetObject[]> {
  const look = await inventory(session.cloud, session.lineage, regions);
  const silent = look.find(({ error }) => error !== undefined)?.error;
  const own = dividedLook(session, look).own.filter(({ id }) => ids.includes(id));
  if (own.length < ids.length && silent) throw silent;
  return own;
}
