import {
  DeleteEgressOnlyInternetGatewayCommand,
  DeleteInternetGatewayCommand,
  DeleteNatGatewayCommand,
  DeleteVpcEndpointsCommand,
  DeleteVpcPeeringConnectionCommand,
  DeleteVpnConnectionCommand,
  DeleteVpnGatewayCommand,
  DescribeAddressesCommand,
  DescribeInternetGatewaysCommand,
  DescribeNatGatewaysCommand,
  DescribeVpcEndpointsCommand,
  DescribeVpnConnectionsCommand,
  DescribeVpnGatewaysCommand,
  DetachInternetGatewayCommand,
  DetachVpnGatewayCommand,
  DisassociateAddressCommand,
  ReleaseAddressCommand,
  paginateDescribeEgressOnlyInternetGateways,
  paginateDescribeInternetGateways,
  paginateDescribeNatGateways,
  paginateDescribeVpcEndpoints,
  paginateDescribeVpcPeeringConnections,
  type EC2Client,
  type Filter,
} from "@aws-sdk/client-ec2";
import { stated } from "../../stated";
import { ATTACHED_TO, listed, onAllPages, valuesOf, VPC, type Listed, type ResourceKind } from "./kind";
import { networkInterface } from "./network";

/** A peering is asked for by either end of it. */
const REQUESTER = "requester-vpc-info.vpc-id";
const ACCEPTER = "accepter-vpc-info.vpc-id";

export const natGateway = {
  kind: "nat-gateway",
  idFilter: "nat-gateway-id",
  vpcFilters: [VPC],
  list: async (client, filters) => {
    const Filter = [...filters, { Name: "state", Values: ["pending", "available", "deleting", "failed"] }];
    return (
      await onAllPages(paginateDescribeNatGateways({ client }, { Filter }), ({ NatGateways }) => NatGateways)
    ).map((n) =>
      listed(stated(n, "NatGatewayId"), n.State, n.Tags, {
        interfaces: (n.NatGatewayAddresses ?? []).flatMap(({ NetworkInterfaceId }) => NetworkInterfaceId ?? []),
      }),
    );
  },
  remove: (client, NatGatewayId) => client.send(new DeleteNatGatewayCommand({ NatGatewayId })),
  isGone: async (client, id) =>
    ((await client.send(new DescribeNatGatewaysCommand({ NatGatewayIds: [id] }))).NatGateways ?? []).every(
      ({ State }) => State === "deleted",
    ),
} as const satisfies ResourceKind;

export const elasticAddress = {
  kind: "elastic-address",
  idFilter: "allocation-id",
  vpcFilters: [VPC],
  list: addresses,
  remove: async (client, AllocationId) => {
    const { Addresses } = await client.send(new DescribeAddressesCommand({ AllocationIds: [AllocationId] }));
    for (const { AssociationId } of Addresses ?? [])
      if (AssociationId) await client.send(new DisassociateAddressCommand({ AssociationId }));
    await client.send(new ReleaseAddressCommand({ AllocationId }));
  },
} as const satisfies ResourceKind;

export const vpcEndpoint = {
  kind: "vpc-endpoint",
  idFilter: "vpc-endpoint-id",
  vpcFilters: [VPC],
  list: async (client, Filters) =>
    (await onAllPages(paginateDescribeVpcEndpoints({ client }, { Filters }), ({ VpcEndpoints }) => VpcEndpoints))
      .filter(({ State }) => State?.toLowerCase() !== "deleted")
      .map((e) =>
        listed(stated(e, "VpcEndpointId"), e.ServiceName, e.Tags, { interfaces: e.NetworkInterfaceIds ?? [] }),
      ),
  remove: deleteEndpoint,
  // Its interfaces hold their subnets until then.
  isGone: async (client, id) =>
    (
      (await client.send(new DescribeVpcEndpointsCommand({ Filters: [{ Name: "vpc-endpoint-id", Values: [id] }] })))
        .VpcEndpoints ?? []
    ).every(({ State }) => State?.toLowerCase() === "deleted"),
} as const satisfies ResourceKind;

