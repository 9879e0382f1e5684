import { setTimeout as sleep } from "node:timers/promises";
import { wordsOf } from "../../fleet/errors";
import { classifyFailure } from "../../fleet/aws/error-codes";
import { Tag } from "../../fleet/model";
import type { Cloud } from "../clients";
import { lookAgain, type CloudObject } from "./find";
import { kindOf, RESOURCE_KINDS, type Listed } from "./kinds";

/**
 * AWS takes its time to let go (interfaces of an ended instance): such refusals are asked again. An address is kept from
 * everybody for a moment after its NAT gateway is gone, in words of missing permission.
 */
const HELD =
  /DependencyViolation|ResourceInUse|IncorrectState|VolumeInUse|is currently in use|InvalidIPAddress\.InUse|AuthFailure: You do not have permission to access the specified resource/;

/** The object is not what it was when it was found. */
class Changed extends Error {}

/** Worth asking again within the deadline: held back, throttled, or AWS or the way to it is out for a while. */
function isRetryable(error: unknown): boolean {
  if (error instanceof Changed) return false;
  const { name = "", $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  const text = `${name}: ${wordsOf(error)}`;
  return HELD.test(text) || ($metadata?.httpStatusCode ?? 500) >= 500 || classifyFailure(text).class === "throttle";
}

function isNotFound(error: unknown): boolean {
  return /NotFound$|\.NotFound/.test((error as { name?: string }).name ?? "");
}

/** How AWS's holding something back is borne. */
export interface Patience {
  /** Until when, milliseconds since 1970. */
  deadline: number;
  /** Told once that it does, with AWS's words. */
  onHeld?: (error: unknown) => void;
  signal?: AbortSignal;
}

/**
 * Deletes, and asks again while AWS holds the thing back. "Not found" is done.
 * @param isGone asked whether "not found" is the truth
 * @throws what AWS said last
 */
export async function deleteWithin(
  { deadline, onHeld, signal }: Patience,
  remove: () => Promise<unknown>,
  isGone: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<void> {
  let told = false;
  for (let wait = 250; ; wait = Math.min(wait * 2, 5000)) {
    try {
      await remove();
      return;
    } catch (error) {
      const isUnknown = isNotFound(error);
      if (isUnknown && (await isGone())) return;
      if (!(isUnknown || isRetryable(error)) || signal?.aborted || Date.now() + wait > deadline) throw error;
      if (!told) onHeld?.(error);
      told = true;
    }
    await sleep(wait, undefined, { signal });
  }
}

export interface DeleteOptions extends Patience {
  /** Why the object must not be deleted as AWS shows it now; undefined: it is what it was when it was found. */
  objection: (now: Listed) => string | undefined | Promise<string | undefined>;
  /** Told that AWS is ending it, where it is waited for until it is gone. */
  onEnding?: () => void;
}

/**
 * Deletes one object. It is looked at again just before, each time: what was ours when it was found may have been handed
 * to somebody since. Where other things wait for its end, so does this.
 * @throws Error with the objection, or what AWS said last
 */
export async function deleteObject(cloud: Cloud, object: CloudObject, options: DeleteOptions): Promise<void> {
  const { deadline, signal, objection, onEnding } = options;
  const { remove, isGone } = kindOf(object.kind);
  const client = cloud.ec2(object.region);
  // An ID may be unknown to one part of EC2 for a moment while another shows it.
  const gone = async (): Promise<boolean> => {
    try {
      return isGone === undefined || (await isGone(client, object.id));
    } catch (error) {
      if (isNotFound(error)) return true;
      if (isRetryable(error)) return false;
      throw error;
    }
  };
  let isBegun = false;
  const removeAsFound = async (): Promise<void> => {
    const now = await lookAgain(cloud, object);
    if (now === undefined) return removeUnlisted();
    const reason = moved(object, now, isBegun) ?? (await objection(now));
    if (reason !== undefined) throw new Changed(reason);
    isBegun = true;
    await remove(client, object.id);
  };
  // AWS is asked all the same: it may list late. What it refuses to end, and does not list, has ended.
  const removeUnlisted = async (): Promise<void> => {
    // It went with what it was on.
    if (object.heldBy !== undefined) return;
    try {
      await remove(client, object.id);
    } catch (error) {
      if (isNotFound(error) || isRetryable(error) || !(await gone())) throw error;
    }
  };
  await deleteWithin(options, removeAsFound, gone);
  if (isGone === undefined) return;
  onEnding?.();
  for (let wait = 200; !(await gone()); wait = Math.min(wait * 1.5, 3000)) {
    if (Date.now() + wait > deadline) throw new Error("it is not seen to be gone at the deadline");
    await sleep(wait, undefined, { signal });
  }
}

/**
 * A gateway that was found in a VPC and is not attached to it by now is not that VPC's any more, unless it was detached to
 * be deleted.
 * @param isBegun its deletion was begun here
 */
function moved({ vpc }: CloudObject, { attachedTo }: Listed, isBegun: boolean): string | undefined {
  if (vpc === undefined || attachedTo === undefined || attachedTo.includes(vpc)) return undefined;
  const [elsewhere] = attachedTo;
  if (elsewhere !== undefined) return `it is attached to ${elsewhere} now`;
  return isBegun ? undefined : `it was detached from ${vpc} meanwhile`;
}

/**
 * Visits objects in the order in which AWS lets them go: one kind after the other, those of a kind at once. Regions do
 * not wait for each other.
 */
export async function inDeletionOrder<T extends Pick<CloudObject, "kind" | "region">>(
  objects: readonly T[],
  visit: (object: T) => Promise<void>,
): Promise<void> {
  await Promise.all(
    [...new Set(objects.map(({ region }) => region))].map(async (here) => {
      for (const { kind } of RESOURCE_KINDS)
        await Promise.all(objects.filter((object) => object.region === here && object.kind === kind).map(visit));
    }),
  );
}

export interface DeleteFailure<T extends CloudObject = CloudObject> {
  object: T;
  error: unknown;
}

/** How long AWS may hold back what is deleted of a fleet. */
const PATIENCE_MS = 120_000;

/**
 * Deletes objects of a fleet. Each is judged alone: one that cannot be deleted is answered and the rest goes on; one that
 * is another fleet's or stack's by now is left alone.
 */
export async function deleteOfFleet<T extends CloudObject>(
  cloud: Cloud,
  objects: readonly T[],
  { onDeleted, signal }: { onDeleted?: (object: T) => void; signal?: AbortSignal } = {},
): Promise<DeleteFailure<T>[]> {
  const deadline = Date.now() + PATIENCE_MS;
  const failures: DeleteFailure<T>[] = [];
  await inDeletionOrder(objects, async (object) => {
    try {
      await deleteObject(cloud, object, { deadline, signal, objection: (now) => handedOver(object, now) });
      onDeleted?.(object);
    } catch (error) {
      failures.push({ object, error });
    }
  });
  return failures;
}

/** A thing of ours may be given to somebody while AWS is asked to delete others. */
function handedOver(object: CloudObject, { tags }: Listed): string | undefined {
  const changed = [Tag.lineage, Tag.stack].filter((tag) => tags[tag] !== object.tags[tag]);
  return changed.length > 0
    ? `its tag ${changed.join(" and ")} changed since it was listed: it is left alone`
    : undefined;
}
