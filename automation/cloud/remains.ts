import {
  CancelSpotInstanceRequestsCommand,
  DeleteEgressOnlyInternetGatewayCommand,
  DeleteFleetsCommand,
  DeleteKeyPairCommand,
  DeleteLaunchTemplateCommand,
  DeleteNatGatewayCommand,
  DeleteNetworkAclCommand,
  DeleteNetworkInterfaceCommand,
  DeleteVpcEndpointsCommand,
  DeleteVpcPeeringConnectionCommand,
  DeleteVpnConnectionCommand,
  DeleteVpnGatewayCommand,
  DescribeAddressesCommand,
  DescribeEgressOnlyInternetGatewaysCommand,
  DescribeFleetsCommand,
  DescribeInstancesCommand,
  DescribeKeyPairsCommand,
  DescribeLaunchTemplatesCommand,
  DescribeNatGatewaysCommand,
  DescribeNetworkAclsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSpotInstanceRequestsCommand,
  DescribeVpcEndpointsCommand,
  DescribeVpcPeeringConnectionsCommand,
  DescribeVpcsCommand,
  DescribeVpnConnectionsCommand,
  DescribeVpnGatewaysCommand,
  DetachNetworkInterfaceCommand,
  DetachVpnGatewayCommand,
  DisassociateAddressCommand,
  ReleaseAddressCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  paginateDescribeFleets,
  type EC2Client,
  type Filter,
  type FleetData,
  type Tag as AwsTag,
} from "@aws-sdk/client-ec2";
import type { Cloud } from "./clients";
import { LISTERS, LIVE_STATES, pages, tagRecord } from "./inventory";
import { DELETERS } from "./sweep";

/** Something that a fleet can leave in a region. */
export interface Remain {
  kind: string;
  region: string;
  id: string;
  /** For people: a state, an address, whose it is. */
  detail: string;
  tags: Record<string, string>;
  /** AWS makes and ends it together with something else: it blocks, but nobody deletes it by itself. */
  managed?: string;
}

type Found = Omit<Remain, "kind" | "region">;

interface Kind {
  kind: string;
  list(client: EC2Client, filters: Filter[]): Promise<Found[]>;
  /** How Describe is asked for what lies in a VPC; absent: it lies in none, or cannot be asked so. */
  vpcFilter?: string;
  remove(client: EC2Client, id: string): Promise<unknown>;
  /** True when it is really gone; absent: an accepted deletion is one. */
  gone?(client: EC2Client, id: string): Promise<boolean>;
  /** It cannot carry our tags, so lying in a VPC of ours makes it ours. */
  untaggable?: true;
}

const found = (id: string | undefined, detail: string | undefined, tags: AwsTag[] | undefined, managed?: string): Found => ({
  id: id ?? "",
  detail: detail ?? "",
  tags: tagRecord(tags),
  ...(managed === undefined ? {} : { managed }),
});

const lister = (kind: keyof typeof LISTERS) => async (client: EC2Client, filters: Filter[]) => (await LISTERS[kind](client, filters)).map(({ id, detail, tags }) => found(id, detail, tags));

/** How gateways of every kind are asked for by their VPC. */
const ATTACHED_TO = "attachment.vpc-id";

/**
 * Everything that a fleet or somebody beside it can leave, in the order in which AWS lets it go: instances before the
 * interfaces they hold, groups and tables before subnets, the VPC when it is empty. To add one, add a row.
 */
