import { errorInfo, SpotError, type ErrorInfo } from "../../../fleet/errors";
import { Tag } from "../../../fleet/model";
import { pluralize } from "../../../fleet/text/words";
import { enabledRegions } from "../../../cloud/enabled-regions";
import { awsError } from "../../../cloud/errors";
import { findResources, isFleetObject, type FleetObject } from "../../../cloud/resources/find";
import { namesOf } from "../../../cloud/resources/strangers";
import { rememberConfig, settleConfig } from "../../session/last-config";
import { orphansAmong, tellUnexplained, type UnexplainedObject } from "../../session/orphans";
import { divided } from "../../session/ownership";
import type { Session } from "../../session";
import { cleanRegion, type Left } from "./clean-region";
import {
  choicesOf,
  forVpcs,
  mayGo,
  planOf,
  refuseUnanswered,
  TAGS,
  type Answering,
  type Planned,
  type RegionLook,
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
  left: Left[];
}

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
  const whose = legacy ? "predecessor" : "ours";
  const looks = await lookEverywhere(session, whose);
  // What an earlier run left may be in any region: what is unexplained is judged by all of them.
  const { unexplained } = legacy ? { unexplained: [] } : orphansAmong(session, ownAmong(session, looks));
  const found = looks.map((look) => planRegion(session, whose, look, new Set(unexplained.map(({ id }) => id))));
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

/** What a region shows: what has the tags that a plan begins with, and what lies in each VPC that may go. */
interface Looked extends Pick<RegionLook, "region" | "tagged" | "contents"> {
  error?: ErrorInfo;
}

async function lookEverywhere({ cloud, lineage, target }: Session, whose: Whose): Promise<Looked[]> {
  const look = async (region: string): Promise<Looked> => {
    try {
      const tagged = await findResources(cloud, region, TAGS[whose]);
      const vpcs = tagged.filter((object) => mayGo(whose, { lineage, stack: target.stack }, object));
      const contents = await Promise.all(
        vpcs.map(async ({ id }) => [id, await findResources(cloud, region, [{ vpc: id }])] as const),
      );
      return { region, tagged, contents: new Map(contents) };
    } catch (error) {
      return {
        region,
        tagged: [],
        contents: new Map(),
        error: errorInfo(awsError(error, `looking through ${region}`)),
      };
    }
  };
  return Promise.all((await enabledRegions(cloud)).map(look));
}

/** What carries the tags of this fleet and stack, and is such as a fleet makes. */
function ownAmong(session: Session, looks: readonly Looked[]): FleetObject[] {
  const tagged = looks.flatMap((look) => look.tagged).filter(isFleetObject);
  return divided(
    session,
    tagged.filter(({ tags }) => tags[Tag.lineage] === session.lineage),
  ).own;
}

function planRegion(
  { lineage, target }: Session,
  whose: Whose,
  { region, tagged, contents, error }: Looked,
  unexplained: ReadonlySet<string>,
): RegionPlan {
  return error
    ? { region, planned: [], blocked: [], notOurs: [], error }
    : planOf(whose, { region, fleet: { lineage, stack: target.stack }, tagged, contents, unexplained });
}

async function allConfirmed(session: Session, account: string, plan: RegionPlan[]): Promise<RegionPlan[]> {
  const chosen = plan.filter(({ planned }) => planned.length > 0);
  const count = chosen.reduce((sum, { planned }) => sum + planned.length, 0);
  if (count === 0) return chosen;
  const message = `Account ${account}: delete ${pluralize(count, "resource")} in ${pluralize(chosen.length, "region")}?`;
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
