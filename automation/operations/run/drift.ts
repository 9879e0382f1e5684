import { AwsType, isOfAws } from "../../../fleet/aws/resource-types";
import type { ErrorInfo } from "../../../fleet/errors";
import { driftIn, inTheWayOf, isStopped } from "../../../fleet/drift/compare";
import type { Drift, FoundDrift, Recorded, SeenRegion } from "../../../fleet/drift/types";
import type { ResourceChange } from "../../../fleet/plan/resource-changes";
import type { RegionInventory } from "../../../cloud/resources/inventory";
import type { NetworkLook, NetworkPart } from "../../../cloud/resources/network-parts";
import type { EngineStep } from "../../engine/events";
import { unseenOf, type StackState, type StateResource } from "../../engine/state";
import type { Session } from "../../session";
import type { Look } from "./recover";
import { removeParts } from "./unrecorded-parts";

/** What was done outside this tool, and the record as it was before any of it was written there. */
export interface DriftLook {
  drift: readonly FoundDrift[];
  before: StackState;
  /** Regions in which nothing can be planned, and why. */
  held: ReadonlyMap<string, ErrorInfo>;
}

/**
 * Compares the record with a look at its regions. Of a region that did not answer nothing is said.
 * @param unseen URNs of what the record had only as it was wanted: nobody changed that
 */
export function driftOf(
  session: Session,
  { regions, networks }: Look,
  unseen: readonly string[] = unseenOf(session.state),
): DriftLook {
  const drift = regions.flatMap((inventory) => {
    const network = networks.find(({ region }) => region === inventory.region);
    const { region } = inventory;
    const place = { region, awsCli: session.cloud.cli };
    return driftIn(place, recordedIn(session.state, region), seenIn(inventory, network));
  });
  const isNews = (one: FoundDrift): boolean => one.urn === undefined || isStopped(one) || !unseen.includes(one.urn);
  return { drift: drift.filter(isNews), before: session.state, held: new Map() };
}

/** The resources of AWS that are recorded in a region. An instance that was ended to be made anew is awaited, not lost. */
export function recordedIn({ resources, nodes }: StackState, region: string): Recorded[] {
  const names = new Map(nodes.map(({ instanceId, name }) => [instanceId, name]));
  return resources
    .filter(({ custom, id, inputs }) => custom && id !== "" && inputs.region === region)
    .filter(({ type, id }) => isOfAws(type) && (type !== AwsType.instance || names.has(id)))
    .map((resource) => {
      const { urn, type, id } = resource;
      return { urn, type, id, inputs: inputsSeen(resource), node: names.get(id) };
    });
}

/** A gateway that was made and not attached is known not to be: a refresh writes that to its outputs alone. */
function inputsSeen({ type, inputs, outputs }: StateResource): StateResource["inputs"] {
  return type === AwsType.internetGateway ? { ...inputs, vpcId: outputs.vpcId } : inputs;
}

function seenIn({ objects, error }: RegionInventory, network: NetworkLook | undefined): SeenRegion {
  if (error !== undefined) return partsSeen(network);
  return {
    ...partsSeen(network),
    instances: new Map(
      objects.flatMap(({ kind, id, detail, groups = [] }) =>
        kind === "instance" ? [[id, { state: detail, groups }] as const] : [],
      ),
    ),
    gateways: new Map(
      objects.flatMap(({ kind, id, attachedTo = [] }) =>
        kind === "internet-gateway" ? [[id, attachedTo] as const] : [],
      ),
    ),
    present: new Set(objects.map(({ id }) => id)),
  };
}

/** The rules and tables that a look showed; what was refused is not there. */
export function partsSeen(network: NetworkLook | undefined): Pick<SeenRegion, "rules" | "tables"> {
  return { rules: network?.rules.value, tables: network?.tables.value };
}

/** URNs of what the engine must ask for before it can plan: of an instance that stands still its provider sees nothing. */
export function toBeAsked(drift: readonly FoundDrift[]): string[] {
  return drift.flatMap((one) => (one.urn === undefined || isStopped(one) ? [] : one.urn));
}

/** Says of which regions rules and routes could not be compared, and why. */
export function tellUnlooked(
  session: Session,
  { networks, regions = [] }: Pick<Look, "networks"> & Partial<Pick<Look, "regions">>,
): void {
  for (const { region, rules, tables } of networks) {
    const error = regions.find((one) => one.region === region)?.error;
    const failures = [rules.failure, tables.failure].flatMap((failure) => failure ?? []);
    const isRecorded = session.state.regions.includes(region);
    tellUnknown(session, region, [...(error && isRecorded ? [error.message] : []), ...failures]);
  }
}

/** @param failures of the calls that would have told; none: nothing is said */
export function tellUnknown({ reporter }: Session, region: string, failures: readonly string[]): void {
  if (failures.length === 0) return;
  const message = `whether anything was changed outside this tool is not known: ${failures.join("; ")}`;
  reporter.emit({ type: "message", level: "warning", subject: region, message });
}

/** Removes what somebody put in the place of a thing that is about to be made again: AWS takes only one. */
export async function removeInTheWay(
  session: Session,
  inTheWay: Iterable<string>,
  parts: readonly NetworkPart[],
): Promise<void> {
  const ids = new Set(inTheWay);
  await removeParts(
    session,
    parts.filter(({ id }) => id !== undefined && ids.has(id)),
    "put in the place of the fleet's own",
  );
}

/**
 * Ids of what stands in the place of what a plan makes or changes. It goes by the plan and not by what was found to have
 * changed: an earlier run may have written that into the record.
 */
export function inTheWayOfPlan(
  steps: readonly EngineStep[],
  resources: readonly Pick<ResourceChange, "urn" | "kind">[],
  networks: readonly NetworkLook[],
): string[] {
  const planned = new Set(resources.flatMap(({ urn, kind }) => (kind === "create" || kind === "update" ? [urn] : [])));
  return steps
    .filter(({ urn }) => planned.has(urn))
    .flatMap((step) => {
      const network = networks.find(({ region }) => region === step.inputs.region);
      return inTheWayOf(step, partsSeen(network));
    });
}

/** As it is shown, without what it takes to put it right. */
export function shown({ region, kind, id, node, urn, was, is, heals }: FoundDrift): Drift {
  return {
    region,
    kind,
    id,
    ...(node === undefined ? {} : { node }),
    ...(urn === undefined ? {} : { urn }),
    was,
    is,
    heals,
  };
}