export const REMAINS: readonly Kind[] = [
  {
    kind: "spot-request",
    list: async (client, Filters) => ((await client.send(new DescribeSpotInstanceRequestsCommand({ Filters }))).SpotInstanceRequests ?? []).filter(({ State }) => State === "open" || State === "active").map((r) => found(r.SpotInstanceRequestId, r.State, r.Tags)),
    remove: (client, id) => client.send(new CancelSpotInstanceRequestsCommand({ SpotInstanceRequestIds: [id] })),
  },
  {
    kind: "instance",
    list: async (client, filters) => (await pages(client, [...filters, { Name: "instance-state-name", Values: LIVE_STATES }])).map((i) => found(i.InstanceId, i.State?.Name, i.Tags)),
    vpcFilter: "vpc-id",
    remove: DELETERS.instance,
    gone: async (client, id) => {
      const answer = await client.send(new DescribeInstancesCommand({ Filters: [{ Name: "instance-id", Values: [id] }] }));
      return (answer.Reservations ?? []).flatMap(({ Instances }) => Instances ?? []).every(({ State }) => State?.Name === "terminated");
    },
  },
  {
    kind: "fleet",
    list: async (client, filters) => {
      const fleets: FleetData[] = [];
      for await (const page of paginateDescribeFleets({ client }, {})) fleets.push(...(page.Fleets ?? []));
      return fleets.filter(({ FleetState }) => !FleetState?.startsWith("deleted")).map((f) => found(f.FleetId, f.FleetState, f.Tags)).filter(({ tags }) => carries(tags, filters));
    },
    remove: deleteFleet,
    gone: async (client, id) => ((await client.send(new DescribeFleetsCommand({ FleetIds: [id] }))).Fleets ?? []).every(({ FleetState }) => FleetState === "deleted" || FleetState === "failed"),
  },
  {
    kind: "launch-template",
    list: async (client, Filters) => ((await client.send(new DescribeLaunchTemplatesCommand({ Filters }))).LaunchTemplates ?? []).map((t) => found(t.LaunchTemplateId, t.LaunchTemplateName, t.Tags)),
    remove: (client, LaunchTemplateId) => client.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId })),
  },
  {
    kind: "nat-gateway",
    list: async (client, filters) => ((await client.send(new DescribeNatGatewaysCommand({ Filter: [...filters, { Name: "state", Values: ["pending", "available", "deleting", "failed"] }] }))).NatGateways ?? []).map((n) => found(n.NatGatewayId, n.State, n.Tags)),
    vpcFilter: "vpc-id",
    remove: (client, NatGatewayId) => client.send(new DeleteNatGatewayCommand({ NatGatewayId })),
    gone: async (client, id) => ((await client.send(new DescribeNatGatewaysCommand({ NatGatewayIds: [id] }))).NatGateways ?? []).every(({ State }) => State === "deleted"),
  },
  {
    kind: "elastic-address",
    list: async (client, Filters) => ((await client.send(new DescribeAddressesCommand({ Filters }))).Addresses ?? []).map((a) => found(a.AllocationId, a.PublicIp, a.Tags)),
    remove: async (client, AllocationId) => {
      const { Addresses } = await client.send(new DescribeAddressesCommand({ AllocationIds: [AllocationId] }));
      for (const { AssociationId } of Addresses ?? []) if (AssociationId) await client.send(new DisassociateAddressCommand({ AssociationId }));
      await client.send(new ReleaseAddressCommand({ AllocationId }));
    },
  },
  {
    kind: "vpc-endpoint",
    list: async (client, Filters) => ((await client.send(new DescribeVpcEndpointsCommand({ Filters }))).VpcEndpoints ?? []).filter(({ State }) => State?.toLowerCase() !== "deleted").map((e) => found(e.VpcEndpointId, e.ServiceName, e.Tags)),
    vpcFilter: "vpc-id",
    remove: (client, id) => client.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: [id] })),
  },
  {
    kind: "peering-connection",
    list: async (client, Filters) => ((await client.send(new DescribeVpcPeeringConnectionsCommand({ Filters }))).VpcPeeringConnections ?? []).filter(({ Status }) => Status?.Code !== "deleted").map((p) => found(p.VpcPeeringConnectionId, p.Status?.Code, p.Tags)),
    vpcFilter: "requester-vpc-info.vpc-id",
    remove: (client, VpcPeeringConnectionId) => client.send(new DeleteVpcPeeringConnectionCommand({ VpcPeeringConnectionId })),
  },
  {
    kind: "vpn-connection",
    list: vpnConnections,
    vpcFilter: ATTACHED_TO,
    remove: (client, VpnConnectionId) => client.send(new DeleteVpnConnectionCommand({ VpnConnectionId })),
    gone: async (client, id) => ((await client.send(new DescribeVpnConnectionsCommand({ VpnConnectionIds: [id] }))).VpnConnections ?? []).every(({ State }) => State === "deleted"),
  },
  {
    kind: "vpn-gateway",
    list: async (client, Filters) => ((await client.send(new DescribeVpnGatewaysCommand({ Filters }))).VpnGateways ?? []).filter(({ State }) => State !== "deleted" && State !== "deleting").map((g) => found(g.VpnGatewayId, g.State, g.Tags)),
    vpcFilter: ATTACHED_TO,
    remove: async (client, VpnGatewayId) => {
      const { VpnGateways } = await client.send(new DescribeVpnGatewaysCommand({ VpnGatewayIds: [VpnGatewayId] }));
      for (const { VpcId, State } of VpnGateways?.[0]?.VpcAttachments ?? []) if (VpcId && State === "attached") await client.send(new DetachVpnGatewayCommand({ VpnGatewayId, VpcId }));
      await client.send(new DeleteVpnGatewayCommand({ VpnGatewayId }));
    },
  },
  {
    kind: "network-interface",
    list: async (client, Filters) =>
      ((await client.send(new DescribeNetworkInterfacesCommand({ Filters }))).NetworkInterfaces ?? []).map((i) =>
        found(i.NetworkInterfaceId, `${i.Status}${i.Description ? `, ${i.Description}` : ""}`, i.TagSet, i.RequesterManaged ? `of ${i.InterfaceType ?? i.RequesterId ?? "a service of AWS"}` : i.Attachment?.InstanceId && `attached to ${i.Attachment.InstanceId}`),
      ),
    vpcFilter: "vpc-id",
    untaggable: true,
    remove: async (client, NetworkInterfaceId) => {
      const { NetworkInterfaces } = await client.send(new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [NetworkInterfaceId] }));
      for (const { Attachment } of NetworkInterfaces ?? []) if (Attachment?.AttachmentId) await client.send(new DetachNetworkInterfaceCommand({ AttachmentId: Attachment.AttachmentId, Force: true }));
      await client.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }));
    },
  },
  {
    kind: "security-group",
    list: async (client, Filters) => ((await client.send(new DescribeSecurityGroupsCommand({ Filters }))).SecurityGroups ?? []).map((g) => found(g.GroupId, g.GroupName, g.Tags, g.GroupName === "default" ? "goes with its VPC" : undefined)),
    vpcFilter: "vpc-id",
    remove: async (client, GroupId) => {
      await revokeNamed(client, GroupId);
      await DELETERS["security-group"](client, GroupId);
    },
  },
  {
    kind: "route-table",
    list: async (client, Filters) => ((await client.send(new DescribeRouteTablesCommand({ Filters }))).RouteTables ?? []).map((t) => found(t.RouteTableId, t.VpcId, t.Tags, t.Associations?.some(({ Main }) => Main) ? "goes with its VPC" : undefined)),
    vpcFilter: "vpc-id",
    remove: DELETERS["route-table"],
  },
  {
    kind: "network-acl",
    list: async (client, Filters) => ((await client.send(new DescribeNetworkAclsCommand({ Filters }))).NetworkAcls ?? []).map((a) => found(a.NetworkAclId, a.VpcId, a.Tags, a.IsDefault ? "goes with its VPC" : undefined)),
    vpcFilter: "vpc-id",
    remove: (client, NetworkAclId) => client.send(new DeleteNetworkAclCommand({ NetworkAclId })),
  },
  { kind: "subnet", list: lister("subnet"), vpcFilter: "vpc-id", remove: DELETERS.subnet },
  { kind: "internet-gateway", list: lister("internet-gateway"), vpcFilter: ATTACHED_TO, remove: DELETERS["internet-gateway"] },
  {
    kind: "egress-only-gateway",
    list: async (client, Filters) => ((await client.send(new DescribeEgressOnlyInternetGatewaysCommand({ Filters }))).EgressOnlyInternetGateways ?? []).map((g) => found(g.EgressOnlyInternetGatewayId, g.Attachments?.[0]?.VpcId, g.Tags)),
    remove: (client, EgressOnlyInternetGatewayId) => client.send(new DeleteEgressOnlyInternetGatewayCommand({ EgressOnlyInternetGatewayId })),
  },
  {
    kind: "vpc",
    list: async (client, Filters) => ((await client.send(new DescribeVpcsCommand({ Filters }))).Vpcs ?? []).map((v) => found(v.VpcId, v.CidrBlock, v.Tags, v.IsDefault ? "the region's default VPC is never deleted" : undefined)),
    remove: DELETERS.vpc,
  },
  { kind: "volume", list: lister("volume"), remove: DELETERS.volume },
  {
    kind: "key-pair",
    list: async (client, Filters) => ((await client.send(new DescribeKeyPairsCommand({ Filters }))).KeyPairs ?? []).map((k) => found(k.KeyPairId, k.KeyName, k.Tags)),
    remove: (client, KeyPairId) => client.send(new DeleteKeyPairCommand({ KeyPairId })),
  },
];

