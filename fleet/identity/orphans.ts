import { AwsType } from "../aws/resource-types";
import { pluralize } from "../text/words";

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
  /** When anything was last written down of it. */
  last: Date;
  /** By region: what carried the fleet's ID when the run began. A region that did not answer is not in it. */
  seen: Readonly<Record<string, readonly string[]>>;
  attempts: readonly Attempt[];
  /** Ids of what the run had deleted, by the engine's word. */
  deleted: readonly string[];
  /** It came to its end. */
  ended: boolean;
  /** Everything was looked at after its end: what shows itself later, and has no time of its own, is not the run's. */
  looked: boolean;
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

/**
 * How long what a run left may still come to light: a call that was under way takes effect late, and AWS's lists lag
 * behind. After that, what was not seen was not made.
 */
export const LATE_MS = 10 * 60_000;

/** AWS makes one thing of these however often the same call is sent: they are asked for with a client token. */
const MADE_ONCE: ReadonlySet<string> = new Set([AwsType.instance]);

/**
 * Divides what carries a fleet's tags and is not in its record. Explained is what a run of ours made or had deleted, by
 * its id; and what a run attempted to make: of the same kind and name, new since the run began, and no more of them than
 * attempts. Tags alone explain nothing: backups and "launch more like this" copy them.
 */
export function sortedByNotes<T extends Unrecorded>(
  objects: readonly T[],
  runs: readonly RunNote[],
  now: Date,
): { explained: T[]; unexplained: Unexplained<T>[] } {
  const known = new Set(
    runs.flatMap((run) => (isOver(run, now) ? [] : [...run.deleted, ...run.attempts.flatMap(({ id }) => id ?? [])])),
  );
  const explained = objects.filter(({ id }) => known.has(id));
  const unexplained: Unexplained<T>[] = [];
  for (const [key, group] of grouped(objects.filter(({ id }) => !known.has(id)))) {
    const tries = runs.map((run) => ({ run, count: triesOf(run, key) }));
    const attempted = tries.reduce((sum, { count }) => sum + count, 0);
    const candidates = group.filter((object) => tries.some(({ run, count }) => count > 0 && isNew(object, run, now)));
    const few = candidates.length <= attempted;
    if (few) explained.push(...candidates);
    for (const object of few ? group.filter((one) => !candidates.includes(one)) : group) {
      const reason =
        attempted === 0
          ? "no run tried to make it"
          : candidates.includes(object)
            ? `there are ${candidates.length} such things for ${pluralize(attempted, "attempt")} to make one`
            : "it is not from the time of the run that tried to make one";
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

/**
 * How many things of a kind and name a run may have made without knowing it. An answer that was lost on the way to the
 * provider, which asked again, is looked for before the run ends.
 */
function triesOf({ attempts, ended }: RunNote, key: string): number {
  const such = attempts.filter((attempt) => keyOf(attempt) === key);
  return such.filter(({ type, id }) => id === undefined || (!ended && !MADE_ONCE.has(type))).length;
}

/** Nothing of the run can come to light any more. */
function isOver({ looked, last }: RunNote, now: Date): boolean {
  return looked && now.getTime() > last.getTime() + LATE_MS;
}

function isNew({ id, region, created }: Unrecorded, run: RunNote, now: Date): boolean {
  const { began, last, seen } = run;
  const before = seen[region];
  if (before?.includes(id)) return false;
  if (created === undefined) return before !== undefined && !isOver(run, now);
  return created.getTime() >= began.getTime() - CLOCKS_MS && created.getTime() <= last.getTime() + LATE_MS + CLOCKS_MS;
}
