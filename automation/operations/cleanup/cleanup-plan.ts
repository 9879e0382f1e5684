import { SpotError, type ErrorInfo } from "../../../fleet/errors";
import { outside } from "../../../fleet/steps";
import { Tag } from "../../../fleet/model";
import {
  isSignedByPredecessor,
  ownerOf,
  PREDECESSOR_SPELLINGS,
  type FleetTags,
  type Owner,
} from "../../../fleet/identity/ownership";
import { pluralize } from "../../../fleet/text/words";
import type { CloudObject, ResourceQuery } from "../../../cloud/resources/find";
import type { Listed } from "../../../cloud/resources/kinds";
import { sorted } from "../../../cloud/resources/strangers";

/** Something that would be deleted, and why it may be. */
export interface Planned extends CloudObject {
  why: string;
}

/** A VPC that would be deleted but for what it holds: it stays, with its network. */
export interface Blocked extends CloudObject {
  by: CloudObject[];
}

export interface RegionPlan {
  region: string;
  planned: Planned[];
  blocked: Blocked[];
  /** Listed, never touched: another fleet's, lying in a VPC of ours without being ours, or ours by its tags alone. */
  notOurs: (CloudObject & { owner: Owner | typeof UNEXPLAINED })[];
  error?: ErrorInfo;
}

/** What was found in a region: by tags, and in each VPC that may go. */
export interface RegionLook {
  region: string;
  fleet: FleetTags;
  tagged: readonly CloudObject[];
  contents: ReadonlyMap<string, readonly CloudObject[]>;
  /** Ids of what carries this fleet's tags, and is neither in its record nor explained by a run. */
  unexplained?: ReadonlySet<string>;
}

/** Whose it is can be told by nobody but the user. */
const UNEXPLAINED = "unexplained";

/** Whose leftovers a plan is about. */
export type Whose = "ours" | "predecessor";

/**
 * By which tags a plan begins. Other fleets of this program are listed too, as not ours: by the fleet ID
 * that every object of ours has, and that no other program gives.
 */
export const TAGS: Record<Whose, ResourceQuery[]> = {
  ours: [{ tag: Tag.lineage }],
  predecessor: [
    { tag: Tag.managedBy, values: [...PREDECESSOR_SPELLINGS] },
    { tag: "Name", values: ["spot-deployer", "spot-deployer-*"] },
  ],
};

/** Of what lies in a VPC of theirs, what goes with it. */
const MINE: Record<Whose, (fleet: FleetTags) => (object: CloudObject) => boolean> = {
  ours:
    (fleet) =>
    ({ tags }) =>
      ownerOf(tags, fleet) === "ours",
  // The predecessor tagged little more than its VPCs and instances. A machine without its tag is somebody's all the same.
  predecessor:
    (fleet) =>
    ({ kind, tags }) =>
      kind === "instance" || kind === "network-interface" ? isSignedByPredecessor(tags) : !ofThisProgram(tags, fleet),
};

const ofThisProgram = (tags: CloudObject["tags"], fleet: FleetTags): boolean =>
  ["ours", "another fleet"].includes(ownerOf(tags, fleet));

/** What is ended in a VPC that cannot go: what runs and costs. What a stranger may need there stays. */
const ENDS_ANYWAY: Record<Whose, (object: CloudObject) => boolean> = {
  ours: ({ kind }) => kind === "instance",
  predecessor: () => false,
};

/** True for a VPC that may go as a whole. A name is not enough for that, and a region's default VPC never is. */
export function mayGo(whose: Whose, fleet: FleetTags, { kind, managed, tags }: CloudObject): boolean {
  if (kind !== "vpc" || managed !== undefined) return false;
  return whose === "ours" ? ownerOf(tags, fleet) === "ours" : isSignedByPredecessor(tags);
}

/** What would be deleted in a region, what stays because of strangers, and what is none of ours. */
export function planOf(
  whose: Whose,
  { region, fleet, tagged, contents, unexplained = new Set() }: RegionLook,
): RegionPlan {
  const planned = new Map<string, Planned>();
  const blocked: Blocked[] = [];
  const notOurs = new Map<string, RegionPlan["notOurs"][number]>();
  const inside = new Set<string>();
  const plan = (object: CloudObject): void => void planned.set(object.id, { ...object, why: whyText(whose, object) });
  const leave = (object: CloudObject): void =>
    void notOurs.set(object.id, {
      ...object,
      owner: unexplained.has(object.id) ? UNEXPLAINED : ownerOf(object.tags, fleet),
    });
  const isMine = (object: CloudObject): boolean => MINE[whose](fleet)(object) && !unexplained.has(object.id);

  for (const vpc of tagged.filter((object) => mayGo(whose, fleet, object) && !unexplained.has(object.id))) {
    const held = contents.get(vpc.id) ?? [];
    for (const { id } of [vpc, ...held]) inside.add(id);
    const { own, strangers } = sorted(vpc.id, held, isMine);
    if (strangers.length > 0) blocked.push({ ...vpc, vpc: vpc.id, by: strangers });
    own.filter(strangers.length > 0 ? ENDS_ANYWAY[whose] : () => true).forEach(plan);
    if (strangers.length === 0) plan({ ...vpc, vpc: vpc.id });
    strangers.forEach(leave);
  }
  for (const object of tagged.filter(({ id }) => !inside.has(id))) {
    const theirs =
      !unexplained.has(object.id) &&
      ownerOf(object.tags, fleet) === whose &&
      (object.kind !== "vpc" || mayGo(whose, fleet, object));
    if (theirs && object.managed === undefined) plan(object);
    else if (object.managed === undefined || object.kind === "vpc") leave(object);
  }
  return { region, planned: [...planned.values()], blocked, notOurs: [...notOurs.values()] };
}