/** DescribeFleets cannot be asked by tag. */
function carries(tags: Record<string, string>, filters: readonly Filter[]): boolean {
  return filters.every(({ Name = "", Values = [] }) => {
    const value = tags[Name.slice("tag:".length)] ?? "";
    return Values.some((wanted) => (wanted.endsWith("*") ? value.startsWith(wanted.slice(0, -1)) : value === wanted));
  });
}

/** A VPC's are those of its gateways: of a connection AWS does not tell the VPC. */
async function vpnConnections(client: EC2Client, filters: Filter[]): Promise<Found[]> {
  const ofVpc = filters.some(({ Name }) => Name === ATTACHED_TO);
  const gateways = ofVpc ? ((await client.send(new DescribeVpnGatewaysCommand({ Filters: filters }))).VpnGateways ?? []).map(({ VpnGatewayId }) => VpnGatewayId) : undefined;
  if (gateways?.length === 0) return [];
  const { VpnConnections } = await client.send(new DescribeVpnConnectionsCommand({ Filters: ofVpc ? [] : filters }));
  return (VpnConnections ?? [])
    .filter(({ State, VpnGatewayId }) => State !== "deleted" && State !== "deleting" && (gateways?.includes(VpnGatewayId) ?? true))
    .map((c) => found(c.VpnConnectionId, `${c.State}, to ${c.CustomerGatewayId}`, c.Tags));
}

