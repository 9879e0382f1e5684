import type { Filter } from "@aws-sdk/client-ec2";
import { setTimeout as sleep } from "node:timers/promises";
import { asFleetId } from "../../fleet/identity/fleet-id";
import { retryableClasses } from "../../fleet/aws/error-codes";
import { MANAGED_BY, Tag } from "../../fleet/model";
import type { Cloud } from "../clients";
import { awsError } from "../errors";
import { listKinds, type FleetObject } from "./find";
import { FLEET_KINDS, type FleetKind, type KnownKind } from "./kinds";
import { describeInstancesBy, type Instance } from "./kinds/compute";

export type { Instance } from "./kinds/compute";
export type { FleetObject } from "./find";

/** What carries a fleet's ID. @throws SpotError E_USAGE for what is none: `*` would find every fleet of the account */
function filtersOf(fleetId: string): Filter[] {
  return [{ Name: `tag:${Tag.lineage}`, Values: [asFleetId(fleetId, `tag ${Tag.lineage}`)] }];
}

/** A region that answered, or why it could not be looked at. */
export interface RegionInventory {
  region: string;
  objects: FleetObject[];
  error?: ReturnType<typeof awsError>;
}

/**
 * Everything of a lineage in some regions, all regions and kinds in parallel. A region that cannot be looked at never
 * spoils the others: its error is part of the answer.
 */
export function inventory(cloud: Cloud, lineage: string, regions: string[]): Promise<RegionInventory[]> {
  return listed(cloud, filtersOf(lineage), regions);
}

/**
 * Everything that carries a stack's name, whatever its fleet ID: what other places may own. For looking only.
 * @param stack without organisation and project; its characters (STACK_NAME) are none of a filter's patterns
 */
export function inventoryOfStack(cloud: Cloud, stack: string, regions: string[]): Promise<RegionInventory[]> {
  return listed(
    cloud,
    [
      { Name: `tag:${Tag.stack}`, Values: [stack] },
      { Name: `tag:${Tag.managedBy}`, Values: [MANAGED_BY] },
    ],
    regions,
  );
}

/** What is there of these, whatever their tags; only regions in which one of them lies are answered. */
export function inventoryOfIds(
  cloud: Cloud,
  objects: readonly Pick<FleetObject, "kind" | "region" | "id">[],
): Promise<RegionInventory[]> {
  const idsOf = (kind: FleetKind, region: string) =>
    objects.flatMap((object) => (object.kind === kind && object.region === region ? object.id : []));
  return listedBy(cloud, ({ kind, idFilter }, region) => [{ Name: idFilter, Values: idsOf(kind, region) }], [
    ...new Set(objects.map(({ region }) => region)),
  ]);
}

const listed = (cloud: Cloud, filters: Filter[], regions: string[]) => listedBy(cloud, () => filters, regions);

function listedBy(
  cloud: Cloud,
  filtersOf: (kind: KnownKind<FleetKind>, region: string) => Filter[],
  regions: string[],
): Promise<RegionInventory[]> {
  return Promise.all(
    regions.map(async (region) => {
      try {
        return { region, objects: await listKinds(cloud, region, FLEET_KINDS, (kind) => filtersOf(kind, region)) };
      } catch (error) {
        return { region, objects: [], error: awsError(error, `listing what there is in ${region}`) };
      }
    }),
  );
}

/** How long a region that does not answer is asked again. */
const PATIENCE_MS = 60_000;

/** The same; but a region that is throttled or out of reach is asked again for a while, since much depends on its answer. */
export function patientInventory(
  cloud: Cloud,
  lineage: string,
  regions: string[],
  signal: AbortSignal,
): Promise<RegionInventory[]> {
  return patiently((silent) => inventory(cloud, lineage, silent), regions, signal);
}

/** Asks regions, and those again for a while that are throttled or out of reach. */
export async function patiently(
  look: (regions: string[]) => Promise<RegionInventory[]>,
  regions: string[],
  signal: AbortSignal,
): Promise<RegionInventory[]> {
  const looked = new Map<string, RegionInventory>();
  const deadline = Date.now() + PATIENCE_MS;
  for (let silent = regions, wait = 500; ; wait = Math.min(wait * 2, 5_000)) {
    for (const answer of await look(silent)) looked.set(answer.region, answer);
    silent = silent.filter((region) => {
      const failure = looked.get(region)?.error?.class;
      return failure !== undefined && retryableClasses.has(failure);
    });
    if (silent.length === 0 || signal.aborted || Date.now() + wait > deadline) return [...looked.values()];
    await sleep(wait, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * The instances of a lineage in one region, terminated ones too, by one call a page.
 * @throws SpotError of the class that AWS's error belongs to
 */
export async function describeInstances(cloud: Cloud, lineage: string, region: string): Promise<Instance[]> {
  try {
    return await describeInstancesBy(cloud.ec2(region), filtersOf(lineage));
  } catch (error) {
    throw awsError(error, `DescribeInstances in ${region}`);
  }
}

/**
 * The instances of every fleet of this program in one region, whoever's it is. For looking only.
 * @throws SpotError of the class that AWS's error belongs to
 */
export async function describeManaged(cloud: Cloud, region: string): Promise<Instance[]> {
  try {
    return await describeInstancesBy(cloud.ec2(region), [{ Name: `tag:${Tag.managedBy}`, Values: [MANAGED_BY] }]);
  } catch (error) {
    throw awsError(error, `DescribeInstances in ${region}`);
  }
}
