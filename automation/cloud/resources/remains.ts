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
  type NetworkInterface,
  type Tag as AwsTag,
} from "@aws-sdk/client-ec2";
import type { Cloud } from "../clients";
import { ID_FILTERS, LISTERS, LIVE_STATES, pages, tagRecord } from "./inventory";
import { DELETERS } from "./sweep";

/** Something that a fleet can leave in a region. */
export interface Remain {
  kind: string;
  region: string;
  id: string;
  /** For people: a state, an address, whose it is. */
  detail: string;
  tags: Record<string, string>;
  /** AWS makes and ends it together with something else, or never lets it go: nobody deletes it by itself. */
  managed?: string;
  /** With what it ends: its VPC (a default group), the instance that it is attached to. */
  endsWith?: string;
  /** Interfaces that AWS keeps for it and ends with it. */
  interfaces?: string[];
  /** The interface that an address is on. */
  heldBy?: string;
  /** The VPC in which it was found. */
  vpc?: string;
}

type Found = Omit<Remain, "kind" | "region" | "vpc">;

interface Kind {
  kind: string;
  list: (client: EC2Client, filters: Filter[]) => Promise<Found[]>;
  /** How Describe is asked for one by its id; absent: it cannot be asked so. */
  idFilter?: string;
  /** How Describe is asked for what lies in a VPC, each on its own; absent: it lies in none. */
  vpcFilters?: readonly string[];
  remove: (client: EC2Client, id: string) => Promise<unknown>;
  /** True when it is really gone; absent: an accepted deletion is one. */
  gone?: (client: EC2Client, id: string) => Promise<boolean>;
}

const found = (
  id: string | undefined,
  detail: string | undefined,
  tags: AwsTag[] | undefined,
  more: Omit<Found, "id" | "detail" | "tags"> = {},
): Found => ({
  id: id ?? "",
  detail: detail ?? "",
  tags: tagRecord(tags),
  ...more,
});

/** Every VPC has one of these from its beginning to its end. */
const ofItsVpc = (is: boolean | undefined, endsWith: string | undefined): Pick<Found, "managed" | "endsWith"> =>
  is ? { managed: "goes with its VPC", endsWith } : {};

const lister = (kind: keyof typeof LISTERS) => async (client: EC2Client, filters: Filter[]) =>
  (await LISTERS[kind](client, filters)).map(({ id, detail, tags }) => found(id, detail, tags));

/** How gateways of every kind are asked for by their VPC, a peering by either end of it, and most else. */
const ATTACHED_TO = "attachment.vpc-id";
const REQUESTER = "requester-vpc-info.vpc-id";
const ACCEPTER = "accepter-vpc-info.vpc-id";
const VPC = "vpc-id";

/**
 * Everything that a fleet or somebody beside it can leave, in the order in which AWS lets it go: instances before the
 * interfaces they hold, groups and tables before subnets, the VPC when it is empty. To add one, add a row.
 */
