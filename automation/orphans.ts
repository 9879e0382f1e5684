import { Tag } from "../fleet/model";
import { sortedByNotes } from "../fleet/orphans";
import type { CloudKind, CloudObject } from "./cloud/inventory";
import { recordedIds } from "./engine/state";
import type { Opened } from "./session";

/** Pulumi's resource types of the kinds that carry a fleet's tags. */
const TYPES: Record<CloudKind, string> = {
  instance: "aws:ec2/instance:Instance",
  volume: "aws:ebs/volume:Volume",
  "security-group": "aws:ec2/securityGroup:SecurityGroup",
  "route-table": "aws:ec2/routeTable:RouteTable",
  subnet: "aws:ec2/subnet:Subnet",
  "internet-gateway": "aws:ec2/internetGateway:InternetGateway",
  vpc: "aws:ec2/vpc:Vpc",
};

/** Something that carries a fleet's tags, and of which neither the record nor a run of ours tells. */
export interface UnexplainedObject extends CloudObject {
  /** Why it is not taken for ours, for people. */
  reason: string;
}

export interface Orphans {
  /** Ours: a run made them, or may have, and could not record it. */
  explained: CloudObject[];
  /** Perhaps somebody's: a copy, a restored volume, what an earlier version left. Ended only when the user names it. */
  unexplained: UnexplainedObject[];
}

/**
 * What of a fleet's objects is not in its record.
 * @param objects that carry the fleet's ID and its stack's name
 * @throws SpotError E_BACKEND when the notes of earlier runs cannot be read
 */
export function orphansAmong({ state, stack, lineage }: Pick<Opened, "state" | "stack" | "lineage">, objects: readonly CloudObject[]): Orphans {
  const recorded = recordedIds(state);
  const unrecorded = objects.filter(({ kind, id, detail }) => !recorded.has(id) && !isEnding(kind, detail));
  if (unrecorded.length === 0) return { explained: [], unexplained: [] };
  const { explained, unexplained } = sortedByNotes(
    unrecorded.map((object) => ({ ...object, type: TYPES[object.kind], node: object.tags[Tag.node] })),
    stack.notes.of(lineage),
  );
  const original = new Map(unrecorded.map((object) => [object.id, object]));
  return {
    explained: explained.map(({ id }) => original.get(id)!),
    unexplained: unexplained.map(({ object, reason }) => ({ ...original.get(object.id)!, reason })),
  };
}

/** A root volume goes with its instance, and an instance that is ending needs no one to end it. */
function isEnding(kind: CloudKind, detail: string): boolean {
  return (kind === "volume" && detail === "in-use") || (kind === "instance" && detail === "shutting-down");
}

/** Says of each thing, once in a run, that it is left alone, why, and how it is dealt with. */
export function tellUnexplained({ reporter, told }: Pick<Opened, "reporter" | "told">, objects: readonly UnexplainedObject[]): void {
  for (const object of objects) {
    if (told.has(object.id)) continue;
    told.add(object.id);
    reporter.emit({ type: "message", level: "warning", subject: object.region, message: unexplainedText(object) });
  }
}

function unexplainedText({ kind, id, tags, reason }: UnexplainedObject): string {
  const node = tags[Tag.node] === undefined ? "" : ` (node ${tags[Tag.node]})`;
  return `${kind} ${id} carries this fleet's tags${node}, but is not in its record, and ${reason}: it is left alone. \`recover --end ${id}\` deletes it, \`recover --release ${id}\` takes the tags off it`;
}
