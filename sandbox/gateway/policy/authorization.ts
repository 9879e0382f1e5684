import { listOf, type Call } from "../protocol/call";
import { filterParams, interfaces } from "../model/ask";
import type { Cloud } from "../model/rule";
import { items, text, type Node } from "../protocol/xml";
import type { Context } from "./evaluate";
import { ask } from "./facts";
import { passedRole } from "./passed-role";
import { requestTags, tagList, taggedTypes, type Tags } from "./request-tags";
import { arnOf, existing, fresh, typeOfId, unknown, type Resource } from "./resource";

/*
 * What AWS authorizes a call against: "Actions, resources, and condition keys for Amazon EC2" (Service Authorization
 * Reference), and the same pages of Systems Manager, Service Quotas and IAM.
 */

/** One authorization of a call: each must be granted. */
export interface Subject extends Context {
  keys: Map<string, string[]>;
  /** Whose tags and traits are condition keys too. */
  of?: Resource;
}

interface Asked {
  call: Call;
  cloud: Cloud;
}

type Part = (asked: Asked) => Resource[] | Promise<Resource[]>;

/** Of a field that the action needs: without it, AWS knows the type alone. */
const one =
  (type: string, field: string): Part =>
  ({ call }) => [named(type, call.params.get(field))];

const maybe =
  (type: string, field: string): Part =>
  ({ call }) =>
    call.params.get(field) ? [named(type, call.params.get(field))] : [];

const some =
  (type: string, field: string): Part =>
  ({ call }) =>
    listOf(call.params, field).map((id) => existing(type, id));

const oneOrMore =
  (type: string, field: string): Part =>
  (asked) =>
    orUnknown(type, listOf(asked.call.params, field));

const made =
  (type: string): Part =>
  () => [fresh(type)];

const madeIfTagged =
  (type: string): Part =>
  ({ call }) =>
    requestTags(call.params, type).length > 0 ? [fresh(type)] : [];

const named = (type: string, id: string | null): Resource => (id ? existing(type, id) : unknown(type));
const orUnknown = (type: string, ids: readonly string[]): Resource[] =>
  ids.length === 0 ? [unknown(type)] : ids.map((id) => existing(type, id));

/** Values of a field of numbered structures: `NetworkInterface.1.SubnetId`, ... */
function inEach(params: URLSearchParams, structure: string, field: string): string[] {
  const pattern = new RegExp(`^${structure}\\.\\d+\\.${field}$`);
  return [...params].flatMap(([name, value]) => (pattern.test(name) && value !== "" ? value : []));
}

const someIn =
  (type: string, structure: string, field: string): Part =>
  ({ call }) =>
    inEach(call.params, structure, field).map((id) => existing(type, id));

/** A key pair's ARN has its name, its tags are kept under its id. */
const keyPairBy =
  (filter: "key-name" | "key-pair-id", field: string): Part =>
  async ({ call, cloud }) => {
    const wanted = call.params.get(field);
    return wanted ? [await keyPair(cloud, call.region, filter, wanted)] : [];
  };

async function keyPair(cloud: Cloud, region: string, filter: "key-name" | "key-pair-id", wanted: string) {
  const found = (await ask(cloud, region, "DescribeKeyPairs", filterParams({ [filter]: [wanted] }), "keySet")).find(
    (pair) => text(pair, filter === "key-name" ? "keyName" : "keyPairId") === wanted,
  );
  if (found !== undefined) return { ...existing("key-pair", text(found, "keyPairId")), name: text(found, "keyName") };
  return filter === "key-name" ? { type: "key-pair", name: wanted } : unknown("key-pair");
}

const newKeyPair: Part = ({ call }) => [fresh("key-pair", call.params.get("KeyName") ?? "*")];

/** The table that an association belongs to, and what is associated. */
const routeAssociation: Part = async ({ call, cloud }) => {
  const id = call.params.get("AssociationId") ?? "";
  const filters = filterParams({ "association.route-table-association-id": [id] });
  for (const table of await ask(cloud, call.region, "DescribeRouteTables", filters, "routeTableSet")) {
    const its = items(table, "associationSet").find((entry) => text(entry, "routeTableAssociationId") === id);
    if (its === undefined) continue;
    const subnet = text(its, "subnetId");
    const gateway = text(its, "gatewayId");
    return [
      existing("route-table", text(table, "routeTableId")),
      ...(subnet ? [existing("subnet", subnet)] : []),
      ...(gateway ? [byId(gateway)] : []),
    ];
  }
  return [unknown("route-table"), unknown("subnet")];
};