export const REMAINS: readonly Kind[] = [
  {
    kind: "spot-request",
    idFilter: "spot-instance-request-id",
    list: async (client, Filters) =>
      ((await client.send(new DescribeSpotInstanceRequestsCommand({ Filters }))).SpotInstanceRequests ?? [])
        .filter(({ State }) => State === "open" || State === "active")
        .map((r) => found(r.SpotInstanceRequestId, r.State, r.Tags)),
    remove: (client, id) => client.send(new CancelSpotInstanceRequestsCommand({ SpotInstanceRequestIds: [id] })),
  },
  {
    kind: "instance",
    list: async (client, filters) =>
      (await pages(client, [...filters, { Name: "instance-state-name", Values: LIVE_STATES }])).map((i) =>
        found(i.InstanceId, i.State?.Name, i.Tags),
      ),
    idFilter: ID_FILTERS.instance,
    vpcFilters: [VPC],
    remove: DELETERS.instance,
    gone: async (client, id) => {
      const answer = await client.send(
        new DescribeInstancesCommand({ Filters: [{ Name: "instance-id", Values: [id] }] }),
      );
      return (answer.Reservations ?? [])
        .flatMap(({ Instances }) => Instances ?? [])
        .every(({ State }) => State?.Name === "terminated");
    },
  },
  {
    kind: "fleet",
    // They cannot be asked for by a tag.
    list: async (client) => {
      const fleets: FleetData[] = [];
      for await (const page of paginateDescribeFleets({ client }, {})) fleets.push(...(page.Fleets ?? []));
      return fleets
        .filter(({ FleetState }) => !FleetState?.startsWith("deleted"))
        .map((f) => found(f.FleetId, f.FleetState, f.Tags));
    },
    remove: deleteFleet,
    gone: async (client, id) =>
      ((await client.send(new DescribeFleetsCommand({ FleetIds: [id] }))).Fleets ?? []).every(
        ({ FleetState }) => FleetState === "deleted" || FleetState === "failed",
      ),
  },
  {
    kind: "launch-template",
    list: async (client, Filters) =>
      ((await client.send(new DescribeLaunchTemplatesCommand({ Filters }))).LaunchTemplates ?? []).map((t) =>
        found(t.LaunchTemplateId, t.LaunchTemplateName, t.Tags),
      ),
    remove: (client, LaunchTemplateId) => client.send(new DeleteLaunchTemplateCommand({ LaunchTemplateId })),
  },
  {
    kind: "nat-gateway",
    list: async (client, filters) =>
      (
        (
          await client.send(
            new DescribeNatGatewaysCommand({
              Filter: [...filters, { Name: "state", Values: ["pending", "available", "deleting", "failed"] }],
            }),
          )
        ).NatGateways ?? []
      ).map((n) =>
        found(n.NatGatewayId, n.State, n.Tags, {
          interfaces: (n.NatGatewayAddresses ?? []).flatMap(({ NetworkInterfaceId }) => NetworkInterfaceId ?? []),
        }),
      ),
    idFilter: "nat-gateway-id",
    vpcFilters: [VPC],
    remove: (client, NatGatewayId) => client.send(new DeleteNatGatewayCommand({ NatGatewayId })),
    gone: async (client, id) =>
      ((await client.send(new DescribeNatGatewaysCommand({ NatGatewayIds: [id] }))).NatGateways ?? []).every(
        ({ State }) => State === "deleted",
      ),
  },
  {
    kind: "elastic-address",
    list: addresses,
    idFilter: "allocation-id",
    vpcFilters: [VPC],
    remove: async (client, AllocationId) => {
      const { Addresses } = await client.send(new DescribeAddressesCommand({ AllocationIds: [AllocationId] }));
      for (const { AssociationId } of Addresses ?? [])
        if (AssociationId) await client.send(new DisassociateAddressCommand({ AssociationId }));
      await client.send(new ReleaseAddressCommand({ AllocationId }));
    },
  },
  {
    kind: "vpc-endpoint",
    list: async (client, Filters) =>
      ((await client.send(new DescribeVpcEndpointsCommand({ Filters }))).VpcEndpoints ?? [])
        .filter(({ State }) => State?.toLowerCase() !== "deleted")
        .map((e) => found(e.VpcEndpointId, e.ServiceName, e.Tags, { interfaces: e.NetworkInterfaceIds ?? [] })),
    idFilter: "vpc-endpoint-id",
    vpcFilters: [VPC],
    remove: deleteEndpoint,
    // Its interfaces hold their subnets until then.
    gone: async (client, id) =>
      (
        (await client.send(new DescribeVpcEndpointsCommand({ Filters: [{ Name: "vpc-endpoint-id", Values: [id] }] })))
          .VpcEndpoints ?? []
      ).every(({ State }) => State?.toLowerCase() === "deleted"),
  },
  {
    kind: "peering-connection",
    list: peerings,
    idFilter: "vpc-peering-connection-id",
    vpcFilters: [REQUESTER, ACCEPTER],
    remove: (client, VpcPeeringConnectionId) =>
      client.send(new DeleteVpcPeeringConnectionCommand({ VpcPeeringConnectionId })),
  },
  {
    kind: "vpn-connection",
    list: vpnConnections,
    idFilter: "vpn-connection-id",
    vpcFilters: [ATTACHED_TO],
    remove: (client, VpnConnectionId) => client.send(new DeleteVpnConnectionCommand({ VpnConnectionId })),
    gone: async (client, id) =>
      ((await client.send(new DescribeVpnConnectionsCommand({ VpnConnectionIds: [id] }))).VpnConnections ?? []).every(
        ({ State }) => State === "deleted",
      ),
  },
  {
    kind: "vpn-gateway",
    list: async (client, Filters) =>
      ((await client.send(new DescribeVpnGatewaysCommand({ Filters }))).VpnGateways ?? [])
        .filter(({ State }) => State !== "deleted" && State !== "deleting")
        .map((g) => found(g.VpnGatewayId, g.State, g.Tags)),
    idFilter: "vpn-gateway-id",
    vpcFilters: [ATTACHED_TO],
    remove: async (client, VpnGatewayId) => {
      const { VpnGateways } = await client.send(new DescribeVpnGatewaysCommand({ VpnGatewayIds: [VpnGatewayId] }));
      for (const { VpcId, State } of VpnGateways?.[0]?.VpcAttachments ?? [])
        if (VpcId && State === "attached") await client.send(new DetachVpnGatewayCommand({ VpnGatewayId, VpcId }));
      await client.send(new DeleteVpnGatewayCommand({ VpnGatewayId }));
    },
  },
  {
    kind: "network-interface",
    list: async (client, Filters) =>
      ((await client.send(new DescribeNetworkInterfacesCommand({ Filters }))).NetworkInterfaces ?? []).map((i) =>
        found(i.NetworkInterfaceId, whatOf(i), i.TagSet, fateOf(i)),
      ),
    idFilter: "network-interface-id",
    vpcFilters: [VPC],
    remove: async (client, NetworkInterfaceId) => {
      const { NetworkInterfaces } = await client.send(
        new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [NetworkInterfaceId] }),
      );
      for (const { Attachment } of NetworkInterfaces ?? [])
        if (Attachment?.AttachmentId)
          await client.send(new DetachNetworkInterfaceCommand({ AttachmentId: Attachment.AttachmentId, Force: true }));
      await client.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }));
    },
  },
  {
    kind: "security-group",
    list: async (client, Filters) =>
      ((await client.send(new DescribeSecurityGroupsCommand({ Filters }))).SecurityGroups ?? []).map((g) =>
        found(g.GroupId, g.GroupName, g.Tags, ofItsVpc(g.GroupName === "default", g.VpcId)),
      ),
    idFilter: ID_FILTERS["security-group"],
    vpcFilters: [VPC],
    remove: async (client, GroupId) => {
      await revokeNamed(client, GroupId);
      await DELETERS["security-group"](client, GroupId);
    },
  },
  {
    kind: "route-table",
    list: async (client, Filters) =>
      ((await client.send(new DescribeRouteTablesCommand({ Filters }))).RouteTables ?? []).map((t) =>
        found(
          t.RouteTableId,
          t.VpcId,
          t.Tags,
          ofItsVpc(
            t.Associations?.some(({ Main }) => Main),
            t.VpcId,
          ),
        ),
      ),
    idFilter: ID_FILTERS["route-table"],
    vpcFilters: [VPC],
    remove: DELETERS["route-table"],
  },
  { kind: "subnet", list: lister("subnet"), idFilter: ID_FILTERS.subnet, vpcFilters: [VPC], remove: DELETERS.subnet },
  {
    // After the subnets: one that a subnet goes by is kept.
    kind: "network-acl",
    list: async (client, Filters) =>
      ((await client.send(new DescribeNetworkAclsCommand({ Filters }))).NetworkAcls ?? []).map((a) =>
        found(a.NetworkAclId, a.VpcId, a.Tags, ofItsVpc(a.IsDefault, a.VpcId)),
      ),
    idFilter: "network-acl-id",
    vpcFilters: [VPC],
    remove: (client, NetworkAclId) => client.send(new DeleteNetworkAclCommand({ NetworkAclId })),
  },
  {
    kind: "internet-gateway",
    list: lister("internet-gateway"),
    idFilter: ID_FILTERS["internet-gateway"],
    vpcFilters: [ATTACHED_TO],
    remove: DELETERS["internet-gateway"],
  },
  {
    kind: "egress-only-gateway",
    list: egressOnlyGateways,
    vpcFilters: [ATTACHED_TO],
    remove: (client, EgressOnlyInternetGatewayId) =>
      client.send(new DeleteEgressOnlyInternetGatewayCommand({ EgressOnlyInternetGatewayId })),
  },
  {
    kind: "vpc",
    list: async (client, Filters) =>
      ((await client.send(new DescribeVpcsCommand({ Filters }))).Vpcs ?? []).map((v) =>
        found(
          v.VpcId,
          v.CidrBlock,
          v.Tags,
          v.IsDefault ? { managed: "the region's default VPC is never deleted" } : {},
        ),
      ),
    idFilter: ID_FILTERS.vpc,
    remove: DELETERS.vpc,
  },
  { kind: "volume", list: lister("volume"), idFilter: ID_FILTERS.volume, remove: DELETERS.volume },
  {
    kind: "key-pair",
    idFilter: "key-pair-id",
    list: async (client, Filters) =>
      ((await client.send(new DescribeKeyPairsCommand({ Filters }))).KeyPairs ?? []).map((k) =>
        found(k.KeyPairId, k.KeyName, k.Tags),
      ),
    remove: (client, KeyPairId) => client.send(new DeleteKeyPairCommand({ KeyPairId })),
  },
];

