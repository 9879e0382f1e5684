import {
  CreateVpcCommand,
  DeleteVpcCommand,
  DescribeNetworkAclsCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupsCommand,
  DescribeVpcAttributeCommand,
  DescribeVpcsCommand,
  ModifyVpcAttributeCommand,
  type Vpc,
} from "@aws-sdk/client-ec2";
import { unlessGone, type Region } from "../common/aws";
import { inPlace, replaces, type CommonInputs, type ResourceType } from "../common/resource";
import { tagged, tagOutputs, tagSpecification } from "../common/tags";

interface VpcInputs extends CommonInputs {
  cidrBlock?: string;
  enableDnsHostnames?: boolean;
  enableDnsSupport?: boolean;
}

export const vpc: ResourceType<VpcInputs> = {
  token: "aws:ec2/vpc:Vpc",
  inputs: {
    region: replaces,
    cidrBlock: replaces,
    enableDnsHostnames: inPlace((region, id, { enableDnsHostnames: value }) =>
      setDns(region, id, "EnableDnsHostnames", value),
    ),
    enableDnsSupport: inPlace((region, id, { enableDnsSupport: value }) =>
      setDns(region, id, "EnableDnsSupport", value),
    ),
    tags: tagged,
  },

  async create(region, { cidrBlock, tags }) {
    const { Vpc } = await region.send(
      "creating EC2 VPC",
      new CreateVpcCommand({ CidrBlock: cidrBlock, TagSpecifications: tagSpecification("vpc", tags) }),
    );
    return Vpc?.VpcId ?? "";
  },

  async settle(region, id, { enableDnsHostnames, enableDnsSupport }) {
    await region.waitFor({ doing: `waiting for EC2 VPC (${id}) create`, seconds: 300 }, async () => {
      const found = await find(region, id);
      return found?.State === "available" ? found : undefined;
    });
    // What AWS gives every new VPC is not asked for.
    if (enableDnsHostnames === true) await setDns(region, id, "EnableDnsHostnames", true);
    if (enableDnsSupport === false) await setDns(region, id, "EnableDnsSupport", false);
  },

  async read(region, id) {
    const found = await find(region, id);
    if (found === undefined) return undefined;
    const doing = `reading EC2 VPC (${id})`;
    const ofVpc = { Name: "vpc-id", Values: [id] };
    const [hostnames, support, tables, groups, acls] = await Promise.all([
      region.send(doing, new DescribeVpcAttributeCommand({ VpcId: id, Attribute: "enableDnsHostnames" })),
      region.send(doing, new DescribeVpcAttributeCommand({ VpcId: id, Attribute: "enableDnsSupport" })),
      region.send(
        doing,
        new DescribeRouteTablesCommand({ Filters: [ofVpc, { Name: "association.main", Values: ["true"] }] }),
      ),
      region.send(
        doing,
        new DescribeSecurityGroupsCommand({ Filters: [ofVpc, { Name: "group-name", Values: ["default"] }] }),
      ),
      region.send(doing, new DescribeNetworkAclsCommand({ Filters: [ofVpc, { Name: "default", Values: ["true"] }] })),
    ]);
    const mainRouteTableId = tables.RouteTables?.[0]?.RouteTableId;
    return {
      region: region.name,
      arn: region.arn(found.OwnerId, `vpc/${id}`),
      ownerId: found.OwnerId,
      cidrBlock: found.CidrBlock,
      instanceTenancy: found.InstanceTenancy,
      dhcpOptionsId: found.DhcpOptionsId,
      enableDnsHostnames: hostnames.EnableDnsHostnames?.Value,
      enableDnsSupport: support.EnableDnsSupport?.Value,
      mainRouteTableId,
      defaultRouteTableId: mainRouteTableId,
      defaultSecurityGroupId: groups.SecurityGroups?.[0]?.GroupId,
      defaultNetworkAclId: acls.NetworkAcls?.[0]?.NetworkAclId,
      ...tagOutputs(found.Tags),
    };
  },

  async delete(region, id) {
    await region.send(`deleting EC2 VPC (${id})`, new DeleteVpcCommand({ VpcId: id }));
  },
};

/** One attribute per call, as the API wants it. */
async function setDns(
  region: Region,
  id: string,
  attribute: "EnableDnsHostnames" | "EnableDnsSupport",
  value: boolean | undefined,
): Promise<void> {
  if (value === undefined) return;
  const change = { VpcId: id, [attribute]: { Value: value } };
  await region.send(`modifying EC2 VPC (${id}) ${attribute}`, new ModifyVpcAttributeCommand(change));
}

async function find(region: Region, id: string): Promise<Vpc | undefined> {
  const found = await unlessGone(region.send(`reading EC2 VPC (${id})`, new DescribeVpcsCommand({ VpcIds: [id] })));
  return found?.Vpcs?.[0];
}
