import { isInterruptionPending, type SpotRequest } from "../../../fleet/aws/spot-requests";
import type { Lookup } from "../../../fleet/checks";
import { errorInfo, type ErrorInfo } from "../../../fleet/errors";
import { Tag, type Market } from "../../../fleet/model";
import { naturalCompare } from "../../../fleet/text/words";
import { enabledRegions } from "../../../cloud/enabled-regions";
import {
  describeInstances,
  describeManaged,
  type FleetObject,
  type Instance,
} from "../../../cloud/resources/inventory";
import { LIVE_STATES } from "../../../cloud/resources/kinds/compute";
import { spotRequests } from "../../../cloud/resources/node-facts";
import { tagRecord } from "../../../cloud/tags";
import { lostBy } from "../../session/lost-state";
import { divided } from "../../session/ownership";
import { fleetRegions, isUnrecorded, type Session } from "../../session";
import { lookForDrift, type DriftFound } from "./look-for-drift";
import { begunSteps, isAtRest, isAtWork, type UnderWay } from "./under-way";

/** A node as `list` shows it: the record joined with what AWS says now. */
export interface ListedNode {
  name: string;
  instanceId: string;
  region: string;
  availabilityZone: string;
  instanceType: string;
  market: Market;
  /** EC2's state; `gone` when AWS no longer knows it, `unknown` when its region did not answer. */
  state: string;
  /** Why it ended, in AWS's words, when it did. */
  stateReason?: string;
  address: string | null;
  /** ISO 8601. */
  launchedAt: string | null;
  /** Of a spot instance that AWS shows: its request, or null when AWS does not tell it. Absent: there is none. */
  spotRequest?: SpotRequest | null;
  /** AWS has announced that it takes the instance back. */
  interruptionPending?: true;
  /** What a run that is at work does with it, as far as the record tells. */
  underWay?: UnderWay;
  /** False for an instance of ours that the state does not know. */
  recorded: boolean;
}

export interface Listing extends DriftFound {
  stack: string;
  lineage: string;
  /** Found by their tags alone when the record is damaged or lost. */
  nodes: ListedNode[];
  /** Why the record cannot be believed, when it is damaged or lost. */
  problem?: ErrorInfo;
  /**
   * Instances that carry the fleet ID and belong to another stack. Where this place knows of no fleet of its own:
   * those of every fleet of this program.
   */
  foreign: ForeignNode[];
  failedRegions: { region: string; error: ErrorInfo }[];
}

/** An instance that another place's record holds, or one that was lost there. Never touched from here. */
export interface ForeignNode {
  lineage: string;
  stack: string;
  node: string;
  instanceId: string;
  region: string;
  state: string;
}

/** An instance as one look at its region shows it. */
interface Found {
  region: string;
  instance: Instance;
  spotRequest: SpotRequest | undefined;
}

/**
 * Joins the state with what each region lists: its instances and, where some are spot instances, their requests. Changes
 * nothing, the record least of all.
 */
