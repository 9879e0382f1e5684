import { wordsOf } from "../../../fleet/errors";
import type { Cloud } from "../../../cloud/clients";
import { deleteObject, inDeletionOrder } from "../../../cloud/resources/delete";
import { findResources, lookAgain } from "../../../cloud/resources/find";
import type { KindName, Listed } from "../../../cloud/resources/kinds";
import { namesOf, sorted } from "../../../cloud/resources/strangers";
import type { Session } from "../../session";
import { changedSince, type Planned, type RegionPlan } from "./cleanup-plan";

/** AWS takes minutes to let go of interfaces and NAT gateways. */
const PATIENCE_MS = 5 * 60_000;

/** What nothing of its VPC's can go before. */
const HOLDS_ALL: ReadonlySet<KindName> = new Set(["instance", "nat-gateway", "vpc-endpoint", "network-interface"]);

/** Something that is still there, and why. */
export interface Left extends Planned {
  reason: string;
}

interface Cleaned {
  deleted: number;
  left: Left[];
}

/**
 * Deletes what is planned in a region, and tells of each thing. What holds its VPC in vain ends the tries there. Each is
 * looked at again just before: while AWS lists it, it must be as it was when the plan was shown, and so must its VPC.
 */
export async function cleanRegion(session: Session, { region, planned }: RegionPlan): Promise<Cleaned> {
  const deadline = Date.now() + PATIENCE_MS;
  const { soft } = session.interrupts;
  const cleaned: Cleaned = { deleted: 0, left: [] };
  const tell = (level: "info" | "warning", { kind, id }: Planned, what: string) =>
    session.reporter.emit({ type: "message", level, subject: region, message: `${kind} ${id} ${what}` });
  const leave = (object: Planned, reason: string): void => {
    cleaned.left.push({ ...object, reason });
    tell("warning", object, `could not be deleted: ${reason}`);
  };
  // By VPC: why the rest of it is not tried, or the VPC itself.
  const hopeless = await heldMeanwhile(session, region, planned);
  const standing = new Map<string, string>();
  await inDeletionOrder(planned, async (object) => {
    const { kind, id, vpc } = object;
    const pointless = vpc && (hopeless.get(vpc) ?? (kind === "vpc" ? standing.get(vpc) : undefined));
    if (pointless !== undefined) {
      leave(object, pointless);
      return;
    }
    try {
      soft.throwIfAborted();
      await deleteObject(session.cloud, object, {
        deadline,
        signal: soft,
        objection: (now) => changed(session.cloud, object, now, planned),
        onHeld: (error) => tell("info", object, `is waited for: ${wordsOf(error)}`),
        onEnding: () => tell("info", object, "is ending; it is waited for until it is gone"),
      });
      cleaned.deleted += 1;
      tell("info", object, `deleted (${cleaned.deleted} of ${planned.length})`);
    } catch (error) {
      leave(object, soft.aborted ? "interrupted" : wordsOf(error));
      if (vpc !== undefined) (HOLDS_ALL.has(kind) ? hopeless : standing).set(vpc, `${kind} ${id} is still there`);
    }
  });
  return cleaned;
}

/** What has changed about a thing since the plan was made, or about the VPC because of which it goes. */
async function changed(
  cloud: Cloud,
  object: Planned,
  now: Listed,
  planned: readonly Planned[],
): Promise<string | undefined> {
  const own = changedSince(object, now);
  const vpc = planned.find(({ kind, id }) => kind === "vpc" && id === object.vpc && id !== object.id);
  if (own !== undefined || vpc === undefined) return own;
  const around = await lookAgain(cloud, vpc);
  const change = around && changedSince(vpc, around);
  return change && `${vpc.id}: ${change}`;
}

/** A question may have stood for long: what came into a VPC since then is nobody's to delete, and holds it. */
async function heldMeanwhile(
  session: Session,
  region: string,
  planned: readonly Planned[],
): Promise<Map<string, string>> {
  const known = new Set(planned.map(({ id }) => id));
  const held = new Map<string, string>();
  await Promise.all(
    planned.map(async ({ kind, id, vpc }) => {
      if (kind !== "vpc" || vpc === undefined) return;
      try {
        const { strangers } = sorted(id, await findResources(session.cloud, region, [{ vpc: id }]), (object) =>
          known.has(object.id),
        );
        if (strangers.length > 0) held.set(id, `since the plan was made, ${namesOf(strangers)} came into ${id}`);
      } catch (error) {
        held.set(id, wordsOf(error));
      }
    }),
  );
  return held;
}
