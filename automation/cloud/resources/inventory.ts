import {
  DescribeInstancesCommand,
  DescribeInternetGatewaysCommand,
  DescribeRegionsCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  DescribeVpcsCommand,
  type EC2Client,
  type Filter,
  type Instance as AwsInstance,
  type Tag as AwsTag,
} from "@aws-sdk/client-ec2";
import { setTimeout as sleep } from "node:timers/promises";
import { asFleetId } from "../../../fleet/identity/fleet-id";
import { passingClasses } from "../../../fleet/aws/failures";
import { MANAGED_BY, Tag } from "../../../fleet/model";
import { GLOBAL_REGION, type Cloud } from "../clients";
import { awsError } from "../errors";
import { stated } from "../stated";

/** As it is listed: with its ID. */
export type Instance = AwsInstance & { InstanceId: string };

/** Kinds of things that a fleet leaves in AWS, in the order in which they can be deleted. */
export const CLOUD_KINDS = [
  "instance",
  "volume",
  "security-group",
  "route-table",
  "subnet",
  "internet-gateway",
  "vpc",
] as const;
export type CloudKind = (typeof CLOUD_KINDS)[number];

/** Something of ours that exists in AWS, found by its lineage tag. */
export interface CloudObject {
  kind: CloudKind;
  region: string;
  id: string;
  /** An instance's state, else what it belongs to; for people. */
  detail: string;
  /** When it was made; of most kinds AWS does not tell. */
  created?: Date;
  /** The instance that a volume is attached to. */
  heldBy?: string;
  tags: Record<string, string>;
}

type Lister = (
  client: EC2Client,
  filters: Filter[],
) => Promise<{ id: string; detail: string; created?: Date; heldBy?: string; tags: AwsTag[] | undefined }[]>;

/** How each kind is listed. An instance that is `terminated` is no longer there: AWS shows it for an hour. */
export const LISTERS: Record<CloudKind, Lister> = {
  instance: async (client, filters) =>
    (await pages(client, [...filters, { Name: "instance-state-name", Values: LIVE_STATES }])).map((instance) => ({
      id: instance.InstanceId,
      detail: instance.State?.Name ?? "unknown",
      created: instance.LaunchTime,
      tags: instance.Tags,
    })),
  volume: async (client, Filters) =>
    ((await client.send(new DescribeVolumesCommand({ Filters }))).Volumes ?? []).map((v) => ({
      id: stated(v, "VolumeId"),
      detail: v.State ?? "",
      created: v.CreateTime,
      heldBy: v.Attachments?.[0]?.InstanceId,
      tags: v.Tags,
    })),
  "security-group": async (client, Filters) =>
    ((await client.send(new DescribeSecurityGroupsCommand({ Filters }))).SecurityGroups ?? []).map((g) => ({
      id: stated(g, "GroupId"),
      detail: g.VpcId ?? "",
      tags: g.Tags,
    })),
  "route-table": async (client, Filters) =>
    ((await client.send(new DescribeRouteTablesCommand({ Filters }))).RouteTables ?? []).map((t) => ({
      id: stated(t, "RouteTableId"),
      detail: t.VpcId ?? "",
      tags: t.Tags,
    })),
  subnet: async (client, Filters) =>
    ((await client.send(new DescribeSubnetsCommand({ Filters }))).Subnets ?? []).map((s) => ({
      id: stated(s, "SubnetId"),
      detail: s.VpcId ?? "",
      tags: s.Tags,
    })),
  "internet-gateway": async (client, Filters) =>
    ((await client.send(new DescribeInternetGatewaysCommand({ Filters }))).InternetGateways ?? []).map((g) => ({
      id: stated(g, "InternetGatewayId"),
      detail: g.Attachments?.[0]?.VpcId ?? "detached",
      tags: g.Tags,
    })),
  vpc: async (client, Filters) =>
    ((await client.send(new DescribeVpcsCommand({ Filters }))).Vpcs ?? []).map((v) => ({
      id: stated(v, "VpcId"),
      detail: v.CidrBlock ?? "",
      tags: v.Tags,
    })),
};

