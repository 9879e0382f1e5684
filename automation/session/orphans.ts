import { AwsType } from "../../fleet/aws/resource-types";
import { Tag } from "../../fleet/model";
import { sortedByNotes, type Made, type RunNote } from "../../fleet/identity/orphans";
import type { FleetObject, RegionInventory } from "../../cloud/resources/inventory";
import type { FleetKind } from "../../cloud/resources/kinds";
import { recordedIds, type StackState } from "../engine/state";
import type { Opened } from "./index";
import { dividedLook } from "./ownership";

/** Pulumi's resource types of the kinds that carry a fleet's tags. */
const TYPES: Record<FleetKind, string> = {
  instance: AwsType.instance,
  volume: AwsType.volume,
  "security-group": AwsType.securityGroup,
  "route-table": AwsType.routeTable,
  subnet: AwsType.subnet,
  "internet-gateway": AwsType.internetGateway,
  vpc: AwsType.vpc,
};

/** Something that carries a fleet's tags, and of which neither the record nor a run of ours tells. */
export interface UnexplainedObject extends FleetObject {
  /** Why it is not taken for ours, for people. */
  reason: string;
}

export interface Orphans {
  /** Ours: a run made them, or may have, and could not record it. */
  explained: FleetObject[];
  /** Perhaps somebody's: a copy, a restored volume, what an earlier version left. Ended only when the user names it. */
  unexplained: UnexplainedObject[];
}

/**
 * What of a fleet's objects is not in its record. An instance that is ending needs no one to end it; an attached volume
 * goes the way of its instance.
 * @param objects that carry the fleet's ID and its stack's name
 * @throws SpotError E_BACKEND when the notes of earlier runs cannot be read
 */
export function orphansAmong(
  fleet: Pick<Opened, "state" | "stack" | "lineage">,
  objects: readonly FleetObject[],
): Orphans {
  const recorded = recordedIds(fleet.state);
  const unrecorded = objects.filter(
    ({ kind, id, detail }) => !recorded.has(id) && !(kind === "instance" && detail === "shutting-down"),
  );
  if (unrecorded.length === 0) return { explained: [], unexplained: [] };
  const own = new Set(objects.map(({ id }) => id));
  const isKnown = (id: string | undefined): id is string => id !== undefined && (own.has(id) || recorded.has(id));
  const { explained, unexplained } = judged(
    unrecorded.filter(({ heldBy }) => !isKnown(heldBy)),
    fleet.stack.notes.of(fleet.lineage),
  );
  const strange = new Set(unexplained.map(({ id }) => id));
  const attached = unrecorded.filter(({ heldBy }) => isKnown(heldBy) && strange.has(heldBy));
  return {
    explained,
    unexplained: [
      ...unexplained,
      ...attached.map((object) => ({ ...object, reason: `is attached to ${object.heldBy ?? "an instance"}` })),
    ],
  };
}

/** The same of what a look at regions showed of a stack's own. @throws as above */
export function orphansIn(
  fleet: Pick<Opened, "state" | "stack" | "lineage" | "target">,
  look: readonly RegionInventory[],
): Orphans {
  return orphansAmong(fleet, dividedLook(fleet, look).own);
}

function judged(objects: readonly FleetObject[], notes: readonly RunNote[]): Orphans {
  const { explained, unexplained } = sortedByNotes(
    objects.map((object) => ({ ...madeOf(object), id: object.id, created: object.created, object })),
    notes,
    new Date(),
  );
  return {
    explained: explained.map(({ object }) => object),
    unexplained: unexplained.map(({ object: { object }, reason }) => ({ ...object, reason })),
  };
}

/** What the record holds of these kinds. A volume that an instance was launched with goes with it. */
export function recordedObjects({
  resources,
}: Pick<StackState, "resources">): Pick<FleetObject, "kind" | "region" | "id">[] {
  const kinds = new Map(Object.entries(TYPES).map(([kind, type]) => [type, kind as FleetKind]));
  return resources.flatMap(({ type, id, inputs }) => {
    const kind = kinds.get(type);
    return kind === undefined || id === "" || typeof inputs.region !== "string"
      ? []
      : [{ kind, id, region: inputs.region }];
  });
}

/** What a run would have noted of it. */
export function madeOf({ kind, region, tags }: FleetObject): Made {
  const node = tags[Tag.node];
  return { type: TYPES[kind], region, ...(node === undefined ? {} : { node }) };
}

/**
 * Did runs of ours try to make one of these, without hearing that it was made? What they did hear of was in the record:
 * where it is not, the record was lost.
 */
export function mayBeUnheard(
  { stack, lineage }: Pick<Opened, "stack" | "lineage">,
  objects: readonly FleetObject[],
): boolean {
  const unheard = stack.notes
    .of(lineage)
    .map((note): RunNote => ({ ...note, deleted: [], attempts: note.attempts.filter(({ id }) => id === undefined) }));
  return judged(objects, unheard).explained.length > 0;
}

/** Says of each thing, once in a run, that it is left alone, why, and how it is dealt with. */
export function tellUnexplained(
  { reporter, told }: Pick<Opened, "reporter" | "told">,
  objects: readonly UnexplainedObject[],
): void {
  const others = new Set(objects.map(({ id }) => id));
  for (const object of objects) {
    // What is said of an instance goes for its volumes.
    if (told.has(object.id) || (object.heldBy !== undefined && others.has(object.heldBy))) continue;
    told.add(object.id);
    reporter.emit({ type: "message", level: "warning", subject: object.region, message: unexplainedText(object) });
  }
}

function unexplainedText({ kind, id, tags, reason }: UnexplainedObject): string {
  const name = tags[Tag.node];
  const node = name === undefined ? "" : ` (node ${name})`;
  return `${kind} ${id} carries this fleet's tags${node}, but is not in its record, and ${reason}: it is left alone. \`recover --end ${id}\` deletes it, \`recover --release ${id}\` takes the tags off it`;
}