function whyText(whose: Whose, { tags, vpc }: CloudObject): string {
  if (whose === "ours") return `tag ${Tag.lineage}=${tags[Tag.lineage] ?? ""}`;
  if (isSignedByPredecessor(tags)) return `tag ${Tag.managedBy}=${tags[Tag.managedBy] ?? ""}`;
  return vpc === undefined ? `name ${tags["Name"] ?? ""}` : `lies in ${vpc}`;
}

/**
 * The plan for these VPCs alone.
 * @throws SpotError E_USAGE that names those which are not in the plan
 */
export function forVpcs(plan: RegionPlan[], vpcs: readonly string[]): RegionPlan[] {
  const found = vpcsOf(plan);
  const unknown = vpcs.filter((id) => !found.some((vpc) => vpc.id === id));
  if (unknown.length > 0) {
    const silent = plan.filter(({ error }) => error).map(({ region }) => region);
    throw new SpotError("E_USAGE", {
      message: `${unknown.join(", ")} ${unknown.length === 1 ? "is" : "are"} not among the predecessor's VPCs; nothing was deleted`,
      next: [
        found.length > 0
          ? `It left ${found.map(({ id, region }) => `${id} in ${region}`).join(", ")}.`
          : "None was found.",
        ...(silent.length > 0 ? [`Not looked at: ${silent.join(", ")}.`] : []),
      ].join(" "),
      step: outside("correct-command-line"),
    });
  }
  return plan.map((region) => ({
    ...region,
    planned: region.planned.filter(({ vpc }) => vpc !== undefined && vpcs.includes(vpc)),
    blocked: region.blocked.filter(({ id }) => vpcs.includes(id)),
  }));
}

const vpcsOf = (plan: RegionPlan[]): CloudObject[] =>
  plan.flatMap(({ planned, blocked }) => [...planned.filter(({ kind }) => kind === "vpc"), ...blocked]);

/** Who answers questions: a person, `--yes`, or nobody (a script without it). */
export type Answering = "person" | "yes" | "nobody";

/**
 * Refuses what nobody may answer for: a script says `--yes`, and for what the predecessor left it names each VPC too.
 * @param named the VPCs that were named; the plan is for these alone
 * @throws SpotError E_USAGE that says what to type
 */
export function refuseUnanswered(
  whose: Whose,
  plan: RegionPlan[],
  answering: Answering,
  named: readonly string[],
): void {
  const count = plan.reduce((sum, { planned }) => sum + planned.length, 0);
  if (count === 0 || answering === "person" || (answering === "yes" && (whose === "ours" || named.length > 0))) return;
  const planned = plan.flatMap((region) => region.planned);
  if (whose === "ours") {
    throw new SpotError("E_USAGE", {
      message: `nothing was deleted: there is no terminal to ask whether ${pluralize(count, "resource")} may go`,
      next: "See them with --dry-run, then give --yes.",
      step: outside("correct-command-line"),
    });
  }
  const ids = named.length > 0 ? named : planned.filter(({ kind }) => kind === "vpc").map(({ id }) => id);
  throw new SpotError("E_USAGE", {
    message:
      "nothing was deleted: without a person to ask, each VPC of the predecessor's must be named with --vpc, and --yes given",
    next:
      ids.length > 0
        ? `See what is in them with --dry-run, then add ${ids.map((id) => `--vpc ${id}`).join(" ")} --yes.`
        : `No VPC was found, only ${pluralize(count, "thing")} outside of one: run it in a terminal, which asks about each.`,
    step: outside("correct-command-line"),
  });
}

/** What is asked about alone: a VPC with all that goes with it, or one thing. */
export interface Choice {
  region: string;
  message: string;
  planned: Planned[];
}

/** The questions about a region of the predecessor's. */
export function choicesOf({ region, planned }: RegionPlan): Choice[] {
  const whole = planned.filter(({ kind, vpc }) => kind === "vpc" && vpc !== undefined);
  const loose = planned.filter(({ vpc }) => vpc === undefined);
  return [
    ...whole.map((vpc): Choice => {
      const all = planned.filter((object) => object.vpc === vpc.id);
      const inside = all.filter(({ id }) => id !== vpc.id).map(({ kind, id }) => `${kind} ${id}`);
      return {
        region,
        planned: all,
        message: `${region}: delete vpc ${vpc.id} (${vpc.detail}; ${vpc.why}) with ${inside.length > 0 ? inside.join(", ") : "nothing in it"}?`,
      };
    }),
    ...loose.map(
      (object): Choice => ({
        region,
        planned: [object],
        message: `${region}: delete ${object.kind} ${object.id} (${object.detail}; ${object.why})?`,
      }),
    ),
  ];
}

/** Why something must not be deleted as it is now; undefined: it is as it was when the plan was shown. */
export function changedSince(
  planned: CloudObject,
  now: Pick<Listed, "tags" | "managed" | "heldBy">,
): string | undefined {
  const names = new Set([...Object.keys(planned.tags), ...Object.keys(now.tags)]);
  const changed = [...names].filter((name) => planned.tags[name] !== now.tags[name]);
  if (changed.length > 0) return `its tags are no longer those of the plan: ${changed.join(", ")}`;
  if (now.heldBy !== undefined && now.heldBy !== planned.heldBy) return `it is on ${now.heldBy} now`;
  if (planned.managed === now.managed) return undefined;
  return now.managed === undefined ? `it is no longer as it was: ${planned.managed ?? ""}` : `it ${now.managed} now`;
}
