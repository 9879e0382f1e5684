import {
  GetConsoleOutputCommand,
  paginateDescribeRouteTables,
  paginateDescribeSecurityGroups,
  paginateDescribeSpotInstanceRequests,
  paginateDescribeVolumes,
  type IpPermission,
  type RouteTable,
  type SecurityGroup,
  type Volume,
} from "@aws-sdk/client-ec2";
import type { SpotRequest } from "../../fleet/aws/spot-requests";
import type { CloudFacts, GroupFacts, InstanceFacts, Lookup } from "../../fleet/checks";
import { wordsWithCause } from "../../fleet/errors";
import { Tag } from "../../fleet/model";
import { EVERYWHERE } from "../../fleet/aws/network";
import type { Cloud } from "../clients";
import { awsError } from "../errors";
import { stated } from "../stated";
import { tagRecord } from "../tags";
import { describeInstances, type Instance } from "./inventory";
import { onAllPages } from "./kinds/kind";
import { lookUp } from "./look-up";

/** What all nodes' facts have in common. */
export type CallerFacts = Pick<CloudFacts, "account" | "caller">;

/**
 * What AWS says of the nodes of a lineage in one region, by instance id: five calls, whatever the number of nodes (up to
 * the size of a page). A call that is refused is a fact of its own and spoils no other.
 * @throws SpotError of AWS's class when the region does not answer at all
 */
export async function nodeFacts(
  cloud: Cloud,
  lineage: string,
  region: string,
  about: CallerFacts,
): Promise<Map<string, CloudFacts>> {
  const instances = await describeInstances(cloud, lineage, region);
  const client = cloud.ec2(region);
  const [groups, tables, volumes, requests] = await Promise.all([
    lookUp("DescribeSecurityGroups", idsIn(instances, groupsOf), (Values) =>
      onAllPages(
        paginateDescribeSecurityGroups({ client }, { Filters: [{ Name: "group-id", Values }] }),
        ({ SecurityGroups }) => SecurityGroups,
      ),
    ),
    lookUp(
      "DescribeRouteTables",
      idsIn(instances, ({ VpcId }) => [VpcId]),
      (Values) =>
        onAllPages(
          paginateDescribeRouteTables({ client }, { Filters: [{ Name: "vpc-id", Values }] }),
          ({ RouteTables }) => RouteTables,
        ),
    ),
    lookUp(
      "DescribeVolumes",
      idsIn(instances, ({ InstanceId }) => [InstanceId]),
      (Values) =>
        onAllPages(
          paginateDescribeVolumes({ client }, { Filters: [{ Name: "attachment.instance-id", Values }] }),
          ({ Volumes }) => Volumes,
        ),
    ),
    spotRequests(cloud, region, instances),
  ]);
  return new Map(
    instances.map((instance) => [
      instance.InstanceId,
      {
        ...about,
        instance: instanceFacts(instance),
        groups: of(groups, (found) => groupFacts(instance, found, lineage)),
        internetRoute: of(tables, (found) => internetRoute(instance, found)),
        rootVolume: of(volumes, (found) => rootVolume(instance, found)),
        spotRequest: of(requests, (found) => found.get(instance.InstanceId)),
      },
    ]),
  );
}

/** The spot requests of some instances of a region, by instance id: one call, whatever their number (up to a filter's size). */
export async function spotRequests(
  cloud: Cloud,
  region: string,
  instances: readonly Instance[],
): Promise<Lookup<Map<string, SpotRequest>>> {
  const client = cloud.ec2(region);
  const found = await lookUp(
    "DescribeSpotInstanceRequests",
    idsIn(instances, ({ SpotInstanceRequestId }) => [SpotInstanceRequestId]),
    (Values) =>
      onAllPages(
        paginateDescribeSpotInstanceRequests({ client }, { Filters: [{ Name: "spot-instance-request-id", Values }] }),
        ({ SpotInstanceRequests }) => SpotInstanceRequests,
      ),
  );
  if (found.failure !== undefined) return found;
  const byId = new Map(found.value.map((request) => [stated(request, "SpotInstanceRequestId"), request]));
  return {
    value: new Map(
      instances.flatMap(({ InstanceId, SpotInstanceRequestId = "" }) => {
        const request = byId.get(SpotInstanceRequestId);
        const status = request?.Status?.Code ?? "unknown";
        return request ? [[InstanceId, { id: SpotInstanceRequestId, state: request.State ?? "unknown", status }]] : [];
      }),
    ),
  };
}