/** The values of one filter; undefined: it is not asked for. */
const valuesOf = (filters: readonly Filter[], name: string): string[] | undefined =>
  filters.find(({ Name }) => Name === name)?.Values;

/** In a VPC lies what is on an interface there: of an address AWS tells the interface alone. */
async function addresses(client: EC2Client, filters: Filter[]): Promise<Found[]> {
  const inVpc =
    valuesOf(filters, VPC) &&
    new Set(
      ((await client.send(new DescribeNetworkInterfacesCommand({ Filters: filters }))).NetworkInterfaces ?? []).map(
        ({ NetworkInterfaceId }) => NetworkInterfaceId,
      ),
    );
  if (inVpc?.size === 0) return [];
  const { Addresses } = await client.send(new DescribeAddressesCommand({ Filters: inVpc ? [] : filters }));
  return (Addresses ?? [])
    .filter(({ NetworkInterfaceId }) => inVpc === undefined || inVpc.has(NetworkInterfaceId))
    .map(({ AllocationId, PublicIp, Tags, NetworkInterfaceId: heldBy }) =>
      found(AllocationId, PublicIp, Tags, heldBy ? { heldBy } : {}),
    );
}

/** A peering that is not there any more is listed for a while. */
const PEERING_ENDED = new Set<string | undefined>(["deleted", "deleting", "rejected", "failed", "expired"]);

