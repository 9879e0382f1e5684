import {
  AssociateRouteTableCommand,
  AttachInternetGatewayCommand,
  AuthorizeSecurityGroupEgressCommand,
  AuthorizeSecurityGroupIngressCommand,
  CancelSpotInstanceRequestsCommand,
  CreateInternetGatewayCommand,
  CreateRouteCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateTagsCommand,
  CreateVpcCommand,
  DeleteInternetGatewayCommand,
  DeleteRouteCommand,
  DeleteRouteTableCommand,
  DeleteSecurityGroupCommand,
  DeleteSubnetCommand,
  DeleteTagsCommand,
  DeleteVolumeCommand,
  DeleteVpcCommand,
  DescribeAddressesCommand,
  DescribeAvailabilityZonesCommand,
  DescribeEgressOnlyInternetGatewaysCommand,
  DescribeImagesCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstanceCreditSpecificationsCommand,
  DescribeInstanceTypeOfferingsCommand,
  DescribeInstanceTypesCommand,
  DescribeInstancesCommand,
  DescribeInternetGatewaysCommand,
  DescribeKeyPairsCommand,
  DescribeNatGatewaysCommand,
  DescribeNetworkAclsCommand,
  DescribeNetworkInterfacesCommand,
  DescribeRegionsCommand,
  DescribeRouteTablesCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSecurityGroupsCommand,
  DescribeSpotInstanceRequestsCommand,
  DescribeSpotPriceHistoryCommand,
  DescribeSubnetsCommand,
  DescribeTagsCommand,
  DescribeVolumesCommand,
  DescribeVpcAttributeCommand,
  DescribeVpcEndpointsCommand,
  DescribeVpcPeeringConnectionsCommand,
  DescribeVpcsCommand,
  DescribeVpnConnectionsCommand,
  DescribeVpnGatewaysCommand,
  DetachInternetGatewayCommand,
  DisassociateRouteTableCommand,
  GetConsoleOutputCommand,
  ModifyInstanceAttributeCommand,
  ModifyNetworkInterfaceAttributeCommand,
  ModifySecurityGroupRulesCommand,
  ReplaceRouteCommand,
  ReplaceRouteTableAssociationCommand,
  RevokeSecurityGroupEgressCommand,
  RevokeSecurityGroupIngressCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
  type ResourceType,
} from "@aws-sdk/client-ec2";
import { classifyFailure, refusedAction } from "../fleet/aws/error-codes";
import { EVERYWHERE, VPC_CIDR } from "../fleet/aws/network";
import type { ActionOf } from "../fleet/aws/permissions";
import type { Market } from "../fleet/model";
import type { Step } from "../fleet/steps";
import type { Cloud } from "./clients";

/** What of the fleet stands in a region, by AWS's ID: what may be changed can be asked of that alone. */
export interface Standing {
  instance?: string;
  interface?: string;
  volume?: string;
  vpc?: string;
  subnet?: string;
  gateway?: string;
  table?: string;
  association?: string;
  group?: string;
  rule?: string;
}

/** What would be done. */
export interface Intent {
  ami: string;
  machineType: string;
  market: Market;
  /** Of the account, by name. */
  keyName?: string;
  /** The instance profile, by name. */
  profile?: string;
  /** That of the user in which the nodes are to be; absent: the fleet makes its own network. */
  vpc?: string;
  /** What everything that is made is tagged with. */
  tags: Readonly<Record<string, string>>;
}

/** AWS judges the permission before it looks whether they exist. Only for what no policy of ours binds to a tag. */
export const NOTHING = {
  image: "ami-00000000000000000",
  vpc: "vpc-00000000000000000",
  instance: "i-00000000000000000",
  rule: "sgr-00000000000000000",
  volume: "vol-00000000000000000",
};
/** Nobody's address (RFC 5737). */
const NOBODY = "192.0.2.1/32";

/** Any of the SDK's commands: it has no type of its own for them. */
interface Command {
  readonly input: object;
}