export const peeringConnection = {
  kind: "peering-connection",
  idFilter: "vpc-peering-connection-id",
  vpcFilters: [REQUESTER, ACCEPTER],
  list: peerings,
  remove: (client, VpcPeeringConnectionId) =>
    client.send(new DeleteVpcPeeringConnectionCommand({ VpcPeeringConnectionId })),
} as const satisfies ResourceKind;

export const vpnConnection = {
  kind: "vpn-connection",
  idFilter: "vpn-connection-id",
  vpcFilters: [ATTACHED_TO],
  list: vpnConnections,
  remove: (client, VpnConnectionId) => client.send(new DeleteVpnConnectionCommand({ VpnConnectionId })),
  isGone: async (client, id) =>
    ((await client.send(new DescribeVpnConnectionsCommand({ VpnConnectionIds: [id] }))).VpnConnections ?? []).every(
      ({ State }) => State === "deleted",
    ),
} as const satisfies ResourceKind;

export const vpnGateway = {
  kind: "vpn-gateway",
  idFilter: "vpn-gateway-id",
  vpcFilters: [ATTACHED_TO],
  list: async (client, Filters) =>
    ((await client.send(new DescribeVpnGatewaysCommand({ Filters }))).VpnGateways ?? [])
      .filter(({ State }) => State !== "deleted" && State !== "deleting")
      .map((g) =>
        listed(stated(g, "VpnGatewayId"), g.State, g.Tags, {
          attachedTo: (g.VpcAttachments ?? []).flatMap(({ VpcId, State }) =>
            VpcId === undefined || State === "detached" ? [] : VpcId,
          ),
        }),
      ),
  remove: async (client, VpnGatewayId) => {
    const { VpnGateways } = await client.send(new DescribeVpnGatewaysCommand({ VpnGatewayIds: [VpnGatewayId] }));
    for (const { VpcId, State } of VpnGateways?.[0]?.VpcAttachments ?? [])
      if (VpcId && State === "attached") await client.send(new DetachVpnGatewayCommand({ VpnGatewayId, VpcId }));
    await client.send(new DeleteVpnGatewayCommand({ VpnGatewayId }));
  },
} as const satisfies ResourceKind;

export const internetGateway = {
  kind: "internet-gateway",
  madeByFleet: true,
  idFilter: "internet-gateway-id",
  vpcFilters: [ATTACHED_TO],
  list: async (client, Filters) =>
    (
      await onAllPages(
        paginateDescribeInternetGateways({ client }, { Filters }),
        ({ InternetGateways }) => InternetGateways,
      )
    ).map((g) => {
      const attachedTo = (g.Attachments ?? []).flatMap(({ VpcId }) => VpcId ?? []);
      return listed(stated(g, "InternetGatewayId"), attachedTo[0] ?? "detached", g.Tags, { attachedTo });
    }),
  remove: async (client, InternetGatewayId) => {
    const { InternetGateways } = await client.send(
      new DescribeInternetGatewaysCommand({ InternetGatewayIds: [InternetGatewayId] }),
    );
    for (const { VpcId } of InternetGateways?.[0]?.Attachments ?? []) {
      if (VpcId) await client.send(new DetachInternetGatewayCommand({ InternetGatewayId, VpcId }));
    }
    await client.send(new DeleteInternetGatewayCommand({ InternetGatewayId }));
  },
} as const satisfies ResourceKind;

export const egressOnlyGateway = {
  kind: "egress-only-gateway",
  vpcFilters: [ATTACHED_TO],
  list: egressOnlyGateways,
  remove: (client, EgressOnlyInternetGatewayId) =>
    client.send(new DeleteEgressOnlyInternetGatewayCommand({ EgressOnlyInternetGatewayId })),
} as const satisfies ResourceKind;