async function peerings(client: EC2Client, Filters: Filter[]): Promise<Found[]> {
  const { VpcPeeringConnections } = await client.send(new DescribeVpcPeeringConnectionsCommand({ Filters }));
  return (VpcPeeringConnections ?? [])
    .filter(({ Status, RequesterVpcInfo, AccepterVpcInfo }) => {
      const ends = [
        [REQUESTER, RequesterVpcInfo?.VpcId],
        [ACCEPTER, AccepterVpcInfo?.VpcId],
      ] as const;
      return (
        !PEERING_ENDED.has(Status?.Code) &&
        ends.every(([filter, vpc]) => valuesOf(Filters, filter)?.includes(vpc ?? "") ?? true)
      );
    })
    .map((p) =>
      found(
        p.VpcPeeringConnectionId,
        `${p.Status?.Code}, ${p.RequesterVpcInfo?.VpcId} to ${p.AccepterVpcInfo?.VpcId}`,
        p.Tags,
      ),
    );
}

/** They cannot be asked for by their VPC. */
async function egressOnlyGateways(client: EC2Client, filters: Filter[]): Promise<Found[]> {
  const vpcs = valuesOf(filters, ATTACHED_TO);
  const { EgressOnlyInternetGateways } = await client.send(
    new DescribeEgressOnlyInternetGatewaysCommand({ Filters: vpcs ? [] : filters }),
  );
  return (EgressOnlyInternetGateways ?? [])
    .filter(({ Attachments }) => vpcs === undefined || Attachments?.some(({ VpcId }) => vpcs.includes(VpcId ?? "")))
    .map((g) => found(g.EgressOnlyInternetGatewayId, g.Attachments?.[0]?.VpcId, g.Tags));
}

