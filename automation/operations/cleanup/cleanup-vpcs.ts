import { setTimeout as sleep } from "node:timers/promises";
import { errorInfo, SpotError, wordsOf } from "../../../fleet/errors";
import { counted } from "../../../fleet/text/words";
import { awsError } from "../../cloud/errors";
import { enabledRegions, inventory } from "../../cloud/resources/inventory";
import { listRemains, lookAgain, REMAINS } from "../../cloud/resources/remains";
import { namesOf, sorted } from "../../cloud/resources/strangers";
import { deleteWithin } from "../../cloud/resources/sweep";
import { rememberConfig, settleConfig } from "../../session/last-config";
import { orphansAmong, tellUnexplained, type UnexplainedObject } from "../../session/orphans";
import { divided } from "../../session/ownership";
import type { Session } from "../../session";
import {
  changedSince,
  choicesOf,
  forVpcs,
  mayGo,
  planOf,
  refuseUnanswered,
  TAGS,
  type Answering,
  type Planned,
  type RegionPlan,
  type Whose,
} from "./cleanup-plan";

export interface CleanupRequest {
  /** True: what the predecessor left, each VPC and each thing outside of one confirmed alone. */
  legacy: boolean;
  dryRun: boolean;
  /** The predecessor's VPCs that may go; none: whatever there is. */
  vpcs?: readonly string[];
  /** Who answers the questions; absent: a person. */
  answering?: Answering;
  /** Told of the plan before anything is asked about it or deleted. */
  onPlan?: (plan: CleanupPlan) => void;
}

/** What was found, region by region. */
export interface CleanupPlan {
  account: string;
  plan: RegionPlan[];
}

export interface CleanupResult extends CleanupPlan {
  /** What carries this fleet's tags and is left alone, because neither the record nor a run of ours explains it. */
  unexplained: UnexplainedObject[];
  deleted: number;
  /** What is still there, and why. */
  left: (Planned & { reason: string })[];
}

/** AWS takes minutes to let go of interfaces and NAT gateways. */
const PATIENCE_MS = 5 * 60_000;

/**
 * Looks through every enabled region for what is left of this fleet, or of the predecessor, and deletes it in the order
 * that AWS asks for, with waits: by tags, and of the predecessor's VPCs everything in them. Never a default VPC, and
 * never a VPC that holds something of somebody else's: that is named, and not waited for.
 * @throws SpotError E_CREDENTIALS, E_DECLINED; E_USAGE for a VPC that was not found, and where nobody can be asked
 */
export async function cleanupVpcs(
  session: Session,
  { legacy, dryRun, vpcs = [], answering = "person", onPlan }: CleanupRequest,
): Promise<CleanupResult> {
  // What the predecessor left is of no stack.
  const concernsStack = !dryRun && !legacy;
  if (concernsStack) await settleConfig(session);
  const { account } = session.identity;
  const regions = await enabledRegions(session.cloud);
  const whose = legacy ? "predecessor" : "ours";
  const look = legacy ? [] : await inventory(session.cloud, session.lineage, regions);
  const { unexplained } = legacy
    ? { unexplained: [] }
    : orphansAmong(
        session,
        divided(
          session,
          look.flatMap(({ objects }) => objects),
        ).own,
      );
  const strange = new Set(unexplained.map(({ id }) => id));
  // Where it is not known what is unexplained, nothing is planned.
  const silent = new Map(look.flatMap(({ region, error }) => (error ? [[region, errorInfo(error)]] : [])));
  const found = await Promise.all(
    regions.map(async (region): Promise<RegionPlan> => {
      const error = silent.get(region);
      return error
        ? { region, planned: [], blocked: [], notOurs: [], error }
        : planRegion(session, region, whose, strange);
    }),
  );
  const plan = vpcs.length > 0 ? forVpcs(found, vpcs) : found;
  onPlan?.({ account, plan });
  tellUnexplained(session, unexplained);
  if (dryRun) return { account, plan, unexplained, deleted: 0, left: [] };

  const asks = legacy || session.target.kind !== "sandbox";
  if (asks) refuseUnanswered(whose, plan, answering, vpcs);
  const chosen = !asks
    ? plan
    : legacy
      ? await eachConfirmed(session, plan)
      : await allConfirmed(session, account, plan);
  if (concernsStack && session.stackExists) rememberConfig(session);
  const outcomes = await Promise.all(chosen.map((region) => cleanRegion(session, region)));
  const blocked = plan.flatMap((region) =>
    region.blocked.map(({ by, ...vpc }) => ({ ...vpc, why: "", reason: `it holds ${namesOf(by)}` })),
  );
  return {
    account,
    plan,
    unexplained,
    deleted: outcomes.reduce((sum, { deleted }) => sum + deleted, 0),
    left: [...blocked, ...outcomes.flatMap(({ left }) => left)],
  };
}

async function planRegion(
  session: Session,
  region: string,
  whose: Whose,
  unexplained: ReadonlySet<string>,
): Promise<RegionPlan> {
  const { cloud, lineage, target } = session;
  const fleet = { lineage, stack: target.stack };
  try {
    const tagged = await listRemains(cloud, region, TAGS[whose]);
    const vpcs = tagged.filter((remain) => mayGo(whose, fleet, remain));
    const contents = new Map(
      await Promise.all(vpcs.map(async ({ id }) => [id, await listRemains(cloud, region, [{ vpc: id }])] as const)),
    );
    return planOf(whose, { region, fleet, tagged, contents, unexplained });
  } catch (error) {
    return {
      region,
      planned: [],
      blocked: [],
      notOurs: [],
      error: errorInfo(awsError(error, `looking through ${region}`)),
    };
  }
}

