import { AwsError } from "../protocol/call";
import { filterParams, interfaces } from "../model/ask";
import { before, type Cloud, type Rule } from "../model/rule";
import { items, text, type Node } from "../protocol/xml";

const violation = (message: string): AwsError => new AwsError("DependencyViolation", message);

const publicAddresses = async (cloud: Cloud, region: string, vpc: string): Promise<string[]> =>
  (await interfaces(cloud, region, { "vpc-id": [vpc] }))
    .map((at) => text(at, "association", "publicIp"))
    .filter(Boolean);

/** What AWS does not delete with a VPC, nor before it. moto knows subnets, route tables and VPN gateways by itself. */
const HOLD_A_VPC: { action: string; filter?: string; list: string; holds: (one: Node, vpc: string) => boolean }[] = [
  { action: "DescribeInternetGateways", filter: "attachment.vpc-id", list: "internetGatewaySet", holds: () => true },
  {
    action: "DescribeSecurityGroups",
    filter: "vpc-id",
    list: "securityGroupInfo",
    holds: (group) => text(group, "groupName") !== "default",
  },
  { action: "DescribeNetworkInterfaces", filter: "vpc-id", list: "networkInterfaceSet", holds: () => true },
  {
    action: "DescribeNetworkAcls",
    filter: "vpc-id",
    list: "networkAclSet",
    holds: (acl) => text(acl, "default") !== "true",
  },
  {
    action: "DescribeVpcEndpoints",
    filter: "vpc-id",
    list: "vpcEndpointSet",
    holds: (endpoint) => text(endpoint, "state") !== "deleted",
  },
  // moto filters neither of these.
  {
    action: "DescribeEgressOnlyInternetGateways",
    list: "egressOnlyInternetGatewaySet",
    holds: (gateway, vpc) => items(gateway, "attachmentSet").some((at) => text(at, "vpcId") === vpc),
  },
  {
    action: "DescribeVpcPeeringConnections",
    list: "vpcPeeringConnectionSet",
    holds: (peering, vpc) =>
      ["requesterVpcInfo", "accepterVpcInfo"].some((end) => text(peering, end, "vpcId") === vpc) &&
      ["active", "pending-acceptance"].includes(text(peering, "status", "code")),
  },
];

/** What must be gone before a part of a network can go; moto deletes it all the same. ("Delete your VPC", VPC User Guide.) */
export const networkRules: Rule[] = [
  before("ec2:DeleteSecurityGroup", async (call, cloud) => {
    const [id, name] = [call.params.get("GroupId"), call.params.get("GroupName")];
    const inUse = (await interfaces(cloud, call.region))
      .flatMap((at) => items(at, "groupSet"))
      .some((group) => text(group, "groupId") === id || text(group, "groupName") === name);
    if (inUse) throw violation(`resource ${id ?? name ?? ""} has a dependent object`);
    const groups = items(await cloud.moto.ask(call.region, "DescribeSecurityGroups"), "securityGroupInfo");
    const named = groups
      .filter((group) => text(group, "groupId") !== id)
      .flatMap((group) => [...items(group, "ipPermissions"), ...items(group, "ipPermissionsEgress")]);
    if (named.flatMap((rule) => items(rule, "groups")).some((group) => text(group, "groupId") === id))
      throw violation(`resource ${id ?? name ?? ""} has a dependent object`);
  }),
  before("ec2:DeleteSubnet", async (call, cloud) => {
    const id = call.params.get("SubnetId") ?? "";
    if ((await interfaces(cloud, call.region, { "subnet-id": [id] })).length > 0)
      throw violation(`The subnet '${id}' has dependencies and cannot be deleted.`);
  }),
  before("ec2:DeleteVpc", async (call, cloud) => {
    const id = call.params.get("VpcId") ?? "";
    for (const { action, filter, list, holds } of HOLD_A_VPC) {
      const there = items(
        await cloud.moto.ask(call.region, action, filter === undefined ? {} : filterParams({ [filter]: [id] })),
        list,
      );
      if (there.some((one) => holds(one, id)))
        throw violation(`The vpc '${id}' has dependencies and cannot be deleted.`);
    }
  }),
  // "Network interface is currently in use" (DeleteNetworkInterface); one that AWS keeps for something is never free.
  before("ec2:DeleteNetworkInterface", async (call, cloud) => {
    const id = call.params.get("NetworkInterfaceId") ?? "";
    const [at] = await interfaces(cloud, call.region, { "network-interface-id": [id] });
    if (text(at, "status") === "in-use")
      throw new AwsError("InvalidParameterValue", `Network interface '${id}' is currently in use.`);
  }),
  // A subnet goes by one table ("Subnet route tables", VPC User Guide); moto keeps the one before and says nothing.
  before("ec2:AssociateRouteTable", async (call, cloud) => {
    const [table, subnet] = [call.params.get("RouteTableId") ?? "", call.params.get("SubnetId") ?? ""];
    const filter = filterParams({ "association.subnet-id": [subnet] });
    const tables = items(await cloud.moto.ask(call.region, "DescribeRouteTables", filter), "routeTableSet");
    if (subnet !== "" && tables.some((one) => text(one, "routeTableId") !== table))
      throw new AwsError(
        "Resource.AlreadyAssociated",
        `the specified association for route table ${table} conflicts with an existing association`,
      );
  }),
  before("ec2:DetachInternetGateway", async (call, cloud) => {
    const vpc = call.params.get("VpcId") ?? "";
    if ((await publicAddresses(cloud, call.region, vpc)).length > 0) {
      throw violation(
        `Network ${vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.`,
      );
    }
  }),
];
