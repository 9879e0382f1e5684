import { setTimeout as sleep } from "node:timers/promises";
import { errorInfo, SpotError, wordsOf, type ErrorInfo } from "../../fleet/errors";
import { MANAGED_BY, Tag } from "../../fleet/model";
import { ownerOf, type Owner } from "../../fleet/ownership";
import { counted } from "../../fleet/words";
import { awsError } from "../cloud/errors";
import { enabledRegions } from "../cloud/inventory";
import { listRemains, REMAINS, type Remain, type Where } from "../cloud/remains";
import { deleteWithin } from "../cloud/sweep";
import type { Session } from "../session";

/** Something that would be deleted, and why it may be. */
export interface Planned extends Remain {
  why: string;
}

export interface RegionPlan {
  region: string;
  planned: Planned[];
  /** Listed, never touched: another fleet's, or lying in a VPC of ours without being ours. */
  notOurs: (Remain & { owner: Owner })[];
  error?: ErrorInfo;
}

export interface CleanupRequest {
  /** True: what the predecessor left, each thing confirmed alone. */
  legacy: boolean;
  dryRun: boolean;
  /** Told of the plan before anything is asked about it or deleted. */
  onPlan?: (plan: CleanupPlan) => void;
}

/** What was found, region by region. */
export interface CleanupPlan {
  account: string;
  plan: RegionPlan[];
}

export interface CleanupResult extends CleanupPlan {
  deleted: number;
  /** What of the plan is still there, with AWS's reason. */
  left: (Planned & { reason: string })[];
}

/** AWS takes minutes to let go of interfaces and NAT gateways. */
const PATIENCE_MS = 5 * 60_000;

/**
 * Looks through every enabled region for what is left of this fleet, and deletes it: by its tags only, in the order
 * that AWS asks for, with waits. Never a default VPC, and nothing that carries no tag of ours, but for interfaces in a
 * VPC of ours, which cannot carry one.
 * @throws SpotError E_CREDENTIALS, E_DECLINED
 */
export async function cleanupVpcs(session: Session, { legacy, dryRun, onPlan }: CleanupRequest): Promise<CleanupResult> {
  const { account } = session.identity;
  const regions = await enabledRegions(session.cloud);
  const wanted = legacy ? "predecessor" : "ours";
  const plan = await Promise.all(regions.map((region) => planRegion(session, region, wanted)));
  onPlan?.({ account, plan });
  if (dryRun) return { account, plan, deleted: 0, left: [] };

  const chosen = legacy ? await eachConfirmed(session, plan) : await allConfirmed(session, account, plan);
  const outcomes = await Promise.all(chosen.map((region) => cleanRegion(session, region)));
  return { account, plan, deleted: outcomes.reduce((sum, { deleted }) => sum + deleted, 0), left: outcomes.flatMap(({ left }) => left) };
}

async function planRegion(session: Session, region: string, wanted: keyof typeof TAGS): Promise<RegionPlan> {
  const { cloud, lineage } = session;
  try {
    const tagged = await listRemains(cloud, region, TAGS[wanted](lineage));
    const vpcs = tagged.filter(({ kind, managed, tags }) => kind === "vpc" && managed === undefined && ownerOf(tags, lineage) === wanted);
    const inside = (await Promise.all(vpcs.map(async ({ id }) => (await listRemains(cloud, region, [{ vpc: id }])).map((remain) => ({ remain, vpc: id }))))).flat();
    const known = new Map<string, Planned>();
    const notOurs = new Map<string, Remain & { owner: Owner }>();
    for (const remain of tagged) place(remain, undefined);
    for (const { remain, vpc } of inside) place(remain, vpc);
    return { region, planned: [...known.values()], notOurs: [...notOurs.values()] };

    function place(remain: Remain, vpc: string | undefined): void {
      const owner = ownerOf(remain.tags, lineage);
      const untaggable = REMAINS.find(({ kind }) => kind === remain.kind)?.untaggable === true;
      if (remain.managed !== undefined && !(untaggable && vpc)) {
        if (remain.kind === "vpc") notOurs.set(remain.id, { ...remain, owner });
        return;
      }
      if (owner === wanted) known.set(remain.id, { ...remain, why: whyText(wanted, remain) });
      else if (vpc !== undefined && untaggable && owner === "nobody" && remain.managed === undefined) known.set(remain.id, { ...remain, why: `lies in ${vpc}, which is ours` });
      else if (vpc !== undefined && untaggable && remain.managed?.startsWith("attached to")) return;
      else notOurs.set(remain.id, { ...remain, owner });
    }
  } catch (error) {
    return { region, planned: [], notOurs: [], error: errorInfo(awsError(error, `looking through ${region}`)) };
  }
}