/**
 * How AWS is asked whether an action is allowed.
 * - `always`: by a dry run, in `check` and before `up` creates anything: nobody takes this action before the launch
 * - `network`: so, where the fleet makes its own network
 * - `inCheck`: by a dry run, in `check`: `up` itself takes the action before it creates anything
 * - `standing`: by a dry run on what the fleet has made, in `check`. Of a fleet that has nothing yet it cannot be asked: the
 *   policy wants the fleet's tag, and what does not exist has none
 * - `by`: there is no dry run; the action is taken for real before anything is changed, or is a part of another question
 * - `never`: not at all, for this reason
 */
export type Question =
  | Partial<Record<"always" | "network" | "inCheck", (intent: Intent) => Command>>
  | { standing: (its: Required<Standing>, intent: Intent) => Command; of: readonly (keyof Standing)[] }
  | { by: string }
  | { never: string };

const DryRun = true;
const look = (make: (input: { DryRun: true }) => Command): Question => ({ inCheck: () => make({ DryRun }) });
const lookAfterLaunch = (make: (input: { DryRun: true }) => Command): Question => ({ always: () => make({ DryRun }) });
const on = (
  of: readonly (keyof Standing)[],
  standing: (its: Required<Standing>, intent: Intent) => Command,
): Question => ({
  of,
  standing,
});

const tagList = (tags: Readonly<Record<string, string>>) =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
const tagged = (ResourceType: ResourceType, { tags }: Intent) => [{ ResourceType, Tags: tagList(tags) }];
const SSH_FROM_NOBODY = [{ IpProtocol: "tcp", FromPort: 22, ToPort: 22, IpRanges: [{ CidrIp: NOBODY }] }];
const WAY_OUT = { DestinationCidrBlock: EVERYWHERE };

type OperatorAction = ActionOf<"operator" | "instance-profile">;

const groupIn = (VpcId: string | undefined, intent: Intent): Command =>
  new CreateSecurityGroupCommand({
    DryRun,
    GroupName: "spot-deployer-probe",
    Description: "permission probe",
    VpcId,
    TagSpecifications: tagged("security-group", intent),
  });

const BY_ITSELF = "no dry run: `check` and `up` make the call itself, before anything is changed";