/** What an interface is for: AWS describes those that it keeps itself ("ELB app/…", "RDSNetworkInterface"). */
function whatOf({ Status, Description, RequesterManaged, RequesterId, Attachment }: NetworkInterface): string {
  const owner = RequesterManaged && !Description ? `of ${RequesterId ?? "a service of AWS"}` : Description;
  return [Status, owner, Attachment?.InstanceId && `attached to ${Attachment.InstanceId}`].filter(Boolean).join(", ");
}

function fateOf({
  RequesterManaged,
  RequesterId,
  InterfaceType,
  Attachment,
}: NetworkInterface): Pick<Found, "managed" | "endsWith"> {
  if (RequesterManaged) return { managed: `of ${InterfaceType ?? RequesterId ?? "a service of AWS"}` };
  const { InstanceId: endsWith, DeleteOnTermination } = Attachment ?? {};
  if (!endsWith || DeleteOnTermination === false) return {};
  return { managed: `ends with ${endsWith}`, endsWith };
}

/** A VPC's are those of its gateways: of a connection AWS does not tell the VPC. */
async function vpnConnections(client: EC2Client, filters: Filter[]): Promise<Found[]> {
  const ofVpc = filters.some(({ Name }) => Name === ATTACHED_TO);
  const gateways = ofVpc
    ? ((await client.send(new DescribeVpnGatewaysCommand({ Filters: filters }))).VpnGateways ?? []).map(
        ({ VpnGatewayId }) => VpnGatewayId,
      )
    : undefined;
  if (gateways?.length === 0) return [];
  const { VpnConnections } = await client.send(new DescribeVpnConnectionsCommand({ Filters: ofVpc ? [] : filters }));
  return (VpnConnections ?? [])
    .filter(
      ({ State, VpnGatewayId }) =>
        State !== "deleted" && State !== "deleting" && (gateways?.includes(VpnGatewayId) ?? true),
    )
    .map((c) => found(c.VpnConnectionId, `${c.State}, to ${c.CustomerGatewayId}`, c.Tags));
}

/** What is refused is told in the answer alone. */
async function deleteEndpoint(client: EC2Client, id: string): Promise<void> {
  const { Unsuccessful } = await client.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: [id] }));
  const refusal = Unsuccessful?.[0]?.Error;
  if (refusal && !refusal.Code?.endsWith("NotFound")) throw new Error(`${refusal.Code}: ${refusal.Message}`);
}

/** A fleet that keeps its size would make its instances anew, so it takes them with it. */
async function deleteFleet(client: EC2Client, id: string): Promise<void> {
  const { UnsuccessfulFleetDeletions } = await client.send(
    new DeleteFleetsCommand({ FleetIds: [id], TerminateInstances: true }),
  );
  const refusal = UnsuccessfulFleetDeletions?.[0]?.Error;
  if (refusal && refusal.Code !== "fleetIdDoesNotExist") throw new Error(`${refusal.Code}: ${refusal.Message}`);
}