/** How Describe is asked for things of a kind by their ids. */
export const ID_FILTERS: Record<CloudKind, string> = {
  instance: "instance-id",
  volume: "volume-id",
  "security-group": "group-id",
  "route-table": "route-table-id",
  subnet: "subnet-id",
  "internet-gateway": "internet-gateway-id",
  vpc: "vpc-id",
};

/** An object's tags as they are now; undefined: AWS lists none with this id. @throws what AWS said */
export async function tagsNow(
  client: EC2Client,
  { kind, id }: Pick<CloudObject, "kind" | "id">,
): Promise<Record<string, string> | undefined> {
  const found = (await LISTERS[kind](client, [{ Name: ID_FILTERS[kind], Values: [id] }])).find((one) => one.id === id);
  return found && tagRecord(found.tags);
}

export const LIVE_STATES = ["pending", "running", "stopping", "stopped", "shutting-down"];

/** What carries a fleet's ID. @throws SpotError E_USAGE for what is none: `*` would find every fleet of the account */
function filtersOf(fleetId: string): Filter[] {
  return [{ Name: `tag:${Tag.lineage}`, Values: [asFleetId(fleetId, `tag ${Tag.lineage}`)] }];
}

/** A region that answered, or why it could not be looked at. */
export interface RegionInventory {
  region: string;
  objects: CloudObject[];
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
  objects: readonly Pick<CloudObject, "kind" | "region" | "id">[],
): Promise<RegionInventory[]> {
  const idsOf = (kind: CloudKind, region: string) =>
    objects.flatMap((object) => (object.kind === kind && object.region === region ? object.id : []));
  return listedBy(cloud, (kind, region) => [{ Name: ID_FILTERS[kind], Values: idsOf(kind, region) }], [
    ...new Set(objects.map(({ region }) => region)),
  ]);
}

const listed = (cloud: Cloud, filters: Filter[], regions: string[]) => listedBy(cloud, () => filters, regions);

/** A filter without values lists nothing, and is not asked. */
function listedBy(
  cloud: Cloud,
  filtersOf: (kind: CloudKind, region: string) => Filter[],
  regions: string[],
): Promise<RegionInventory[]> {
  return Promise.all(
    regions.map(async (region) => {
      try {
        const found = await Promise.all(
          CLOUD_KINDS.map(async (kind) => {
            const filters = filtersOf(kind, region);
            if (filters.some(({ Values }) => Values?.length === 0)) return [];
            return (await LISTERS[kind](cloud.ec2(region), filters)).map(
              (object): CloudObject => ({ kind, region, ...object, tags: tagRecord(object.tags) }),
            );
          }),
        );
        return { region, objects: found.flat() };
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
      return failure !== undefined && passingClasses.has(failure);
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
    return await pages(cloud.ec2(region), filtersOf(lineage));
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
    return await pages(cloud.ec2(region), [{ Name: `tag:${Tag.managedBy}`, Values: [MANAGED_BY] }]);
  } catch (error) {
    throw awsError(error, `DescribeInstances in ${region}`);
  }
}

/** Every region that the account can use. @throws SpotError */
export async function enabledRegions(cloud: Cloud): Promise<string[]> {
  try {
    // Without AllRegions only those that are enabled are told; this region is enabled in every account.
    const { Regions } = await cloud.ec2(GLOBAL_REGION).send(new DescribeRegionsCommand({}));
    return (Regions ?? []).map((region) => stated(region, "RegionName")).sort();
  } catch (error) {
    throw awsError(error, "DescribeRegions");
  }
}

export async function pages(client: EC2Client, filters: Filter[]): Promise<Instance[]> {
  const instances: Instance[] = [];
  let NextToken: string | undefined;
  do {
    const page = await client.send(new DescribeInstancesCommand({ Filters: filters, MaxResults: 1000, NextToken }));
    for (const instance of (page.Reservations ?? []).flatMap((reservation) => reservation.Instances ?? []))
      instances.push({ ...instance, InstanceId: stated(instance, "InstanceId") });
    NextToken = page.NextToken;
  } while (NextToken);
  return instances;
}

export function tagRecord(tags: AwsTag[] | undefined): Record<string, string> {
  return Object.fromEntries((tags ?? []).map(({ Key, Value }) => [Key ?? "", Value ?? ""]));
}