/** Every action of an operator's policy, with how AWS is asked about it. */
export const QUESTIONS: Readonly<Record<OperatorAction, Question | readonly Question[]>> = {
  "ec2:DescribeAddresses": look((input) => new DescribeAddressesCommand(input)),
  "ec2:DescribeAvailabilityZones": look((input) => new DescribeAvailabilityZonesCommand(input)),
  "ec2:DescribeEgressOnlyInternetGateways": look((input) => new DescribeEgressOnlyInternetGatewaysCommand(input)),
  "ec2:DescribeImages": look((input) => new DescribeImagesCommand(input)),
  "ec2:DescribeInstanceAttribute": lookAfterLaunch(
    (input) =>
      new DescribeInstanceAttributeCommand({
        ...input,
        InstanceId: NOTHING.instance,
        Attribute: "disableApiTermination",
      }),
  ),
  "ec2:DescribeInstanceCreditSpecifications": lookAfterLaunch(
    (input) => new DescribeInstanceCreditSpecificationsCommand(input),
  ),
  "ec2:DescribeInstanceTypeOfferings": look((input) => new DescribeInstanceTypeOfferingsCommand(input)),
  "ec2:DescribeInstanceTypes": look((input) => new DescribeInstanceTypesCommand(input)),
  "ec2:DescribeInstances": look((input) => new DescribeInstancesCommand(input)),
  "ec2:DescribeInternetGateways": lookAfterLaunch((input) => new DescribeInternetGatewaysCommand(input)),
  "ec2:DescribeKeyPairs": look((input) => new DescribeKeyPairsCommand(input)),
  "ec2:DescribeNatGateways": look((input) => new DescribeNatGatewaysCommand(input)),
  "ec2:DescribeNetworkAcls": lookAfterLaunch((input) => new DescribeNetworkAclsCommand(input)),
  "ec2:DescribeNetworkInterfaces": lookAfterLaunch((input) => new DescribeNetworkInterfacesCommand(input)),
  "ec2:DescribeRegions": look((input) => new DescribeRegionsCommand(input)),
  "ec2:DescribeRouteTables": lookAfterLaunch((input) => new DescribeRouteTablesCommand(input)),
  "ec2:DescribeSecurityGroupRules": lookAfterLaunch((input) => new DescribeSecurityGroupRulesCommand(input)),
  "ec2:DescribeSecurityGroups": lookAfterLaunch((input) => new DescribeSecurityGroupsCommand(input)),
  "ec2:DescribeSpotInstanceRequests": lookAfterLaunch((input) => new DescribeSpotInstanceRequestsCommand(input)),
  "ec2:DescribeSpotPriceHistory": look((input) => new DescribeSpotPriceHistoryCommand(input)),
  "ec2:DescribeSubnets": lookAfterLaunch((input) => new DescribeSubnetsCommand(input)),
  "ec2:DescribeTags": lookAfterLaunch((input) => new DescribeTagsCommand(input)),
  "ec2:DescribeVolumes": lookAfterLaunch((input) => new DescribeVolumesCommand(input)),
  "ec2:DescribeVpcAttribute": lookAfterLaunch(
    (input) => new DescribeVpcAttributeCommand({ ...input, VpcId: NOTHING.vpc, Attribute: "enableDnsSupport" }),
  ),
  "ec2:DescribeVpcEndpoints": look((input) => new DescribeVpcEndpointsCommand(input)),
  "ec2:DescribeVpcPeeringConnections": look((input) => new DescribeVpcPeeringConnectionsCommand(input)),
  "ec2:DescribeVpcs": lookAfterLaunch((input) => new DescribeVpcsCommand(input)),
  "ec2:DescribeVpnConnections": look((input) => new DescribeVpnConnectionsCommand(input)),
  "ec2:DescribeVpnGateways": look((input) => new DescribeVpnGatewaysCommand(input)),

  "iam:GetInstanceProfile": { by: `${BY_ITSELF}, where config.yaml names a profile` },
  "servicequotas:GetServiceQuota": { by: `${BY_ITSELF}; refused, it is a warning` },
  "ssm:GetParameter": { by: `${BY_ITSELF}, where an image is looked for` },
  "iam:PassRole": { by: "a part of the dry run of RunInstances, where config.yaml names a profile" },
  "iam:CreateServiceLinkedRole": {
    never: "no dry run; it is needed once for an account, and AWS's refusal of the launch says so",
  },

  // As the program launches (infra/spot-node.ts), for some organisations deny what others allow.
  "ec2:RunInstances": {
    always: (intent) =>
      new RunInstancesCommand({
        DryRun,
        ImageId: intent.ami,
        InstanceType: intent.machineType as never,
        MinCount: 1,
        MaxCount: 1,
        KeyName: intent.keyName,
        IamInstanceProfile: intent.profile === undefined ? undefined : { Name: intent.profile },
        InstanceMarketOptions: intent.market === "spot" ? { MarketType: "spot" } : undefined,
        MetadataOptions: { HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: 1 },
        TagSpecifications: tagged("instance", intent),
      }),
  },
  "ec2:CreateSecurityGroup": [
    { always: (intent) => groupIn(intent.vpc, intent) },
    on(["vpc"], ({ vpc }, intent) => groupIn(vpc, intent)),
  ],
  "ec2:CreateVpc": {
    network: (intent) =>
      new CreateVpcCommand({ DryRun, CidrBlock: VPC_CIDR, TagSpecifications: tagged("vpc", intent) }),
  },
  "ec2:CreateInternetGateway": {
    network: (intent) =>
      new CreateInternetGatewayCommand({ DryRun, TagSpecifications: tagged("internet-gateway", intent) }),
  },

  "ec2:CreateSubnet": on(
    ["vpc"],
    ({ vpc: VpcId }, intent) =>
      new CreateSubnetCommand({ DryRun, VpcId, CidrBlock: VPC_CIDR, TagSpecifications: tagged("subnet", intent) }),
  ),
  "ec2:CreateRouteTable": on(
    ["vpc"],
    ({ vpc: VpcId }, intent) =>
      new CreateRouteTableCommand({ DryRun, VpcId, TagSpecifications: tagged("route-table", intent) }),
  ),
  "ec2:AssociateRouteTable": on(
    ["table", "subnet"],
    ({ table: RouteTableId, subnet: SubnetId }) => new AssociateRouteTableCommand({ DryRun, RouteTableId, SubnetId }),
  ),
  "ec2:AttachInternetGateway": on(
    ["gateway", "vpc"],
    ({ gateway: InternetGatewayId, vpc: VpcId }) =>
      new AttachInternetGatewayCommand({ DryRun, InternetGatewayId, VpcId }),
  ),
  "ec2:AuthorizeSecurityGroupEgress": on(
    ["group"],
    ({ group: GroupId }) =>
      new AuthorizeSecurityGroupEgressCommand({ DryRun, GroupId, IpPermissions: SSH_FROM_NOBODY }),
  ),
  "ec2:AuthorizeSecurityGroupIngress": on(
    ["group"],
    ({ group: GroupId }) =>
      new AuthorizeSecurityGroupIngressCommand({ DryRun, GroupId, IpPermissions: SSH_FROM_NOBODY }),
  ),
  "ec2:CreateRoute": on(
    ["table", "gateway"],
    ({ table: RouteTableId, gateway: GatewayId }) =>
      new CreateRouteCommand({ DryRun, RouteTableId, GatewayId, ...WAY_OUT }),
  ),
  "ec2:CreateTags": [
    // What the provider tags after it made it: of that the policy wants no tag.
    {
      always: ({ tags }) =>
        new CreateTagsCommand({ DryRun, Resources: [NOTHING.rule, NOTHING.volume], Tags: tagList(tags) }),
    },
    on(
      ["instance"],
      ({ instance }, { tags }) => new CreateTagsCommand({ DryRun, Resources: [instance], Tags: tagList(tags) }),
    ),
  ],
  "ec2:DeleteInternetGateway": on(
    ["gateway"],
    ({ gateway: InternetGatewayId }) => new DeleteInternetGatewayCommand({ DryRun, InternetGatewayId }),
  ),
  "ec2:DeleteRoute": on(
    ["table"],
    ({ table: RouteTableId }) => new DeleteRouteCommand({ DryRun, RouteTableId, ...WAY_OUT }),
  ),
  "ec2:DeleteRouteTable": on(
    ["table"],
    ({ table: RouteTableId }) => new DeleteRouteTableCommand({ DryRun, RouteTableId }),
  ),
  "ec2:DeleteSecurityGroup": on(["group"], ({ group: GroupId }) => new DeleteSecurityGroupCommand({ DryRun, GroupId })),
  "ec2:DeleteSubnet": on(["subnet"], ({ subnet: SubnetId }) => new DeleteSubnetCommand({ DryRun, SubnetId })),
  "ec2:DeleteTags": on(
    ["instance"],
    ({ instance }) => new DeleteTagsCommand({ DryRun, Resources: [instance], Tags: [{ Key: "spot-deployer-probe" }] }),
  ),
  "ec2:DeleteVolume": on(["volume"], ({ volume: VolumeId }) => new DeleteVolumeCommand({ DryRun, VolumeId })),
  "ec2:DeleteVpc": on(["vpc"], ({ vpc: VpcId }) => new DeleteVpcCommand({ DryRun, VpcId })),
  "ec2:DetachInternetGateway": on(
    ["gateway", "vpc"],
    ({ gateway: InternetGatewayId, vpc: VpcId }) =>
      new DetachInternetGatewayCommand({ DryRun, InternetGatewayId, VpcId }),
  ),
  "ec2:DisassociateRouteTable": on(
    ["association"],
    ({ association: AssociationId }) => new DisassociateRouteTableCommand({ DryRun, AssociationId }),
  ),
  "ec2:GetConsoleOutput": on(
    ["instance"],
    ({ instance: InstanceId }) => new GetConsoleOutputCommand({ DryRun, InstanceId }),
  ),
  "ec2:ModifyInstanceAttribute": on(
    ["instance"],
    ({ instance: InstanceId }) =>
      new ModifyInstanceAttributeCommand({
        DryRun,
        InstanceId,
        InstanceInitiatedShutdownBehavior: { Value: "terminate" },
      }),
  ),
  "ec2:ModifySecurityGroupRules": on(
    ["group", "rule"],
    ({ group: GroupId, rule: SecurityGroupRuleId }) =>
      new ModifySecurityGroupRulesCommand({
        DryRun,
        GroupId,
        SecurityGroupRules: [{ SecurityGroupRuleId, SecurityGroupRule: { IpProtocol: "-1", CidrIpv4: NOBODY } }],
      }),
  ),
  "ec2:ReplaceRoute": on(
    ["table", "gateway"],
    ({ table: RouteTableId, gateway: GatewayId }) =>
      new ReplaceRouteCommand({ DryRun, RouteTableId, GatewayId, ...WAY_OUT }),
  ),
  "ec2:ReplaceRouteTableAssociation": on(
    ["table", "association"],
    ({ table: RouteTableId, association: AssociationId }) =>
      new ReplaceRouteTableAssociationCommand({ DryRun, RouteTableId, AssociationId }),
  ),
  "ec2:RevokeSecurityGroupEgress": on(
    ["group"],
    ({ group: GroupId }) => new RevokeSecurityGroupEgressCommand({ DryRun, GroupId, IpPermissions: SSH_FROM_NOBODY }),
  ),
  "ec2:RevokeSecurityGroupIngress": on(
    ["group"],
    ({ group: GroupId }) => new RevokeSecurityGroupIngressCommand({ DryRun, GroupId, IpPermissions: SSH_FROM_NOBODY }),
  ),
  "ec2:TerminateInstances": on(
    ["instance"],
    ({ instance }) => new TerminateInstancesCommand({ DryRun, InstanceIds: [instance] }),
  ),
  "ec2:ModifyVpcAttribute": {
    never: "no dry run; the first call on a VPC that is made, and its refusal is that region's",
  },
  "ec2:CancelSpotInstanceRequests": {
    inCheck: () => new CancelSpotInstanceRequestsCommand({ DryRun, SpotInstanceRequestIds: ["sir-00000000"] }),
  },
  "ec2:ModifyNetworkInterfaceAttribute": on(
    ["interface", "group"],
    ({ interface: NetworkInterfaceId, group }) =>
      new ModifyNetworkInterfaceAttributeCommand({ DryRun, NetworkInterfaceId, Groups: [group] }),
  ),
};