function whyText(wanted: Owner, { tags }: Remain): string {
  if (wanted === "ours") return `tag ${Tag.lineage}=${tags[Tag.lineage]}`;
  return tags[Tag.managedBy] ? `tag ${Tag.managedBy}=${tags[Tag.managedBy]}` : `name ${tags["Name"]}`;
}

/** By which tags the plan begins. Other fleets of this program are listed too, as not ours. */
const TAGS: Record<"ours" | "predecessor", (lineage: string) => Where[]> = {
  ours: (lineage) => [
    { tag: Tag.lineage, values: [lineage] },
    { tag: Tag.managedBy, values: [MANAGED_BY] },
  ],
  predecessor: () => [
    { tag: Tag.managedBy, values: ["SpotDeployer"] },
    { tag: "Name", values: ["spot-deployer", "spot-deployer-*"] },
  ],
};

async function allConfirmed(session: Session, account: string, plan: RegionPlan[]): Promise<RegionPlan[]> {
  const chosen = plan.filter(({ planned }) => planned.length > 0);
  const count = chosen.reduce((sum, { planned }) => sum + planned.length, 0);
  if (count === 0 || session.target.kind === "sandbox") return chosen;
  const message = `Account ${account}: delete ${counted(count, "resource")} in ${counted(chosen.length, "region")}?`;
  if (!(await session.reporter.confirm({ message, unattended: false }))) throw new SpotError("E_DECLINED", "nothing was deleted");
  return chosen;
}

/** What carries no lineage may be somebody's: each thing is asked about alone, and no answer is a no. */
async function eachConfirmed(session: Session, plan: RegionPlan[]): Promise<RegionPlan[]> {
  const chosen: RegionPlan[] = [];
  for (const region of plan) {
    const planned: Planned[] = [];
    for (const remain of region.planned) {
      const message = `${remain.region}: delete ${remain.kind} ${remain.id} (${remain.detail}; ${remain.why})?`;
      if (await session.reporter.confirm({ message, unattended: false })) planned.push(remain);
    }
    if (planned.length > 0) chosen.push({ ...region, planned });
  }
  return chosen;
}

async function cleanRegion(session: Session, { region, planned }: RegionPlan): Promise<{ deleted: number; left: CleanupResult["left"] }> {
  const client = session.cloud.ec2(region);
  const deadline = Date.now() + PATIENCE_MS;
  const { soft } = session.interrupts;
  const left: CleanupResult["left"] = [];
  let deleted = 0;
  const tell = (level: "info" | "warning", { kind, id }: Planned, what: string) => session.reporter.emit({ type: "message", level, subject: region, message: `${kind} ${id} ${what}` });
  for (const { kind, remove, gone } of REMAINS) {
    await Promise.all(
      planned
        .filter((remain) => remain.kind === kind)
        .map(async (remain) => {
          try {
            soft.throwIfAborted();
            await deleteWithin(deadline, () => remove(client, remain.id), soft, (error) => tell("info", remain, `is waited for: ${wordsOf(error)}`));
            if (gone) {
              tell("info", remain, "is ending; it is waited for until it is gone");
              await until(() => gone(client, remain.id), deadline, soft);
            }
            deleted += 1;
            tell("info", remain, `deleted (${deleted} of ${planned.length})`);
          } catch (error) {
            const reason = soft.aborted ? "interrupted" : wordsOf(error);
            left.push({ ...remain, reason });
            tell("warning", remain, `could not be deleted: ${reason}`);
          }
        }),
    );
  }
  return { deleted, left };
}

async function until(done: () => Promise<boolean>, deadline: number, signal: AbortSignal): Promise<void> {
  for (let wait = 200; !(await done()); wait = Math.min(wait * 1.5, 5000)) {
    if (Date.now() + wait > deadline) throw new Error("it is still there at the deadline");
    await sleep(wait, undefined, { signal });
  }
}