/** A group cannot go while a rule of another one, or of its own, names it. */
async function revokeNamed(client: EC2Client, groupId: string): Promise<void> {
  const { SecurityGroups } = await client.send(new DescribeSecurityGroupsCommand({ GroupIds: [groupId] }));
  const [group] = SecurityGroups ?? [];
  const naming = (group?.IpPermissions ?? []).filter(({ UserIdGroupPairs }) => UserIdGroupPairs?.length);
  const out = (group?.IpPermissionsEgress ?? []).filter(({ UserIdGroupPairs }) => UserIdGroupPairs?.length);
  if (naming.length > 0)
    await client.send(new RevokeSecurityGroupIngressCommand({ GroupId: groupId, IpPermissions: naming }));
  if (out.length > 0) await client.send(new RevokeSecurityGroupEgressCommand({ GroupId: groupId, IpPermissions: out }));
}

/** All that lies in a VPC, or that has a tag; with `values`: one of these in it (`*` at the end stands for anything). */
export type Where = { vpc: string } | { tag: string; values?: string[] };

/** Everything of every kind that matches one of these, each once. @throws what AWS said */
export async function listRemains(cloud: Cloud, region: string, wheres: readonly Where[]): Promise<Remain[]> {
  const client = cloud.ec2(region);
  const answers = await Promise.all(
    wheres.flatMap((where) =>
      REMAINS.flatMap(({ kind, list, vpcFilters = [] }) =>
        filtersOf(where, vpcFilters).map(async (filter) =>
          (await list(client, [filter]))
            .filter(({ tags }) => carries(tags, where))
            .map((one): Remain => ({ kind, region, ...one, ...("vpc" in where ? { vpc: where.vpc } : {}) })),
        ),
      ),
    ),
  );
  return [...new Map(answers.flat().map((remain) => [remain.id, remain])).values()];
}

/** Each for a call of its own. */
function filtersOf(where: Where, vpcFilters: readonly string[]): Filter[] {
  if ("vpc" in where) return vpcFilters.map((Name) => ({ Name, Values: [where.vpc] }));
  return [where.values ? { Name: `tag:${where.tag}`, Values: where.values } : { Name: "tag-key", Values: [where.tag] }];
}

/** Some lists cannot be asked by tag: they answer with everything there is. */
function carries(tags: Record<string, string>, where: Where): boolean {
  if ("vpc" in where) return true;
  const value = tags[where.tag];
  if (value === undefined || where.values === undefined) return value !== undefined;
  return where.values.some((wanted) =>
    wanted.endsWith("*") ? value.startsWith(wanted.slice(0, -1)) : value === wanted,
  );
}

/**
 * The same thing as AWS shows it now; undefined: it is gone, or no longer in the VPC in which it was found.
 * @throws what AWS said
 */
export async function lookAgain(client: EC2Client, { kind, id, vpc }: Remain): Promise<Found | undefined> {
  const row = REMAINS.find((candidate) => candidate.kind === kind);
  if (row === undefined) throw new Error(`REMAINS has no row for ${kind}`);
  const { list, idFilter, vpcFilters = [] } = row;
  const [vpcFilter, ...others] = vpcFilters;
  // Of an address, the interface tells where it is; neither end of a peering moves.
  const moves =
    idFilter !== undefined &&
    vpc !== undefined &&
    vpcFilter !== undefined &&
    others.length === 0 &&
    list !== addresses &&
    list !== vpnConnections;
  const filters = [
    ...(idFilter ? [{ Name: idFilter, Values: [id] }] : []),
    ...(moves ? [{ Name: vpcFilter, Values: [vpc] }] : []),
  ];
  return (await list(client, filters)).find((one) => one.id === id);
}