async function allConfirmed(session: Session, account: string, plan: RegionPlan[]): Promise<RegionPlan[]> {
  const chosen = plan.filter(({ planned }) => planned.length > 0);
  const count = chosen.reduce((sum, { planned }) => sum + planned.length, 0);
  if (count === 0) return chosen;
  const message = `Account ${account}: delete ${counted(count, "resource")} in ${counted(chosen.length, "region")}?`;
  if (!(await session.reporter.confirm({ message, unattended: false })))
    throw new SpotError("E_DECLINED", "nothing was deleted");
  return chosen;
}

/** What carries no lineage may be somebody's: each VPC and each thing is asked about alone, and no answer is a no. */
async function eachConfirmed(session: Session, plan: RegionPlan[]): Promise<RegionPlan[]> {
  const chosen: RegionPlan[] = [];
  for (const region of plan) {
    const planned: Planned[] = [];
    for (const choice of choicesOf(region)) {
      if (await session.reporter.confirm({ message: choice.message, unattended: false }))
        planned.push(...choice.planned);
    }
    chosen.push({ ...region, planned });
  }
  return chosen;
}

type Client = ReturnType<Session["cloud"]["ec2"]>;

/** What nothing of its VPC's can go before. */
const HOLDS_ALL = new Set(["instance", "nat-gateway", "vpc-endpoint", "network-interface"]);

interface Cleaned {
  deleted: number;
  left: CleanupResult["left"];
}

async function cleanRegion(session: Session, { region, planned }: RegionPlan): Promise<Cleaned> {
  const client = session.cloud.ec2(region);
  const deadline = Date.now() + PATIENCE_MS;
  const { soft } = session.interrupts;
  const cleaned: Cleaned = { deleted: 0, left: [] };
  const tell = (level: "info" | "warning", { kind, id }: Planned, what: string) =>
    session.reporter.emit({ type: "message", level, subject: region, message: `${kind} ${id} ${what}` });
  const leave = (remain: Planned, reason: string): void => {
    cleaned.left.push({ ...remain, reason });
    tell("warning", remain, `could not be deleted: ${reason}`);
  };
  // By VPC: why the rest of it is not tried, or the VPC itself.
  const hopeless = await heldMeanwhile(session, region, planned);
  const standing = new Map<string, string>();
  const stay = (remain: Planned, reason: string): void => {
    leave(remain, reason);
    if (remain.vpc !== undefined)
      (HOLDS_ALL.has(remain.kind) ? hopeless : standing).set(remain.vpc, `${remain.kind} ${remain.id} is still there`);
  };
  for (const { kind, remove, gone } of REMAINS) {
    await Promise.all(
      planned
        .filter((remain) => remain.kind === kind)
        .map(async (remain) => {
          const { vpc = "" } = remain;
          const pointless = hopeless.get(vpc) ?? (kind === "vpc" ? standing.get(vpc) : undefined);
          if (pointless !== undefined) {
            leave(remain, pointless);
            return;
          }
          try {
            soft.throwIfAborted();
            let change: string | undefined;
            const removeAsPlanned = async (): Promise<void> => {
              const [now, changed] = await asPlanned(client, remain, planned);
              change = changed;
              if (now && !changed) await remove(client, remain.id);
            };
            await deleteWithin(deadline, removeAsPlanned, soft, (error) =>
              tell("info", remain, `is waited for: ${wordsOf(error)}`),
            );
            if (change !== undefined) {
              stay(remain, change);
              return;
            }
            if (gone) {
              tell("info", remain, "is ending; it is waited for until it is gone");
              await until(() => gone(client, remain.id), deadline, soft);
            }
            cleaned.deleted += 1;
            tell("info", remain, `deleted (${cleaned.deleted} of ${planned.length})`);
          } catch (error) {
            stay(remain, soft.aborted ? "interrupted" : wordsOf(error));
          }
        }),
    );
  }
  return cleaned;
}

/** Whether something is still there, and what has changed about it, or about the VPC because of which it goes. */
async function asPlanned(
  client: Client,
  remain: Planned,
  planned: readonly Planned[],
): Promise<[isThere: boolean, change: string | undefined]> {
  const vpc = planned.find(({ kind, id }) => kind === "vpc" && id === remain.vpc && id !== remain.id);
  const [now, around] = await Promise.all([lookAgain(client, remain), vpc && lookAgain(client, vpc)]);
  const change =
    (now && changedSince(remain, now)) ??
    (vpc && around && changedSince(vpc, around) && `${vpc.id}: ${changedSince(vpc, around)}`);
  return [now !== undefined, change];
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
        const { strangers } = sorted(id, await listRemains(session.cloud, region, [{ vpc: id }]), (remain) =>
          known.has(remain.id),
        );
        if (strangers.length > 0) held.set(id, `since the plan was made, ${namesOf(strangers)} came into ${id}`);
      } catch (error) {
        held.set(id, wordsOf(error));
      }
    }),
  );
  return held;
}

async function until(done: () => Promise<boolean>, deadline: number, signal: AbortSignal): Promise<void> {
  for (let wait = 200; !(await done()); wait = Math.min(wait * 1.5, 5000)) {
    if (Date.now() + wait > deadline) throw new Error("it is still there at the deadline");
    await sleep(wait, undefined, { signal });
  }
}