const aclAssociation: Part = async ({ call, cloud }) => {
  const id = call.params.get("AssociationId") ?? "";
  const filters = filterParams({ "association.association-id": [id] });
  const its = (await ask(cloud, call.region, "DescribeNetworkAcls", filters, "networkAclSet"))
    .flatMap((acl) => items(acl, "associationSet"))
    .find((entry) => text(entry, "networkAclAssociationId") === id);
  return [named("subnet", text(its, "subnetId"))];
};

const addressAssociation: Part = async ({ call, cloud }) => {
  const [field, filter] = call.params.has("AssociationId")
    ? (["AssociationId", "association-id"] as const)
    : (["PublicIp", "public-ip"] as const);
  const filters = filterParams({ [filter]: [call.params.get(field) ?? ""] });
  const [address] = await ask(cloud, call.region, "DescribeAddresses", filters, "addressesSet");
  const eni = text(address, "networkInterfaceId");
  return [named("elastic-ip", text(address, "allocationId")), ...(eni ? [existing("network-interface", eni)] : [])];
};

const interfaceAttachment: Part = async ({ call, cloud }) => {
  const id = call.params.get("AttachmentId") ?? "";
  const its: Node | undefined = (await interfaces(cloud, call.region)).find(
    (eni) => text(eni, "attachment", "attachmentId") === id,
  );
  return [
    named("instance", its ? text(its, "attachment", "instanceId") : null),
    named("network-interface", its ? text(its, "networkInterfaceId") : null),
  ];
};

function byId(id: string): Resource {
  const type = typeOfId(id);
  if (type === undefined) throw new UnknownAuthorization(`what has the ID ${id}`);
  return existing(type, id);
}

const maybeById =
  (field: string): Part =>
  ({ call }) => {
    const id = call.params.get(field);
    return id ? [byId(id)] : [];
  };

const taggedResources: Part = async ({ call, cloud }) =>
  Promise.all(
    listOf(call.params, "ResourceId").map((id) =>
      typeOfId(id) === "key-pair" ? keyPair(cloud, call.region, "key-pair-id", id) : Promise.resolve(byId(id)),
    ),
  );

/** Without a subnet the launch goes into the default one, and without a group into its VPC's own. */
const launchNetwork: Part = ({ call: { params } }) => [
  ...orUnknown("subnet", [...present(params, "SubnetId"), ...inEach(params, "NetworkInterface", "SubnetId")]),
  ...orUnknown("security-group", [
    ...listOf(params, "SecurityGroupId"),
    ...inEach(params, "NetworkInterface", "SecurityGroupId\\.\\d+"),
  ]),
];

const present = (params: URLSearchParams, field: string): string[] => [params.get(field) ?? ""].filter(Boolean);

const placementGroup: Part = ({ call }) =>
  present(call.params, "Placement.GroupName").map((name) => ({ type: "placement-group", name }));

/** What a launch may draw in and the table has no row for. */
const foreignParts: Part = ({ call }) => {
  const foreign =
    /^(LaunchTemplate|CapacityReservationSpecification\.CapacityReservationTarget|LicenseSpecification|Elastic|SecondaryInterface|SecurityGroup\.)/;
  const field = [...call.params.keys()].find((name) => foreign.test(name));
  if (field !== undefined) throw new UnknownAuthorization(`RunInstances with ${field}`);
  return [];
};

const instances = oneOrMore("instance", "InstanceId");
const instance = one("instance", "InstanceId");
const vpc = one("vpc", "VpcId");
const group = one("security-group", "GroupId");
const routeTable = one("route-table", "RouteTableId");
const gateway = one("internet-gateway", "InternetGatewayId");

