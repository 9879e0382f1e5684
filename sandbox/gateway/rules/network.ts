import { AwsError } from "../call";
import { filterParams, interfaces } from "../ask";
import { before, type Cloud, type Rule } from "../rule";
import { items, text } from "../xml";

const violation = (message: string): AwsError => new AwsError("DependencyViolation", message);

const publicAddresses = async (cloud: Cloud, region: string, vpc: string): Promise<string[]> =>
  (await interfaces(cloud, region, { "vpc-id": [vpc] })).map((at) => text(at, "association", "publicIp")).filter(Boolean);

/** What must be gone before a part of a network can go; moto deletes it all the same. ("Delete your VPC", VPC User Guide.) */
export const networkRules: Rule[] = [
  before("ec2:DeleteSecurityGroup", async (call, cloud) => {
    const [id, name] = [call.params.get("GroupId"), call.params.get("GroupName")];
    const inUse = (await interfaces(cloud, call.region)).flatMap((at) => items(at, "groupSet")).some((group) => text(group, "groupId") === id || text(group, "groupName") === name);
    if (inUse) throw violation(`resource ${id ?? name} has a dependent object`);
    const groups = items(await cloud.moto.ask(call.region, "DescribeSecurityGroups"), "securityGroupInfo");
    const named = groups.filter((group) => text(group, "groupId") !== id).flatMap((group) => [...items(group, "ipPermissions"), ...items(group, "ipPermissionsEgress")]);
    if (named.flatMap((rule) => items(rule, "groups")).some((group) => text(group, "groupId") === id)) throw violation(`resource ${id ?? name} has a dependent object`);
  }),
  before("ec2:DeleteSubnet", async (call, cloud) => {
    const id = call.params.get("SubnetId") ?? "";
    if ((await interfaces(cloud, call.region, { "subnet-id": [id] })).length > 0) throw violation(`The subnet '${id}' has dependencies and cannot be deleted.`);
  }),
  before("ec2:DeleteVpc", async (call, cloud) => {
    const id = call.params.get("VpcId") ?? "";
    const attached = items(await cloud.moto.ask(call.region, "DescribeInternetGateways", filterParams({ "attachment.vpc-id": [id] })), "internetGatewaySet");
    const groups = items(await cloud.moto.ask(call.region, "DescribeSecurityGroups", filterParams({ "vpc-id": [id] })), "securityGroupInfo");
    if (attached.length > 0 || groups.some((group) => text(group, "groupName") !== "default")) {
      throw violation(`The vpc '${id}' has dependencies and cannot be deleted.`);
    }
  }),
  before("ec2:DetachInternetGateway", async (call, cloud) => {
    const vpc = call.params.get("VpcId") ?? "";
    if ((await publicAddresses(cloud, call.region, vpc)).length > 0) {
      throw violation(`Network ${vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.`);
    }
  }),
];
