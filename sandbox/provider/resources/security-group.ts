import {
  CreateSecurityGroupCommand,
  DeleteSecurityGroupCommand,
  DescribeSecurityGroupsCommand,
  RevokeSecurityGroupEgressCommand,
  type IpPermission,
  type SecurityGroup,
} from "@aws-sdk/client-ec2";
import { randomBytes } from "node:crypto";
import { AwsFailure, unlessGone, type Region } from "../common/aws";
import { remembered, replaces, type CommonInputs, type ResourceType } from "../common/resource";
import { tagged, tagOutputs, tagSpecification } from "../common/tags";

interface SecurityGroupInputs extends CommonInputs {
  name: string;
  description: string;
  vpcId?: string;
}

/** Rules are resources of their own here, so the group neither takes nor shows any. */
export const securityGroup: ResourceType<SecurityGroupInputs> = {
  token: "aws:ec2/securityGroup:SecurityGroup",
  inputs: {
    region: replaces,
    name: replaces,
    description: replaces,
    vpcId: replaces,
    revokeRulesOnDelete: remembered,
    tags: tagged,
  },

  /** Seven random digits, so that a replacement can exist beside the group that it replaces. */
  defaults: (name) => ({
    name: `${name}-${randomBytes(4).toString("hex").slice(1)}`,
    description: "Managed by Pulumi",
  }),

  async create(region, { name, description, vpcId, tags }) {
    const { GroupId } = await region.send(
      `creating Security Group (${name})`,
      new CreateSecurityGroupCommand({
        GroupName: name,
        Description: description,
        VpcId: vpcId,
        TagSpecifications: tagSpecification("security-group", tags),
      }),
    );
    return GroupId ?? "";
  },

  async settle(region, id) {
    await region.waitFor({ doing: `waiting for Security Group (${id}) create`, seconds: 600 }, () => find(region, id));
    for (const rule of ALLOW_ALL) await revokeEgress(region, id, rule);
  },

  async read(region, id) {
    const found = await find(region, id);
    if (found === undefined) return undefined;
    return {
      region: region.name,
      arn: found.SecurityGroupArn ?? region.arn(found.OwnerId, `security-group/${id}`),
      ownerId: found.OwnerId,
      name: found.GroupName,
      description: found.Description,
      vpcId: found.VpcId,
      ...tagOutputs(found.Tags),
    };
  },

  async delete(region, id) {
    await region.send(`deleting Security Group (${id})`, new DeleteSecurityGroupCommand({ GroupId: id }));
  },
};

/** What AWS puts into every new group and the official provider takes out again, so that nobody relies on it unawares. */
const ALLOW_ALL: IpPermission[] = [
  { IpProtocol: "-1", FromPort: 0, ToPort: 0, IpRanges: [{ CidrIp: "0.0.0.0/0" }] },
  { IpProtocol: "-1", FromPort: 0, ToPort: 0, Ipv6Ranges: [{ CidrIpv6: "::/0" }] },
];

async function revokeEgress(region: Region, id: string, rule: IpPermission): Promise<void> {
  const doing = `revoking default egress rule for Security Group (${id})`;
  try {
    await unlessGone(region.send(doing, new RevokeSecurityGroupEgressCommand({ GroupId: id, IpPermissions: [rule] })));
  } catch (error) {
    // A VPC without IPv6 has no such rule, and says so in this way.
    if (!(error instanceof AwsFailure && error.code === "InvalidParameterValue" && rule.Ipv6Ranges)) throw error;
  }
}

async function find(region: Region, id: string): Promise<SecurityGroup | undefined> {
  const found = await unlessGone(
    region.send(`reading Security Group (${id})`, new DescribeSecurityGroupsCommand({ GroupIds: [id] })),
  );
  return found?.SecurityGroups?.[0];
}
