import { Tag } from "../model";

/** Who needs what: every operator; who runs `cleanup-vpcs` as well; who gives nodes an instance profile. */
export type Use = "operator" | "cleanup" | "instance-profile";

/**
 * A statement of a policy: what is allowed, on what, and under which condition. Which resources an action is judged by, and
 * which conditions it knows, is in the Service Authorization Reference
 * (docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html).
 */
export interface Grant {
  sid: string;
  use: Use;
  /** Why it is bound no closer, or what binds it. */
  why: string;
  /** What each action is for. */
  actions: Readonly<Record<string, string>>;
  resources: readonly string[];
  condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

const ec2 = (...types: string[]): string[] => types.map((type) => `arn:aws:ec2:*:*:${type}/*`);

/** What carries the fleet's tag, whichever fleet's: a policy is written before there is a fleet ID. */
const OURS = { Null: { [`aws:ResourceTag/${Tag.lineage}`]: "false" } };
/** What is given the fleet's tag by the call that makes it. */
const MADE_OURS = { Null: { [`aws:RequestTag/${Tag.lineage}`]: "false" } };

/** Every action that a fleet takes, of this program and of the AWS provider. To add one, add a line. */
export const GRANTS = [
  {
    sid: "Look",
    use: "operator",
    why: "AWS knows neither resources nor tags for these.",
    actions: {
      "ec2:DescribeAddresses": "what else is in the fleet's VPC",
      "ec2:DescribeAvailabilityZones": "where nodes may go",
      "ec2:DescribeEgressOnlyInternetGateways": "what else is in the fleet's VPC",
      "ec2:DescribeImages": "the image of a node",
      "ec2:DescribeInstanceCreditSpecifications": "the provider reads each node",
      "ec2:DescribeInstanceTypeOfferings": "where a machine type is offered",
      "ec2:DescribeInstanceTypes": "vCPUs, architecture, and the provider reads each node",
      "ec2:DescribeInstances": "the nodes",
      "ec2:DescribeInternetGateways": "the network",
      "ec2:DescribeKeyPairs": "the key pair that config.yaml names",
      "ec2:DescribeNatGateways": "what else is in the fleet's VPC",
      "ec2:DescribeNetworkAcls": "the provider reads each VPC",
      "ec2:DescribeNetworkInterfaces": "what holds a subnet or a group back",
      "ec2:DescribeRegions": "the regions of the account",
      "ec2:DescribeRouteTables": "the network",
      "ec2:DescribeSecurityGroupRules": "the network",
      "ec2:DescribeSecurityGroups": "the network",
      "ec2:DescribeSpotInstanceRequests": "the provider reads each spot node",
      "ec2:DescribeSpotPriceHistory": "prices, by which places are ordered",
      "ec2:DescribeSubnets": "the network",
      "ec2:DescribeTags": "the provider reads each node",
      "ec2:DescribeVolumes": "the root volumes",
      "ec2:DescribeVpcEndpoints": "what else is in the fleet's VPC",
      "ec2:DescribeVpcPeeringConnections": "what else is in the fleet's VPC",
      "ec2:DescribeVpcs": "the network",
      "ec2:DescribeVpnConnections": "what else is in the fleet's VPC",
      "ec2:DescribeVpnGateways": "what else is in the fleet's VPC",
    },
    resources: ["*"],
  },
  {
    sid: "LookBeforeLaunch",
    use: "operator",
    why: "AWS could bind these to the fleet's tag. They are not bound, so that `check` and `up` can ask about them before anything stands.",
    actions: {
      "ec2:DescribeInstanceAttribute": "the provider reads each node",
      "ec2:DescribeVpcAttribute": "the provider reads each VPC",
    },
    resources: ["*"],
  },
  {
    sid: "LookElsewhere",
    use: "operator",
    why: "Ubuntu's public parameters and EC2's quotas; an instance profile by any name.",
    actions: {
      "iam:GetInstanceProfile": "the profile that config.yaml names",
      "servicequotas:GetServiceQuota": "how many vCPUs are left",
      "ssm:GetParameter": "the newest image",
    },
    resources: [
      "arn:aws:iam::*:instance-profile/*",
      "arn:aws:servicequotas:*:*:ec2/*",
      "arn:aws:ssm:*::parameter/aws/service/*",
    ],
  },
  {
    sid: "LaunchWith",
    use: "operator",
    why: "What a launch uses may be the user's own, and the interface and the volume have no tags yet.",
    actions: { "ec2:RunInstances": "launch a node" },
    resources: [
      "arn:aws:ec2:*::image/*",
      ...ec2("key-pair", "network-interface", "security-group", "subnet", "volume"),
    ],
  },
  {
    sid: "MakeTagged",
    use: "operator",
    why: "Only with the fleet's tag.",
    actions: {
      "ec2:CreateInternetGateway": "make the network",
      "ec2:CreateRouteTable": "make the network",
      "ec2:CreateSecurityGroup": "make the network",
      "ec2:CreateSubnet": "make the network",
      "ec2:CreateVpc": "make the network",
      "ec2:RunInstances": "launch a node",
    },
    resources: ec2("instance", "internet-gateway", "route-table", "security-group", "subnet", "vpc"),
    condition: MADE_OURS,
  },
  {
    sid: "GroupInAnyVpc",
    use: "operator",
    why: "`network: default` and `network: vpc-…` put the fleet's group into a VPC that is not the fleet's.",
    actions: { "ec2:CreateSecurityGroup": "make the network" },
    resources: ec2("vpc"),
  },
  {
    sid: "TagWhatIsMade",
    use: "operator",
    why: "Only by the call that makes it.",
    actions: { "ec2:CreateTags": "give what is made its tags" },
    resources: ["*"],
    condition: {
      StringEquals: {
        "ec2:CreateAction": [
          "CreateInternetGateway",
          "CreateRouteTable",
          "CreateSecurityGroup",
          "CreateSubnet",
          "CreateVpc",
          "RunInstances",
        ],
      },
    },
  },
  {
    sid: "TagParts",
    use: "operator",
    why: "The provider tags rules and root volumes right after it made them. What they are part of is no condition that AWS knows here, so this reaches every rule and volume of the account.",
    actions: { "ec2:CreateTags": "give what is made its tags" },
    resources: ec2("security-group-rule", "volume"),
    condition: MADE_OURS,
  },
  {
    sid: "ChangeOwn",
    use: "operator",
    why: "Only what has the fleet's tag.",
    actions: {
      "ec2:AssociateRouteTable": "make the network",
      "ec2:AttachInternetGateway": "make the network",
      "ec2:AuthorizeSecurityGroupEgress": "make the network",
      "ec2:AuthorizeSecurityGroupIngress": "make the network, let an address in",
      "ec2:CreateRoute": "make the network",
      "ec2:CreateRouteTable": "make the network",
      "ec2:CreateSubnet": "make the network",
      "ec2:CreateTags": "follow `aws.tags`",
      "ec2:DeleteInternetGateway": "take the network down",
      "ec2:DeleteRoute": "take the network down",
      "ec2:DeleteRouteTable": "take the network down",
      "ec2:DeleteSecurityGroup": "take the network down",
      "ec2:DeleteSubnet": "take the network down",
      "ec2:DeleteTags": "follow `aws.tags`, release what is not the fleet's",
      "ec2:DeleteVolume": "delete a root volume that was left behind",
      "ec2:DeleteVpc": "take the network down",
      "ec2:DetachInternetGateway": "take the network down",
      "ec2:DisassociateRouteTable": "take the network down",
      "ec2:GetConsoleOutput": "why a node does not answer",
      "ec2:ModifyInstanceAttribute": "the provider says what a shutdown of an on-demand node does",
      "ec2:ModifyNetworkInterfaceAttribute": "give a running node other groups",
      "ec2:ModifySecurityGroupRules": "the provider changes a rule",
      "ec2:ModifyVpcAttribute": "make the network",
      "ec2:ReplaceRoute": "the provider changes a route",
      "ec2:ReplaceRouteTableAssociation": "the provider gives a subnet another table",
      "ec2:RevokeSecurityGroupEgress": "make the network, take it down",
      "ec2:RevokeSecurityGroupIngress": "take a rule away",
      "ec2:TerminateInstances": "end a node",
    },
    resources: ["*"],
    condition: OURS,
  },
  {
    sid: "TakeBackSubnet",
    use: "operator",
    why: "Somebody may have given a subnet of the fleet's to a table of their own; the subnet must have the tag all the same.",
    actions: { "ec2:DisassociateRouteTable": "take the network down" },
    resources: ec2("route-table"),
  },
  {
    sid: "ChangeUntagged",
    use: "operator",
    why: "AWS tags neither the interface of a node nor its spot request; a group may be the user's own. This reaches every interface of the account.",
    actions: {
      "ec2:CancelSpotInstanceRequests": "end a spot node",
      "ec2:ModifyNetworkInterfaceAttribute": "give a running node other groups",
    },
    resources: ec2("network-interface", "security-group", "spot-instances-request"),
  },
  {
    sid: "FirstSpotLaunch",
    use: "operator",
    why: "This one role, once for an account, at its first spot launch.",
    actions: { "iam:CreateServiceLinkedRole": "EC2's own role for spot instances" },
    resources: ["arn:aws:iam::*:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot"],
  },
  {
    sid: "LookForRemains",
    use: "cleanup",
    why: "AWS knows neither resources nor tags for these.",
    actions: {
      "ec2:DescribeFleets": "what was left behind",
      "ec2:DescribeLaunchTemplates": "what was left behind",
    },
    resources: ["*"],
  },
  {
    sid: "RemoveRemains",
    use: "cleanup",
    why: "What the predecessor left has no tag of a fleet, nor has what others put into its VPCs: here the questions that `cleanup-vpcs` asks are the only guard.",
    actions: {
      "ec2:CancelSpotInstanceRequests": "delete what was left behind",
      "ec2:DeleteEgressOnlyInternetGateway": "delete what was left behind",
      "ec2:DeleteFleets": "delete what was left behind",
      "ec2:DeleteInternetGateway": "delete what was left behind",
      "ec2:DeleteKeyPair": "delete what was left behind",
      "ec2:DeleteLaunchTemplate": "delete what was left behind",
      "ec2:DeleteNatGateway": "delete what was left behind",
      "ec2:DeleteNetworkAcl": "delete what was left behind",
      "ec2:DeleteNetworkInterface": "delete what was left behind",
      "ec2:DeleteRouteTable": "delete what was left behind",
      "ec2:DeleteSecurityGroup": "delete what was left behind",
      "ec2:DeleteSubnet": "delete what was left behind",
      "ec2:DeleteVolume": "delete what was left behind",
      "ec2:DeleteVpc": "delete what was left behind",
      "ec2:DeleteVpcEndpoints": "delete what was left behind",
      "ec2:DeleteVpcPeeringConnection": "delete what was left behind",
      "ec2:DeleteVpnConnection": "delete what was left behind",
      "ec2:DeleteVpnGateway": "delete what was left behind",
      "ec2:DetachInternetGateway": "delete what was left behind",
      "ec2:DetachNetworkInterface": "delete what was left behind",
      "ec2:DetachVpnGateway": "delete what was left behind",
      "ec2:DisassociateAddress": "delete what was left behind",
      "ec2:DisassociateRouteTable": "delete what was left behind",
      "ec2:ReleaseAddress": "delete what was left behind",
      "ec2:RevokeSecurityGroupEgress": "delete what was left behind",
      "ec2:RevokeSecurityGroupIngress": "delete what was left behind",
      "ec2:TerminateInstances": "delete what was left behind",
    },
    resources: ["*"],
  },
  {
    sid: "GiveTheProfile",
    use: "instance-profile",
    why: "Put the ARN of the profile's role in the place of the asterisks: whoever may pass any role may become any role.",
    actions: { "iam:PassRole": "launch nodes with `aws.iam_instance_profile`" },
    resources: ["arn:aws:iam::*:role/*"],
    condition: { StringEquals: { "iam:PassedToService": "ec2.amazonaws.com" } },
  },
] as const satisfies readonly Grant[];

type UnionOfKeys<T> = T extends unknown ? keyof T : never;
/** The actions of these uses, by the names that policies give them: `ec2:RunInstances`. */
export type ActionOf<U extends Use> = UnionOfKeys<Extract<(typeof GRANTS)[number], { use: U }>["actions"]>;

/** A policy document as IAM takes it. */
export interface PolicyDocument {
  Version: "2012-10-17";
  Statement: {
    Sid: string;
    Effect: "Allow";
    Action: string[];
    Resource: string[];
    Condition?: Grant["condition"];
  }[];
}

/** What these uses need together. */
export function policyFor(...uses: Use[]): PolicyDocument {
  const grants: readonly Grant[] = GRANTS;
  return {
    Version: "2012-10-17",
    Statement: grants
      .filter(({ use }) => uses.includes(use))
      .map(({ sid, actions, resources, condition }) => ({
        Sid: sid,
        Effect: "Allow",
        Action: Object.keys(actions),
        Resource: [...resources],
        ...(condition === undefined ? {} : { Condition: condition }),
      })),
  };
}

/** The documents that are handed out, by the name of their file. IAM takes 6,144 characters, white space not counted, for each. */
export const POLICIES = {
  operator: policyFor("operator"),
  "cleanup-vpcs": policyFor("cleanup"),
  "instance-profile": policyFor("instance-profile"),
} as const;