export async function list(session: Session): Promise<Listing> {
  const { state, lineage } = session;
  const regions = fleetRegions(session);
  const failedRegions: Listing["failedRegions"] = [];
  const live = new Map<string, Found>();
  const byRegion = new Map<string, Instance[]>();
  await Promise.all(
    regions.map(async (region) => {
      try {
        const instances = await describeInstances(session.cloud, lineage, region);
        byRegion.set(region, instances);
        const requests = await spotRequests(session.cloud, region, instances);
        if (requests.failure !== undefined) tellUnlooked(session, region, requests);
        for (const instance of instances)
          live.set(instance.InstanceId, { region, instance, spotRequest: requests.value?.get(instance.InstanceId) });
      } catch (error) {
        failedRegions.push({ region, error: errorInfo(error) });
      }
    }),
  );
  const unanswered = new Set(failedRegions.map(({ region }) => region));
  const begun = begunSteps(state);
  const awaited = new Set(begun.awaited.map(({ instanceId }) => instanceId));
  const atRest = isAtRest(session);
  const underWay = (is: UnderWay | undefined): Pick<ListedNode, "underWay"> =>
    is === undefined || atRest ? {} : { underWay: is };
  const known = [...state.nodes, ...begun.awaited];
  const nodes = known.map((node): ListedNode => {
    const { pool } = node.pin;
    const found = live.get(node.instanceId);
    const fallback = {
      state: unanswered.has(pool.region) ? "unknown" : "gone",
      address: null,
      launchedAt: node.created ?? null,
    };
    const now = found ? seen(found) : fallback;
    const isEnding = begun.changing.has(node.instanceId) && ENDING.has(now.state);
    return {
      name: node.name,
      instanceId: node.instanceId,
      ...pool,
      ...now,
      ...underWay(awaited.has(node.instanceId) ? "replacing" : isEnding ? "ending" : undefined),
      recorded: true,
    };
  });
  const recorded = new Set(known.map(({ instanceId }) => instanceId));
  const unrecorded = [...live.values()].filter(
    ({ instance }) => !recorded.has(instance.InstanceId) && instance.State?.Name !== "terminated",
  );
  const { own, others } = divided(
    session,
    unrecorded.map((found) => ({ id: found.instance.InstanceId, tags: tagRecord(found.instance.Tags), ...found })),
  );
  for (const { tags, ...found } of own) {
    const { region, instance } = found;
    const name = tags[Tag.node] ?? "?";
    nodes.push({
      name,
      instanceId: instance.InstanceId,
      region,
      availabilityZone: instance.Placement?.AvailabilityZone ?? "",
      instanceType: instance.InstanceType ?? "",
      market: marketOf(instance),
      ...seen(found),
      ...underWay(begun.creating.has(name) ? "creating" : undefined),
      recorded: false,
    });
  }
  const instances = [...live.values()].flatMap(({ region, instance }) =>
    LIVE_STATES.includes(instance.State?.Name ?? "") ? objectOf(region, instance) : [],
  );
  const problem =
    session.lost ??
    lostBy(
      session,
      regions.map((region) => ({ region, objects: instances.filter((object) => object.region === region) })),
    );
  const isComparable = problem === undefined && !isAtWork(session);
  const strange = isUnrecorded(session) || regions.length === 0;
  return {
    stack: session.target.stack,
    lineage,
    nodes: nodes.sort((a, b) => naturalCompare(a.name, b.name)),
    ...(problem ? { problem: errorInfo(problem) } : {}),
    foreign: strange
      ? await foreignNodes(session, failedRegions)
      : others.map(({ region, instance }) => foreignNode(region, instance)),
    ...(isComparable ? await lookForDrift(session, byRegion) : { drift: [], driftUnknown: state.regions }),
    failedRegions,
  };
}

function objectOf(region: string, { InstanceId, State, LaunchTime, Tags }: Instance): FleetObject {
  return {
    kind: "instance",
    region,
    id: InstanceId,
    detail: State?.Name ?? "",
    created: LaunchTime,
    tags: tagRecord(Tags),
  };
}

/** Every fleet of this program in the account, by its tags. */
async function foreignNodes({ cloud }: Session, failedRegions: Listing["failedRegions"]): Promise<ForeignNode[]> {
  const regions = await enabledRegions(cloud);
  const found = await Promise.all(
    regions.map(async (region): Promise<ForeignNode[]> => {
      try {
        const instances = await describeManaged(cloud, region);
        return instances
          .filter(({ State }) => State?.Name !== "terminated")
          .map((instance) => foreignNode(region, instance));
      } catch (error) {
        failedRegions.push({ region, error: errorInfo(error) });
        return [];
      }
    }),
  );
  return found.flat().sort((a, b) => a.lineage.localeCompare(b.lineage) || naturalCompare(a.node, b.node));
}

function foreignNode(region: string, instance: Instance): ForeignNode {
  const tags = tagRecord(instance.Tags);
  return {
    lineage: tags[Tag.lineage] ?? "?",
    stack: tags[Tag.stack] ?? "?",
    node: tags[Tag.node] ?? "?",
    instanceId: instance.InstanceId,
    region,
    state: instance.State?.Name ?? "unknown",
  };
}

/** States of an instance that is on its way out, or gone. */
const ENDING: ReadonlySet<string> = new Set(["shutting-down", "terminated"]);

const marketOf = ({ InstanceLifecycle }: Instance): Market => (InstanceLifecycle === "spot" ? "spot" : "on-demand");

/** What is listed is listed, whether or not AWS tells of spot requests. */
function tellUnlooked({ reporter }: Session, region: string, { failure }: Lookup<unknown> & { failure: string }): void {
  reporter.emit({
    type: "message",
    level: "warning",
    subject: region,
    message: `whether interruptions are pending is not known: ${failure}`,
  });
}

function seen({
  instance,
  spotRequest,
}: Found): Pick<
  ListedNode,
  "state" | "stateReason" | "address" | "launchedAt" | "spotRequest" | "interruptionPending"
> {
  const reason = instance.StateReason?.Message || instance.StateTransitionReason;
  const state = instance.State?.Name ?? "unknown";
  return {
    state,
    ...(reason ? { stateReason: reason } : {}),
    address: instance.PublicIpAddress ?? null,
    launchedAt: instance.LaunchTime?.toISOString() ?? null,
    ...(marketOf(instance) === "spot" ? { spotRequest: spotRequest ?? null } : {}),
    ...(spotRequest && isInterruptionPending(spotRequest, state) ? { interruptionPending: true } : {}),
  };
}
