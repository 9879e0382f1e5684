import { AwsError } from "../protocol/call";
import { allInstances, filterParams } from "../model/ask";
import type { Cloud } from "../model/rule";
import { items, tagsOf, text, type Node } from "../protocol/xml";
import type { Resource } from "./resource";

/** How to ask whether something exists: the action, what selects one, and the list in the answer. */
interface Look {
  action: string;
  filter?: string;
  field?: string;
  list: string;
}

const looks: Record<string, Look> = {
  "customer-gateway": { action: "DescribeCustomerGateways", field: "CustomerGatewayId.1", list: "customerGatewaySet" },
  "egress-only-internet-gateway": {
    action: "DescribeEgressOnlyInternetGateways",
    field: "EgressOnlyInternetGatewayId.1",
    list: "egressOnlyInternetGatewaySet",
  },
  "elastic-ip": { action: "DescribeAddresses", filter: "allocation-id", list: "addressesSet" },
  fleet: { action: "DescribeFleets", field: "FleetId.1", list: "fleetSet" },
  image: { action: "DescribeImages", field: "ImageId.1", list: "imagesSet" },
  "internet-gateway": {
    action: "DescribeInternetGateways",
    filter: "internet-gateway-id",
    list: "internetGatewaySet",
  },
  "key-pair": { action: "DescribeKeyPairs", filter: "key-pair-id", list: "keySet" },
  "launch-template": { action: "DescribeLaunchTemplates", field: "LaunchTemplateId.1", list: "launchTemplates" },
  natgateway: { action: "DescribeNatGateways", filter: "nat-gateway-id", list: "natGatewaySet" },
  "network-acl": { action: "DescribeNetworkAcls", filter: "network-acl-id", list: "networkAclSet" },
  "network-interface": {
    action: "DescribeNetworkInterfaces",
    filter: "network-interface-id",
    list: "networkInterfaceSet",
  },
  "route-table": { action: "DescribeRouteTables", filter: "route-table-id", list: "routeTableSet" },
  "security-group": { action: "DescribeSecurityGroups", filter: "group-id", list: "securityGroupInfo" },
  "security-group-rule": {
    action: "DescribeSecurityGroupRules",
    field: "SecurityGroupRuleId.1",
    list: "securityGroupRuleSet",
  },
  snapshot: { action: "DescribeSnapshots", field: "SnapshotId.1", list: "snapshotSet" },
  subnet: { action: "DescribeSubnets", filter: "subnet-id", list: "subnetSet" },
  volume: { action: "DescribeVolumes", filter: "volume-id", list: "volumeSet" },
  vpc: { action: "DescribeVpcs", filter: "vpc-id", list: "vpcSet" },
  "vpc-endpoint": { action: "DescribeVpcEndpoints", filter: "vpc-endpoint-id", list: "vpcEndpointSet" },
  "vpc-peering-connection": {
    action: "DescribeVpcPeeringConnections",
    field: "VpcPeeringConnectionId.1",
    list: "vpcPeeringConnectionSet",
  },
  "vpn-connection": { action: "DescribeVpnConnections", field: "VpnConnectionId.1", list: "vpnConnectionSet" },
  "vpn-gateway": { action: "DescribeVpnGateways", field: "VpnGatewayId.1", list: "vpnGatewaySet" },
};

/** What moto lists; nothing where it refuses, as it does an id that does not exist. */
export async function ask(
  cloud: Cloud,
  region: string,
  action: string,
  params: Record<string, string>,
  list: string,
): Promise<Node[]> {
  try {
    return items(await cloud.moto.ask(region, action, params), list);
  } catch (error) {
    if (error instanceof AwsError && error.status < 500) return [];
    throw error;
  }
}

/**
 * The tags and the traits of something that exists, as condition keys. Of what does not exist there are none, and so
 * AWS refuses to authorize where others would expect NotFound (karpenter-provider-aws, issue 2100).
 */
export async function keysOfExisting(
  cloud: Cloud,
  region: string,
  { type, id = "" }: Resource,
): Promise<[string, string[]][]> {
  // moto takes * and ? in a filter for wildcards: an id that has any names nothing.
  if (!/^[\w-]+$/.test(id)) return [];
  // moto knows no spot requests (rules/spot.ts).
  if (type === "spot-instances-request")
    return tagKeys(Object.fromEntries((cloud.spotRequests.get(id)?.tags ?? []).map(({ key, value }) => [key, value])));
  if (type === "instance") {
    const [instance] = await allInstances(cloud, region, { "instance-id": [id] });
    // AWS takes the tags of an instance that has ended from it, soon and at no certain time.
    if (instance === undefined || text(instance, "instanceState", "name") === "terminated") return [];
    return [
      ["ec2:InstanceType", [text(instance, "instanceType")]],
      ["ec2:InstanceMarketType", [text(instance, "instanceLifecycle") || "on-demand"]],
      ...tagKeys(tagsOf(instance)),
    ];
  }
  const look = looks[type];
  const found = look && (await find(cloud, region, look, id));
  // moto keeps the tags of what was deleted.
  if (found === undefined) return [];
  return tagKeys("tagSet" in found ? tagsOf(found) : await listedTags(cloud, region, id));
}

async function find(cloud: Cloud, region: string, { action, filter, field, list }: Look, id: string) {
  const params = { ...(filter && filterParams({ [filter]: [id] })), ...(field && { [field]: id }) };
  return (await ask(cloud, region, action, params, list))[0];
}

/** Not every description shows them. */
async function listedTags(cloud: Cloud, region: string, id: string): Promise<Record<string, string>> {
  return tagsOf(await cloud.moto.ask(region, "DescribeTags", filterParams({ "resource-id": [id] })));
}

const tagKeys = (tags: Readonly<Record<string, string>>): [string, string[]][] =>
  Object.entries(tags).flatMap(([key, value]): [string, string[]][] =>
    ["aws", "ec2"].map((prefix) => [`${prefix}:ResourceTag/${key}`, [value]]),
  );