const table: Record<string, readonly Part[]> = {
  AllocateAddress: [made("elastic-ip")],
  AssociateAddress: [
    one("elastic-ip", "AllocationId"),
    maybe("instance", "InstanceId"),
    maybe("network-interface", "NetworkInterfaceId"),
  ],
  AssociateRouteTable: [routeTable, maybe("subnet", "SubnetId"), maybeById("GatewayId")],
  AttachInternetGateway: [gateway, vpc],
  AttachNetworkInterface: [instance, one("network-interface", "NetworkInterfaceId")],
  AttachVolume: [instance, one("volume", "VolumeId")],
  AttachVpnGateway: [vpc, one("vpn-gateway", "VpnGatewayId")],
  AuthorizeSecurityGroupEgress: [group, madeIfTagged("security-group-rule")],
  AuthorizeSecurityGroupIngress: [group, madeIfTagged("security-group-rule")],
  CancelSpotInstanceRequests: [oneOrMore("spot-instances-request", "SpotInstanceRequestId")],
  CreateCustomerGateway: [made("customer-gateway")],
  CreateEgressOnlyInternetGateway: [made("egress-only-internet-gateway"), vpc],
  CreateInternetGateway: [made("internet-gateway")],
  CreateKeyPair: [newKeyPair],
  CreateLaunchTemplate: [made("launch-template")],
  CreateNatGateway: [made("natgateway"), maybe("elastic-ip", "AllocationId"), one("subnet", "SubnetId")],
  CreateNetworkAcl: [made("network-acl"), vpc],
  CreateNetworkAclEntry: [one("network-acl", "NetworkAclId")],
  CreateNetworkInterface: [
    made("network-interface"),
    one("subnet", "SubnetId"),
    some("security-group", "SecurityGroupId"),
  ],
  CreateRoute: [routeTable],
  CreateRouteTable: [made("route-table"), vpc],
  CreateSecurityGroup: [made("security-group"), maybe("vpc", "VpcId")],
  CreateSubnet: [made("subnet"), vpc],
  CreateTags: [taggedResources],
  CreateVolume: [made("volume"), maybe("snapshot", "SnapshotId")],
  CreateVpc: [made("vpc")],
  CreateVpcEndpoint: [
    vpc,
    made("vpc-endpoint"),
    some("route-table", "RouteTableId"),
    some("security-group", "SecurityGroupId"),
    some("subnet", "SubnetId"),
  ],
  CreateVpcPeeringConnection: [vpc, made("vpc-peering-connection")],
  CreateVpnConnection: [
    one("customer-gateway", "CustomerGatewayId"),
    made("vpn-connection"),
    maybe("vpn-gateway", "VpnGatewayId"),
  ],
  CreateVpnGateway: [made("vpn-gateway")],
  DeleteCustomerGateway: [one("customer-gateway", "CustomerGatewayId")],
  DeleteEgressOnlyInternetGateway: [one("egress-only-internet-gateway", "EgressOnlyInternetGatewayId")],
  DeleteFleets: [oneOrMore("fleet", "FleetId")],
  DeleteInternetGateway: [gateway],
  DeleteKeyPair: [keyPairBy("key-pair-id", "KeyPairId"), keyPairBy("key-name", "KeyName")],
  DeleteLaunchTemplate: [one("launch-template", "LaunchTemplateId")],
  DeleteNatGateway: [one("natgateway", "NatGatewayId")],
  DeleteNetworkAcl: [one("network-acl", "NetworkAclId")],
  DeleteNetworkAclEntry: [one("network-acl", "NetworkAclId")],
  DeleteNetworkInterface: [one("network-interface", "NetworkInterfaceId")],
  DeleteRoute: [routeTable],
  DeleteRouteTable: [routeTable],
  DeleteSecurityGroup: [group],
  DeleteSubnet: [one("subnet", "SubnetId")],
  DeleteTags: [taggedResources],
  DeleteVolume: [one("volume", "VolumeId")],
  DeleteVpc: [vpc],
  DeleteVpcEndpoints: [oneOrMore("vpc-endpoint", "VpcEndpointId")],
  DeleteVpcPeeringConnection: [one("vpc-peering-connection", "VpcPeeringConnectionId")],
  DeleteVpnConnection: [one("vpn-connection", "VpnConnectionId")],
  DeleteVpnGateway: [one("vpn-gateway", "VpnGatewayId")],
  DescribeImageAttribute: [one("image", "ImageId")],
  DescribeInstanceAttribute: [instance],
  DescribeSecurityGroupReferences: [oneOrMore("security-group", "GroupId")],
  DescribeSnapshotAttribute: [one("snapshot", "SnapshotId")],
  DescribeVolumeAttribute: [one("volume", "VolumeId")],
  DescribeVpcAttribute: [vpc],
  DetachInternetGateway: [gateway, vpc],
  DetachNetworkInterface: [interfaceAttachment],
  DetachVolume: [one("volume", "VolumeId"), maybe("instance", "InstanceId")],
  DetachVpnGateway: [vpc, one("vpn-gateway", "VpnGatewayId")],
  DisassociateAddress: [addressAssociation],
  DisassociateRouteTable: [routeAssociation],
  GetConsoleOutput: [instance],
  GetConsoleScreenshot: [instance],
  GetPasswordData: [instance],
  ImportKeyPair: [newKeyPair],
  ModifyInstanceAttribute: [
    instance,
    some("security-group", "GroupId"),
    someIn("volume", "BlockDeviceMapping", "Ebs\\.VolumeId"),
  ],
  ModifyInstanceCreditSpecification: [
    ({ call }) => orUnknown("instance", inEach(call.params, "InstanceCreditSpecification", "InstanceId")),
  ],
  ModifyInstanceMetadataOptions: [instance],
  ModifyNetworkInterfaceAttribute: [
    one("network-interface", "NetworkInterfaceId"),
    some("security-group", "SecurityGroupId"),
  ],
  ModifySecurityGroupRules: [
    group,
    someIn("security-group-rule", "SecurityGroupRule", "SecurityGroupRuleId"),
    someIn("prefix-list", "SecurityGroupRule", "SecurityGroupRule\\.PrefixListId"),
  ],
  ModifySubnetAttribute: [one("subnet", "SubnetId")],
  ModifyVolume: [one("volume", "VolumeId")],
  ModifyVpcAttribute: [vpc],
  RebootInstances: [instances],
  ReleaseAddress: [one("elastic-ip", "AllocationId")],
  ReplaceNetworkAclAssociation: [one("network-acl", "NetworkAclId"), aclAssociation],
  ReplaceNetworkAclEntry: [one("network-acl", "NetworkAclId")],
  ReplaceRoute: [routeTable],
  ReplaceRouteTableAssociation: [routeTable, routeAssociation],
  RevokeSecurityGroupEgress: [group],
  RevokeSecurityGroupIngress: [group],
  RunInstances: [
    foreignParts,
    made("instance"),
    made("network-interface"),
    made("volume"),
    // A spot request is authorized only where the launch tags it ("Tag Spot Instance requests", EC2 User Guide).
    madeIfTagged("spot-instances-request"),
    one("image", "ImageId"),
    launchNetwork,
    someIn("network-interface", "NetworkInterface", "NetworkInterfaceId"),
    someIn("snapshot", "BlockDeviceMapping", "Ebs\\.SnapshotId"),
    keyPairBy("key-name", "KeyName"),
    placementGroup,
  ],
  StartInstances: [instances],
  StopInstances: [instances],
  TerminateInstances: [instances],
  UpdateSecurityGroupRuleDescriptionsEgress: [group],
  UpdateSecurityGroupRuleDescriptionsIngress: [group],
};

