import { counted } from "./words";

/** What a resource is to AWS, where it is, and of which node: what a creation that was attempted can be told by. */
export interface Made {
  /** Pulumi's resource type, e.g. `aws:ec2/instance:Instance`. */
  type: string;
  region: string;
  /** Of a node's own resources; what a region's nodes share has none. */
  node?: string;
}

/** A creation that a run attempted. */
export interface Attempt extends Made {
  urn: string;
  /** AWS's id, once the engine had it. */
  id?: string;
}

/** What a run of ours wrote down before and while it created anything. */
export interface RunNote {
  began: Date;
  /** By region: what carried the fleet's ID when the run began. A region that did not answer is not in it. */
  seen: Readonly<Record<string, readonly string[]>>;
  /** What the record held when the run began. */
  recorded: readonly string[];
  attempts: readonly Attempt[];
}

/** Something in AWS that carries the fleet's tags and is not in the record. */
export interface Unrecorded extends Made {
  id: string;
  /** When AWS made it; absent for kinds of which AWS does not tell. */
  created?: Date;
}

/** It is not explained, and why not: for people, after the thing's name. */
export interface Unexplained<T> {
  object: T;
  reason: string;
}

/** Clocks may differ: that of AWS's answers is corrected by the SDK from this difference on. */
const CLOCKS_MS = 5 * 60_000;

/** AWS makes one thing of these however often the same call is sent: they are asked for with a client token. */
const MADE_ONCE: ReadonlySet<string> = new Set(["aws:ec2/instance:Instance"]);

/**
 * Divides what carries a fleet's tags and is not in its record. Explained is what the record held, or what a run of ours
 * made, by its id; and what a run attempted to make: of the same kind and name, new since the run began, and no more of
 * them than attempts. Tags alone explain nothing: backups and "launch more like this" copy them.
 */
export function sortedByNotes<T extends Unrecorded>(objects: readonly T[], runs: readonly RunNote[]): { explained: T[]; unexplained: Unexplained<T>[] } {
  const known = new Set(runs.flatMap(({ recorded, attempts }) => [...recorded, ...attempts.flatMap(({ id }) => id ?? [])]));
  const explained = objects.filter(({ id }) => known.has(id));
  const unexplained: Unexplained<T>[] = [];
  for (const [key, group] of grouped(objects.filter(({ id }) => !known.has(id)))) {
    const tries = runs.map((run) => triesOf(run, key));
    const attempted = tries.reduce((sum, count) => sum + count, 0);
    const candidates = group.filter((object) => runs.some((run, index) => tries[index]! > 0 && isNew(object, run)));
    const few = candidates.length <= attempted;
    if (few) explained.push(...candidates);
    for (const object of few ? group.filter((one) => !candidates.includes(one)) : group) {
      const reason = attempted === 0 ? "no run tried to make it" : candidates.includes(object) ? `${counted(candidates.length, "such thing")} for ${counted(attempted, "attempt")} to make one` : "it is older than the run that tried to make one";
      unexplained.push({ object, reason });
    }
  }
  return { explained, unexplained };
}

function grouped<T extends Unrecorded>(objects: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const object of objects) groups.set(keyOf(object), [...(groups.get(keyOf(object)) ?? []), object]);
  return groups;
}

const keyOf = ({ type, region, node }: Made): string => [type, region, node ?? ""].join(" ");

/** How many things of a kind and name a run may have made without knowing it. */
function triesOf({ attempts }: RunNote, key: string): number {
  const such = attempts.filter((attempt) => keyOf(attempt) === key);
  return such.filter(({ type, id }) => id === undefined || !MADE_ONCE.has(type)).length;
}

function isNew({ id, region, created }: Unrecorded, { began, seen }: RunNote): boolean {
  const before = seen[region];
  if (before?.includes(id)) return false;
  return created === undefined ? before !== undefined : created.getTime() >= began.getTime() - CLOCKS_MS;
}