/** In a VPC lies what is on an interface there: of an address AWS tells the interface alone. */
async function addresses(client: EC2Client, filters: Filter[]): Promise<Listed[]> {
  const inVpc = valuesOf(filters, VPC) && new Set((await networkInterface.list(client, filters)).map(({ id }) => id));
  if (inVpc?.size === 0) return [];
  const { Addresses } = await client.send(new DescribeAddressesCommand({ Filters: inVpc ? [] : filters }));
  return (Addresses ?? [])
    .filter(({ NetworkInterfaceId }) => inVpc === undefined || inVpc.has(NetworkInterfaceId ?? ""))
    .map((a) =>
      listed(
        stated(a, "AllocationId"),
        a.PublicIp,
        a.Tags,
        a.NetworkInterfaceId ? { heldBy: a.NetworkInterfaceId } : {},
      ),
    );
}

/** A peering that is not there any more is listed for a while. */
const PEERING_ENDED = new Set<string | undefined>(["deleted", "deleting", "rejected", "failed", "expired"]);

async function peerings(client: EC2Client, Filters: Filter[]): Promise<Listed[]> {
  const all = await onAllPages(
    paginateDescribeVpcPeeringConnections({ client }, { Filters }),
    ({ VpcPeeringConnections }) => VpcPeeringConnections,
  );
  return all
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
      listed(
        stated(p, "VpcPeeringConnectionId"),
        `${p.Status?.Code ?? "unknown"}, ${p.RequesterVpcInfo?.VpcId ?? "?"} to ${p.AccepterVpcInfo?.VpcId ?? "?"}`,
        p.Tags,
      ),
    );
}

/** A VPC's are those of its gateways: of a connection AWS does not tell the VPC. */
async function vpnConnections(client: EC2Client, filters: Filter[]): Promise<Listed[]> {
  const ofVpc = valuesOf(filters, ATTACHED_TO) !== undefined;
  const gateways = ofVpc ? (await vpnGateway.list(client, filters)).map(({ id }) => id) : undefined;
  if (gateways?.length === 0) return [];
  const { VpnConnections } = await client.send(new DescribeVpnConnectionsCommand({ Filters: ofVpc ? [] : filters }));
  return (VpnConnections ?? [])
    .filter(
      ({ State, VpnGatewayId }) =>
        State !== "deleted" && State !== "deleting" && (gateways?.includes(VpnGatewayId ?? "") ?? true),
    )
    .map((c) =>
      listed(stated(c, "VpnConnectionId"), `${c.State ?? "unknown"}, to ${c.CustomerGatewayId ?? "?"}`, c.Tags),
    );
}

/** They cannot be asked for by their VPC. */
async function egressOnlyGateways(client: EC2Client, filters: Filter[]): Promise<Listed[]> {
  const vpcs = valuesOf(filters, ATTACHED_TO);
  const all = await onAllPages(
    paginateDescribeEgressOnlyInternetGateways({ client }, { Filters: vpcs ? [] : filters }),
    ({ EgressOnlyInternetGateways }) => EgressOnlyInternetGateways,
  );
  return all
    .filter(({ Attachments }) => vpcs === undefined || Attachments?.some(({ VpcId }) => vpcs.includes(VpcId ?? "")))
    .map((g) => listed(stated(g, "EgressOnlyInternetGatewayId"), g.Attachments?.[0]?.VpcId, g.Tags));
}

/** What is refused is told in the answer alone. */
async function deleteEndpoint(client: EC2Client, id: string): Promise<void> {
  const { Unsuccessful } = await client.send(new DeleteVpcEndpointsCommand({ VpcEndpointIds: [id] }));
  const refusal = Unsuccessful?.[0]?.Error;
  if (refusal && !refusal.Code?.endsWith("NotFound"))
    throw new Error(`${refusal.Code ?? "refused"}: ${refusal.Message ?? "AWS says no more"}`);
}