/** Looks that AWS authorizes against resources and the table has no row for; all others are authorized against `*`. */
const resourceLooks =
  /^(DescribeCapacityBlockExtensionOfferings|DescribeClientVpn\w+|DescribeFleet(History|Instances)|DescribeFpgaImageAttribute|DescribeSpotFleet(Instances|RequestHistory)|DescribeVpcEndpointServicePermissions|Get(?!ConsoleOutput$|ConsoleScreenshot$|PasswordData$|(?:EbsDefaultKmsKeyId|EbsEncryptionByDefault|SerialConsoleAccessStatus|SpotPlacementScores|InstanceTypesFromInstanceRequirements|InstanceMetadataDefaults)$)\w+)$/;

/** Of the other services: what each action is authorized against. */
const otherServices: Record<string, (call: Call, account: string) => string[]> = {
  "ssm:GetParameter": ({ region, json }, account) => [parameterArn(region, account, json["Name"])],
  "ssm:GetParameters": ({ region, json }, account) =>
    (Array.isArray(json["Names"]) ? json["Names"] : [undefined]).map((name) => parameterArn(region, account, name)),
  "ssm:GetParametersByPath": ({ region, json }, account) => [parameterArn(region, account, json["Path"])],
  "ssm:DescribeParameters": () => ["*"],
  "servicequotas:GetServiceQuota": ({ region, json }, account) => [
    `arn:aws:servicequotas:${region}:${account}:${wordOf(json["ServiceCode"])}/${wordOf(json["QuotaCode"])}`,
  ],
  "servicequotas:GetAWSDefaultServiceQuota": () => ["*"],
  "servicequotas:ListAWSDefaultServiceQuotas": () => ["*"],
  "servicequotas:ListServiceQuotas": () => ["*"],
  "servicequotas:ListServices": () => ["*"],
  "iam:GetInstanceProfile": ({ params }, account) => [
    `arn:aws:iam::${account}:instance-profile/${params.get("InstanceProfileName") ?? "*"}`,
  ],
  "iam:ListInstanceProfiles": () => ["*"],
  "iam:ListRoles": () => ["*"],
  // "No permissions are required to perform this operation" (STS API Reference).
  "sts:GetCallerIdentity": () => [],
};

const wordOf = (value: unknown): string => (typeof value === "string" && value !== "" ? value : "*");

/** Public parameters belong to no account. The name follows without its leading slash. */
function parameterArn(region: string, account: string, name: unknown): string {
  const word = wordOf(name);
  return `arn:aws:ssm:${region}:${word.startsWith("/aws/") ? "" : account}:parameter/${word.replace(/^\//, "")}`;
}