/** An action that AWS would refuse. */
export interface Denied {
  /** As policies name it: `ec2:RunInstances`. */
  action: string;
  next: string;
  step: Step;
}

/** What a run that creates must know before it does; or all that can be asked, with what stands of the fleet. */
export type Asker = { command: "up" } | { command: "check"; standing: Standing };

/** The dry run that answers a question in this case; undefined: it is none of this case, or cannot be asked. */
function dryRun(question: Question, intent: Intent, asker: Asker): Command | undefined {
  if ("never" in question || "by" in question) return undefined;
  if ("standing" in question) {
    if (asker.command === "up") return undefined;
    const { standing } = asker;
    return question.of.every((what) => standing[what] !== undefined)
      ? question.standing(standing as Required<Standing>, intent)
      : undefined;
  }
  const ask =
    question.always ??
    (intent.vpc === undefined ? question.network : undefined) ??
    (asker.command === "check" ? question.inCheck : undefined);
  return ask?.(intent);
}

/** A token that has expired, or a region that is not enabled, is no matter of one action. */
const REFUSED = /^(UnauthorizedOperation|AccessDenied)/;

/**
 * Asks AWS with DryRun whether the actions that a fleet needs are allowed. Nothing is made. An answer other than a
 * refusal of the permission proves nothing against it (an id that does not exist, a quota that is used up).
 */
export async function deniedActions(cloud: Cloud, region: string, intent: Intent, asker: Asker): Promise<Denied[]> {
  const client: { send(command: never): Promise<unknown> } = cloud.ec2(region);
  const send = (command: Command): Promise<unknown> => client.send(command as never);
  const asked = Object.entries(QUESTIONS).flatMap(([action, questions]) =>
    [questions].flat().flatMap((question) => {
      const command = dryRun(question, intent, asker);
      return command === undefined ? [] : { action, command };
    }),
  );
  const answers = await Promise.all(
    asked.map(async ({ action, command }): Promise<Denied | undefined> => {
      try {
        await send(command);
        return undefined;
      } catch (error) {
        const { name = "", message = "" } = error as { name?: string; message?: string };
        if (!REFUSED.test(name)) return undefined;
        const { next, step } = classifyFailure(`${name}: `);
        return { action: refusedAction(message) ?? action, next, step };
      }
    }),
  );
  const denied = answers.filter((answer) => answer !== undefined);
  return denied.filter(({ action }, index) => denied.findIndex((other) => other.action === action) === index);
}
