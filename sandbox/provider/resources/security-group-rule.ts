import {
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  DescribeSecurityGroupRulesCommand,
  ModifySecurityGroupRulesCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  type IpPermission,
  type SecurityGroupRule,
} from "@aws-sdk/client-ec2";
import { unlessGone, type Region } from "../common/aws";
import { inPlace, replaces, type CommonInputs, type Input, type ResourceType } from "../common/resource";
import { changeTags, tagged, tagOutputs } from "../common/tags";
import { isEmpty } from "../common/values";

interface RuleInputs extends CommonInputs {
  securityGroupId: string;
  ipProtocol: string;
  fromPort?: number;
  toPort?: number;
  cidrIpv4?: string;
  cidrIpv6?: string;
  referencedSecurityGroupId?: string;
  description?: string;
}

type Rules = { GroupId: string; IpPermissions: IpPermission[] };
type RuleIds = { GroupId: string; SecurityGroupRuleIds: string[] };

const directions = {
  ingress: {
    token: "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    authorize: (region: Region, doing: string, rules: Rules) =>
      region.send(doing, new AuthorizeSecurityGroupIngressCommand(rules)),
    revoke: (region: Region, doing: string, rules: RuleIds) =>
      region.send(doing, new RevokeSecurityGroupIngressCommand(rules)),
  },
  egress: {
    token: "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    authorize: (region: Region, doing: string, rules: Rules) =>
      region.send(doing, new AuthorizeSecurityGroupEgressCommand(rules)),
    revoke: (region: Region, doing: string, rules: RuleIds) =>
      region.send(doing, new RevokeSecurityGroupEgressCommand(rules)),
  },
};

export const securityGroupIngressRule = rule("ingress");
export const securityGroupEgressRule = rule("egress");

function rule(direction: keyof typeof directions): ResourceType<RuleInputs> {
  const { token, authorize, revoke } = directions[direction];
  return {
    token,
    required: ["ipProtocol", "securityGroupId"],
    exactlyOneOf: [["cidrIpv4", "cidrIpv6", "referencedSecurityGroupId"]],
    isAllOrNothing: true,
    inputs: {
      region: replaces,
      securityGroupId: replaces,
      cidrIpv4: source("cidrIpv4"),
      cidrIpv6: source("cidrIpv6"),
      referencedSecurityGroupId: source("referencedSecurityGroupId"),
      ipProtocol: inPlace(modify),
      fromPort: inPlace(modify, "clearable"),
      toPort: inPlace(modify, "clearable"),
      description: inPlace(modify, "clearable"),
      tags: tagged,
    },

    async create(region, inputs) {
      const rules = { GroupId: inputs.securityGroupId, IpPermissions: [permission(inputs)] };
      const { SecurityGroupRules } = await authorize(region, "creating VPC Security Group Rule", rules);
      return SecurityGroupRules?.[0]?.SecurityGroupRuleId ?? "";
    },

    /** Tagged after its creation, as the official provider does it. */
    async settle(region, id, { tags }) {
      const found = await region.waitFor(
        { doing: `waiting for VPC Security Group Rule (${id}) create`, seconds: 300 },
        () => find(region, id),
      );
      await changeTags(region, [id], tags, tagOutputs(found.Tags).tags);
    },

    async read(region, id) {
      const found = await find(region, id);
      if (found === undefined) return undefined;
      return {
        region: region.name,
        arn: found.SecurityGroupRuleArn ?? region.arn(found.GroupOwnerId, `security-group-rule/${id}`),
        securityGroupRuleId: id,
        securityGroupId: found.GroupId,
        ipProtocol: found.IpProtocol,
        ...portsOf(found),
        cidrIpv4: found.CidrIpv4,
        cidrIpv6: found.CidrIpv6,
        referencedSecurityGroupId: found.ReferencedGroupInfo?.GroupId,
        description: found.Description || undefined,
        ...tagOutputs(found.Tags),
      };
    },

    async delete(region, id, known) {
      const rules = { GroupId: String(known["securityGroupId"]), SecurityGroupRuleIds: [id] };
      await revoke(region, `deleting VPC Security Group Rule (${id})`, rules);
    },
  };
}

/** Who may connect: another address of the same kind is a change, another kind of source is another rule. */
function source(name: "cidrIpv4" | "cidrIpv6" | "referencedSecurityGroupId"): Input<RuleInputs> {
  return {
    ...inPlace<RuleInputs>(modify, "clearable"),
    replaces: (news, olds) => isEmpty(olds[name]) || isEmpty(news[name]),
  };
}

async function modify(region: Region, id: string, inputs: RuleInputs): Promise<void> {
  const { cidrIpv4, cidrIpv6, referencedSecurityGroupId, description, ...rest } = inputs;
  await region.send(
    `updating VPC Security Group Rule (${id})`,
    new ModifySecurityGroupRulesCommand({
      GroupId: rest.securityGroupId,
      SecurityGroupRules: [
        {
          SecurityGroupRuleId: id,
          SecurityGroupRule: {
            IpProtocol: rest.ipProtocol,
            FromPort: rest.fromPort,
            ToPort: rest.toPort,
            CidrIpv4: cidrIpv4,
            CidrIpv6: cidrIpv6,
            ReferencedGroupId: referencedSecurityGroupId,
            Description: description,
          },
        },
      ],
    }),
  );
}

function permission({
  ipProtocol,
  fromPort,
  toPort,
  cidrIpv4,
  cidrIpv6,
  referencedSecurityGroupId,
  description,
}: RuleInputs): IpPermission {
  const Description = description;
  return {
    IpProtocol: ipProtocol,
    FromPort: fromPort,
    ToPort: toPort,
    ...(cidrIpv4 && { IpRanges: [{ CidrIp: cidrIpv4, Description }] }),
    ...(cidrIpv6 && { Ipv6Ranges: [{ CidrIpv6: cidrIpv6, Description }] }),
    ...(referencedSecurityGroupId && { UserIdGroupPairs: [{ GroupId: referencedSecurityGroupId, Description }] }),
  };
}

/** A rule for all protocols has no ports; EC2 shows -1 for them. */
function portsOf({ IpProtocol, FromPort, ToPort }: SecurityGroupRule): { fromPort?: number; toPort?: number } {
  return IpProtocol === "-1" ? {} : { fromPort: FromPort, toPort: ToPort };
}

async function find(region: Region, id: string): Promise<SecurityGroupRule | undefined> {
  const asked = new DescribeSecurityGroupRulesCommand({ SecurityGroupRuleIds: [id] });
  const found = await unlessGone(region.send(`reading VPC Security Group Rule (${id})`, asked));
  return found?.SecurityGroupRules?.find((each) => each.SecurityGroupRuleId === id);
}
