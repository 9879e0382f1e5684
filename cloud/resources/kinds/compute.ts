import {
  CancelSpotInstanceRequestsCommand,
  DeleteFleetsCommand,
  DeleteKeyPairCommand,
  DeleteLaunchTemplateCommand,
  DeleteVolumeCommand,
  DescribeFleetsCommand,
  DescribeKeyPairsCommand,
  TerminateInstancesCommand,
  paginateDescribeFleets,
  paginateDescribeInstances,
  paginateDescribeLaunchTemplates,
  paginateDescribeSpotInstanceRequests,
  paginateDescribeVolumes,
  type EC2Client,
  type Filter,
  type Instance as AwsInstance,
} from "@aws-sdk/client-ec2";
import { stated } from "../../stated";
import { listed, onAllPages, VPC, type ResourceKind } from "./kind";

/** As it is listed: with its ID. */
export type Instance = AwsInstance & { InstanceId: string };

/** An instance that is `terminated` is no longer there: AWS shows it for an hour. */
export const LIVE_STATES = ["pending", "running", "stopping", "stopped", "shutting-down"];

/** Instances in any state, by pages of 1000. @throws what AWS said */
export async function describeInstancesBy(client: EC2Client, Filters: Filter[]): Promise<Instance[]> {
  const reservations = await onAllPages(
    paginateDescribeInstances({ client, pageSize: 1000 }, { Filters }),
    ({ Reservations }) => Reservations,
  );
  return reservations
    .flatMap(({ Instances }) => Instances ?? [])
    .map((instance) => ({ ...instance, InstanceId: stated(instance, "InstanceId") }));
}

/** The groups that an instance is declared with are those of its first interface; what it lists of its own is a copy. */
export function groupsOf({ NetworkInterfaces, SecurityGroups }: AwsInstance): string[] {
  const first = NetworkInterfaces?.find(({ Attachment }) => Attachment?.DeviceIndex === 0);
  return (first?.Groups ?? SecurityGroups ?? []).flatMap(({ GroupId }) => GroupId ?? []);
}

export const spotRequest = {
  kind: "spot-request",
  idFilter: "spot-instance-request-id",
  list: async (client, Filters) =>
    (
      await onAllPages(
        paginateDescribeSpotInstanceRequests({ client }, { Filters }),
        ({ SpotInstanceRequests }) => SpotInstanceRequests,
      )
    )
      .filter(({ State }) => State === "open" || State === "active")
      .map((r) => listed(stated(r, "SpotInstanceRequestId"), r.State, r.Tags)),
  remove: (client, id) => client.send(new CancelSpotInstanceRequestsCommand({ SpotInstanceRequestIds: [id] })),
} as const satisfies ResourceKind;

export const instance = {
  kind: "instance",
  madeByFleet: true,
  idFilter: "instance-id",
  vpcFilters: [VPC],
  list: async (client, filters) =>
    (await describeInstancesBy(client, [...filters, { Name: "instance-state-name", Values: LIVE_STATES }])).map((i) =>
      listed(i.InstanceId, i.State?.Name ?? "unknown", i.Tags, { created: i.LaunchTime, groups: groupsOf(i) }),
    ),
  remove: (client, id) => client.send(new TerminateInstancesCommand({ InstanceIds: [id] })),
  // Only then are its interface and address let go.
  isGone: async (client, id) =>
    (await describeInstancesBy(client, [{ Name: "instance-id", Values: [id] }])).every(
      ({ State }) => State?.Name === "terminated",
    ),
} as const satisfies ResourceKind;

export const fleet = {
  kind: "fleet",
  // They cannot be asked for by a tag: the list answers with everything there is.
  list: async (client, filters) =>
    (await onAllPages(paginateDescribeFleets({ client }, {}), ({ Fleets }) => Fleets))
      .filter(({ FleetState }) => !FleetState?.startsWith("deleted"))
      .map((f) => listed(stated(f, "FleetId"), f.FleetState, f.Tags))
      .filter(({ tags }) => filters.every((filter) => hasTag(tags, filter))),
  remove: deleteFleet,
  isGone: async (client, id) =>
    ((await client.send(new DescribeFleetsCommand({ FleetIds: [id] }))).Fleets ?? []).every(
      ({ FleetState }) => FleetState === "deleted" || FleetState === "failed",
    ),
} as const satisfies ResourceKind;

export const launchTemplate = {
  kind: "launch-template",
  list: async (client, Filters) =>
    (
      await onAllPages(
        paginateDescribeLaunchTemplates({ client }, { Filters }),
        ({ LaunchTemplates }) => LaunchTemplates,
      )
    ).map((t) => listed(stated(t, "LaunchTemplateId"), t.LaunchTemplateName, t.Tags)),
  remove: (client, LaunchTemplateId) => client.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId })),
} as const satisfies ResourceKind;

export const volume = {
  kind: "volume",
  madeByFleet: true,
  idFilter: "volume-id",
  list: async (client, Filters) =>
    (await onAllPages(paginateDescribeVolumes({ client }, { Filters }), ({ Volumes }) => Volumes)).map((v) =>
      listed(stated(v, "VolumeId"), v.State, v.Tags, {
        created: v.CreateTime,
        heldBy: v.Attachments?.[0]?.InstanceId,
      }),
    ),
  remove: (client, VolumeId) => client.send(new DeleteVolumeCommand({ VolumeId })),
} as const satisfies ResourceKind;

export const keyPair = {
  kind: "key-pair",
  idFilter: "key-pair-id",
  list: async (client, Filters) =>
    ((await client.send(new DescribeKeyPairsCommand({ Filters }))).KeyPairs ?? []).map((k) =>
      listed(stated(k, "KeyPairId"), k.KeyName, k.Tags),
    ),
  remove: (client, KeyPairId) => client.send(new DeleteKeyPairCommand({ KeyPairId })),
} as const satisfies ResourceKind;

/** A fleet that keeps its size would make its instances anew, so it takes them with it. */
async function deleteFleet(client: EC2Client, id: string): Promise<void> {
  const { UnsuccessfulFleetDeletions } = await client.send(
    new DeleteFleetsCommand({ FleetIds: [id], TerminateInstances: true }),
  );
  const refusal = UnsuccessfulFleetDeletions?.[0]?.Error;
  if (refusal && refusal.Code !== "fleetIdDoesNotExist")
    throw new Error(`${refusal.Code ?? "refused"}: ${refusal.Message ?? "AWS says no more"}`);
}

/** Whether tags match a filter of EC2's, `tag-key` or `tag:NAME`; `*` at the end of a value stands for anything. */
function hasTag(tags: Record<string, string>, { Name = "", Values = [] }: Filter): boolean {
  if (Name === "tag-key") return Values.some((name) => name in tags);
  const value = tags[Name.replace(/^tag:/, "")];
  return (
    value !== undefined &&
    Values.some((wanted) => (wanted.endsWith("*") ? value.startsWith(wanted.slice(0, -1)) : value === wanted))
  );
}
