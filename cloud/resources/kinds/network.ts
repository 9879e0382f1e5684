import {
  DeleteNetworkAclCommand,
  DeleteNetworkInterfaceCommand,
  DeleteRouteTableCommand,
  DeleteSecurityGroupCommand,
  DeleteSubnetCommand,
  DeleteVpcCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DetachNetworkInterfaceCommand,
  DisassociateRouteTableCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  paginateDescribeNetworkAcls,
  paginateDescribeNetworkInterfaces,
  paginateDescribeRouteTables,
  paginateDescribeSecurityGroups,
  paginateDescribeSubnets,
  paginateDescribeVpcs,
  type EC2Client,
  type NetworkInterface,
} from "@aws-sdk/client-ec2";
import { stated } from "../../stated";
import { listed, ofItsVpc, onAllPages, VPC, type Listed, type ResourceKind } from "./kind";

export const networkInterface = {
  kind: "network-interface",
  idFilter: "network-interface-id",
  vpcFilters: [VPC],
  list: async (client, Filters) =>
    (
      await onAllPages(
        paginateDescribeNetworkInterfaces({ client }, { Filters }),
        ({ NetworkInterfaces }) => NetworkInterfaces,
      )
    ).map((i) => listed(stated(i, "NetworkInterfaceId"), whatOf(i), i.TagSet, fateOf(i))),
  remove: async (client, NetworkInterfaceId) => {
    const { NetworkInterfaces } = await client.send(
      new DescribeNetworkInterfacesCommand({ NetworkInterfaceIds: [NetworkInterfaceId] }),
    );
    for (const { Attachment } of NetworkInterfaces ?? [])
      if (Attachment?.AttachmentId)
        await client.send(new DetachNetworkInterfaceCommand({ AttachmentId: Attachment.AttachmentId, Force: true }));
    await client.send(new DeleteNetworkInterfaceCommand({ NetworkInterfaceId }));
  },
} as const satisfies ResourceKind;

export const securityGroup = {
  kind: "security-group",
  madeByFleet: true,
  idFilter: "group-id",
  vpcFilters: [VPC],
  list: async (client, Filters) =>
    (
      await onAllPages(paginateDescribeSecurityGroups({ client }, { Filters }), ({ SecurityGroups }) => SecurityGroups)
    ).map((g) => listed(stated(g, "GroupId"), g.GroupName, g.Tags, ofItsVpc(g.GroupName === "default", g.VpcId))),
  remove: async (client, GroupId) => {
    try {
      await client.send(new DeleteSecurityGroupCommand({ GroupId }));
    } catch (error) {
      // Groups that name each other: only then are rules taken from one that may yet stay.
      if (!(error instanceof Error && error.name === "DependencyViolation")) throw error;
      await revokeNamed(client, GroupId);
      await client.send(new DeleteSecurityGroupCommand({ GroupId }));
    }
  },
} as const satisfies ResourceKind;

export const routeTable = {
  kind: "route-table",
  madeByFleet: true,
  idFilter: "route-table-id",
  vpcFilters: [VPC],
  list: async (client, Filters) =>
    (await onAllPages(paginateDescribeRouteTables({ client }, { Filters }), ({ RouteTables }) => RouteTables)).map(
      (t) => {
        const isMain = t.Associations?.some(({ Main }) => Main);
        return listed(stated(t, "RouteTableId"), t.VpcId, t.Tags, ofItsVpc(isMain, t.VpcId));
      },
    ),
  remove: async (client, RouteTableId) => {
    const { RouteTables } = await client.send(new DescribeRouteTablesCommand({ RouteTableIds: [RouteTableId] }));
    for (const { RouteTableAssociationId: AssociationId, Main } of RouteTables?.[0]?.Associations ?? []) {
      if (AssociationId && !Main) await client.send(new DisassociateRouteTableCommand({ AssociationId }));
    }
    await client.send(new DeleteRouteTableCommand({ RouteTableId }));
  },
} as const satisfies ResourceKind;

export const subnet = {
  kind: "subnet",
  madeByFleet: true,
  idFilter: "subnet-id",
  vpcFilters: [VPC],
  list: async (client, Filters) =>
    (await onAllPages(paginateDescribeSubnets({ client }, { Filters }), ({ Subnets }) => Subnets)).map((s) =>
      listed(stated(s, "SubnetId"), s.VpcId, s.Tags),
    ),
  remove: (client, SubnetId) => client.send(new DeleteSubnetCommand({ SubnetId })),
} as const satisfies ResourceKind;

export const networkAcl = {
  kind: "network-acl",
  idFilter: "network-acl-id",
  vpcFilters: [VPC],
  list: async (client, Filters) =>
    (await onAllPages(paginateDescribeNetworkAcls({ client }, { Filters }), ({ NetworkAcls }) => NetworkAcls)).map(
      (a) => listed(stated(a, "NetworkAclId"), a.VpcId, a.Tags, ofItsVpc(a.IsDefault, a.VpcId)),
    ),
  remove: (client, NetworkAclId) => client.send(new DeleteNetworkAclCommand({ NetworkAclId })),
} as const satisfies ResourceKind;

export const vpc = {
  kind: "vpc",
  madeByFleet: true,
  idFilter: "vpc-id",
  list: async (client, Filters) =>
    (await onAllPages(paginateDescribeVpcs({ client }, { Filters }), ({ Vpcs }) => Vpcs)).map((v) =>
      listed(
        stated(v, "VpcId"),
        v.CidrBlock,
        v.Tags,
        v.IsDefault ? { managed: "the region's default VPC is never deleted" } : {},
      ),
    ),
  remove: (client, VpcId) => client.send(new DeleteVpcCommand({ VpcId })),
} as const satisfies ResourceKind;

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
}: NetworkInterface): Pick<Listed, "managed" | "endsWith"> {
  if (RequesterManaged) return { managed: `of ${InterfaceType ?? RequesterId ?? "a service of AWS"}` };
  const { InstanceId: endsWith, DeleteOnTermination } = Attachment ?? {};
  if (!endsWith || DeleteOnTermination === false) return {};
  return { managed: `ends with ${endsWith}`, endsWith };
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