/** A fleet that keeps its size would make its instances anew, so it takes them with it. */
async function deleteFleet(client: EC2Client, id: string): Promise<void> {
  const { UnsuccessfulFleetDeletions } = await client.send(new DeleteFleetsCommand({ FleetIds: [id], TerminateInstances: true }));
  const refusal = UnsuccessfulFleetDeletions?.[0]?.Error;
  if (refusal && refusal.Code !== "fleetIdDoesNotExist") throw new Error(`${refusal.Code}: ${refusal.Message}`);
}

/** A group cannot go while a rule of another one, or of its own, names it. */
async function revokeNamed(client: EC2Client, groupId: string): Promise<void> {
  const { SecurityGroups } = await client.send(new DescribeSecurityGroupsCommand({ GroupIds: [groupId] }));
  const [group] = SecurityGroups ?? [];
  const naming = (group?.IpPermissions ?? []).filter(({ UserIdGroupPairs }) => UserIdGroupPairs?.length);
  const out = (group?.IpPermissionsEgress ?? []).filter(({ UserIdGroupPairs }) => UserIdGroupPairs?.length);
  if (naming.length > 0) await client.send(new RevokeSecurityGroupIngressCommand({ GroupId: groupId, IpPermissions: naming }));
  if (out.length > 0) await client.send(new RevokeSecurityGroupEgressCommand({ GroupId: groupId, IpPermissions: out }));
}

/** What is looked for: all that lies in a VPC, or all that carries a tag (`*` at the end of a value stands for anything). */
export type Where = { vpc: string } | { tag: string; values: string[] };

/** Everything of every kind that matches one of these, each once. @throws what AWS said */
export async function listRemains(cloud: Cloud, region: string, wheres: readonly Where[]): Promise<Remain[]> {
  const client = cloud.ec2(region);
  const answers = await Promise.all(
    wheres.flatMap((where) =>
      REMAINS.flatMap(({ kind, list, vpcFilter }) => {
        if ("vpc" in where && vpcFilter === undefined) return [];
        const filter = "vpc" in where ? { Name: vpcFilter!, Values: [where.vpc] } : { Name: `tag:${where.tag}`, Values: where.values };
        return [list(client, [filter]).then((all) => all.map((one): Remain => ({ kind, region, ...one })))];
      }),
    ),
  );
  return [...new Map(answers.flat().map((remain) => [remain.id, remain])).values()];
}