/** What an instance wrote to its console so far. */
export async function consoleOutput(cloud: Cloud, region: string, instanceId: string): Promise<Lookup<string>> {
  try {
    const { Output } = await cloud.ec2(region).send(new GetConsoleOutputCommand({ InstanceId: instanceId }));
    return { value: Buffer.from(Output ?? "", "base64").toString("utf8") };
  } catch (error) {
    return { failure: wordsWithCause(awsError(error, "GetConsoleOutput")) };
  }
}

function idsIn(
  instances: readonly Instance[],
  idsOf: (instance: Instance) => (string | undefined)[] | undefined,
): string[] {
  return [...new Set(instances.flatMap((instance) => idsOf(instance) ?? []))].filter(
    (id) => id !== undefined && id !== "",
  ) as string[];
}

function of<T, R>(fact: Lookup<T>, read: (value: T) => R | undefined): Lookup<R> | undefined {
  if (fact.failure !== undefined) return fact;
  const value = read(fact.value);
  return value === undefined ? undefined : { value };
}

function instanceFacts(instance: Instance): InstanceFacts {
  const stateReason = instance.StateReason?.Message || instance.StateTransitionReason;
  return {
    instanceId: instance.InstanceId,
    state: instance.State?.Name ?? "unknown",
    ...(stateReason ? { stateReason } : {}),
    ...(instance.LaunchTime ? { launchedAt: instance.LaunchTime.toISOString() } : {}),
    instanceType: instance.InstanceType ?? "",
    availabilityZone: instance.Placement?.AvailabilityZone ?? "",
    market: instance.InstanceLifecycle === "spot" ? "spot" : "on-demand",
    ...(instance.PublicIpAddress ? { publicAddress: instance.PublicIpAddress } : {}),
    httpTokens: instance.MetadataOptions?.HttpTokens ?? "",
    tags: tagRecord(instance.Tags),
  };
}

/** Groups belong to interfaces; what an instance lists of its own is a copy (and moto's is empty). */
const groupsOf = ({ NetworkInterfaces }: Instance): (string | undefined)[] =>
  (NetworkInterfaces ?? []).flatMap(({ Groups }) => (Groups ?? []).map(({ GroupId }) => GroupId));

function groupFacts(instance: Instance, groups: readonly SecurityGroup[], lineage: string): GroupFacts[] {
  const ids = groupsOf(instance);
  return groups
    .filter(({ GroupId }) => ids.includes(GroupId))
    .map(({ GroupId = "", Tags, IpPermissions }) => ({
      id: GroupId,
      isOwn: tagRecord(Tags)[Tag.lineage] === lineage,
      ingress: (IpPermissions ?? []).flatMap(sourcesOf),
    }));
}

/** One entry for each source. Ports that a protocol does not have are written as 0 to 65535. */
function sourcesOf({
  IpProtocol = "",
  FromPort = 0,
  ToPort = 65_535,
  IpRanges,
  Ipv6Ranges,
  UserIdGroupPairs,
  PrefixListIds,
}: IpPermission): GroupFacts["ingress"] {
  const sources = [
    ...(IpRanges ?? []).map(({ CidrIp }) => CidrIp),
    ...(Ipv6Ranges ?? []).map(({ CidrIpv6 }) => CidrIpv6),
    ...(UserIdGroupPairs ?? []).map(({ GroupId }) => GroupId),
    ...(PrefixListIds ?? []).map(({ PrefixListId }) => PrefixListId),
  ];
  return sources.map((source) => ({ protocol: IpProtocol, fromPort: FromPort, toPort: ToPort, source: source ?? "" }));
}

/** A subnet without a table of its own has its VPC's main one. A route into nothing (blackhole) is none. */
function internetRoute({ SubnetId, VpcId }: Instance, tables: readonly RouteTable[]): string | null {
  const own = tables.find(({ Associations }) => Associations?.some((association) => association.SubnetId === SubnetId));
  const table =
    own ?? tables.find((candidate) => candidate.VpcId === VpcId && candidate.Associations?.some(({ Main }) => Main));
  const route = table?.Routes?.find(
    ({ DestinationCidrBlock, State }) => DestinationCidrBlock === EVERYWHERE && State !== "blackhole",
  );
  return route?.GatewayId ?? route?.NatGatewayId ?? route?.TransitGatewayId ?? route?.NetworkInterfaceId ?? null;
}

function rootVolume(
  { InstanceId, RootDeviceName, BlockDeviceMappings }: Instance,
  volumes: readonly Volume[],
): { encrypted: boolean; tags: Record<string, string> } | undefined {
  const id = BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === RootDeviceName)?.Ebs?.VolumeId;
  const volume = volumes.find(({ VolumeId, Attachments }) =>
    id === undefined ? Attachments?.some((attachment) => attachment.InstanceId === InstanceId) : VolumeId === id,
  );
  return volume && { encrypted: volume.Encrypted ?? false, tags: tagRecord(volume.Tags) };
}