/** The sandbox does not know how AWS authorizes it, and so allows it to nobody that a policy binds. */
export class UnknownAuthorization extends Error {
  constructor(what: string) {
    super(`the sandbox does not know what AWS authorizes ${what} against`);
  }
}

/** All that AWS authorizes for a call. @throws UnknownAuthorization */
export async function subjectsOf(call: Call, cloud: Cloud): Promise<Subject[]> {
  const { account } = cloud.moto;
  const action = `${call.service}:${call.action}`;
  const common = commonKeys(call, account);
  if (call.service !== "ec2") {
    const row = otherServices[action];
    if (row === undefined) throw new UnknownAuthorization(action);
    return row(call, account).map((resource) => ({ action, resource, keys: new Map(common) }));
  }
  const parts = Object.hasOwn(table, call.action) ? table[call.action] : undefined;
  if (parts === undefined) {
    if (!/^(Describe|Get|List)/.test(call.action) || resourceLooks.test(call.action))
      throw new UnknownAuthorization(action);
    return [{ action, resource: "*", keys: new Map(common) }];
  }
  const resources = (await Promise.all(parts.map(async (part) => part({ call, cloud })))).flat();
  const subjects = resources.map(
    (resource): Subject => ({
      action,
      resource: arnOf(call, account, resource),
      keys: new Map([...common, ...keysOfRequest(call, resource)]),
      of: resource,
    }),
  );
  return [
    ...subjects,
    ...taggingOf(call, account, resources, common),
    ...(call.action === "RunInstances" ? await passing(call, cloud, common) : []),
  ];
}

function commonKeys({ service, region }: Call, account: string): [string, string[]][] {
  return [
    // IAM has one endpoint, in us-east-1 ("aws:RequestedRegion", IAM User Guide).
    ["aws:RequestedRegion", [service === "iam" ? "us-east-1" : region]],
    ["aws:PrincipalArn", [principalOf(account)]],
    ["aws:PrincipalAccount", [account]],
    ["aws:ViaAWSService", ["false"]],
    ...(service === "ec2" ? ([["ec2:Region", [region]]] as [string, string[]][]) : []),
  ];
}

/** Who calls with the keys that policies bind. */
export const principalOf = (account: string): string => `arn:aws:iam::${account}:user/sandbox`;

/** Tags asked for are keys of the resource that gets them, never of another that the call needs. */
function keysOfRequest({ action, params }: Call, resource: Resource): [string, string[]][] {
  if (action === "CreateTags" || action === "DeleteTags") return keysOfTags(tagList(params, "Tag"));
  if (!resource.isNew) return [];
  return [
    ...keysOfTags(requestTags(params, resource.type)),
    ...(action === "RunInstances" && resource.type === "instance" ? traitsOfLaunch(params) : []),
  ];
}

function traitsOfLaunch(params: URLSearchParams): [string, string[]][] {
  return [
    // The API reference's default.
    ["ec2:InstanceType", [params.get("InstanceType") || "m1.small"]],
    ["ec2:InstanceMarketType", [params.get("InstanceMarketOptions.MarketType") || "on-demand"]],
  ];
}

function keysOfTags(tags: Tags): [string, string[]][] {
  if (tags.length === 0) return [];
  return [
    ["aws:TagKeys", tags.map(({ key }) => key)],
    ...tags.flatMap(({ key, value }): [string, string[]][] =>
      value === undefined ? [] : [[`aws:RequestTag/${key}`, [value]]],
    ),
  ];
}

/** "Grant permission to tag Amazon EC2 resources during creation" (EC2 User Guide). */
function taggingOf(call: Call, account: string, made: readonly Resource[], common: [string, string[]][]): Subject[] {
  return taggedTypes(call.params).map((type) => {
    const resource = made.find((one) => one.isNew && one.type === type) ?? fresh(type);
    return {
      action: "ec2:CreateTags",
      resource: arnOf(call, account, resource),
      keys: new Map([...common, ...keysOfRequest(call, resource), ["ec2:CreateAction", [call.action]]]),
      of: resource,
    };
  });
}

/** "Granting a user permissions to pass a role to an AWS service" (IAM User Guide). */
async function passing(call: Call, cloud: Cloud, common: [string, string[]][]): Promise<Subject[]> {
  const resource = await passedRole(call, cloud);
  if (resource === undefined) return [];
  return [
    { action: "iam:PassRole", resource, keys: new Map([...common, ["iam:PassedToService", ["ec2.amazonaws.com"]]]) },
  ];
}
