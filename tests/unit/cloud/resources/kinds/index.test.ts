import assert from "node:assert/strict";
import { EC2Client } from "@aws-sdk/client-ec2";
import { FLEET_KINDS, kindOf, RESOURCE_KINDS, type KindName } from "../../../../../cloud/resources/kinds";

describe("the kinds of AWS resources", () => {
  /** Of each list that comes on pages: its name in the answer, and one entry with this ID. */
  const PAGED: Partial<Record<KindName, [list: string, entry: (id: string) => object]>> = {
    "spot-request": ["SpotInstanceRequests", (id) => ({ SpotInstanceRequestId: id, State: "open" })],
    instance: ["Reservations", (id) => ({ Instances: [{ InstanceId: id }] })],
    fleet: ["Fleets", (FleetId) => ({ FleetId })],
    "launch-template": ["LaunchTemplates", (LaunchTemplateId) => ({ LaunchTemplateId })],
    volume: ["Volumes", (VolumeId) => ({ VolumeId })],
    "nat-gateway": ["NatGateways", (NatGatewayId) => ({ NatGatewayId })],
    "vpc-endpoint": ["VpcEndpoints", (VpcEndpointId) => ({ VpcEndpointId })],
    "peering-connection": ["VpcPeeringConnections", (VpcPeeringConnectionId) => ({ VpcPeeringConnectionId })],
    "network-interface": ["NetworkInterfaces", (NetworkInterfaceId) => ({ NetworkInterfaceId })],
    "security-group": ["SecurityGroups", (GroupId) => ({ GroupId })],
    "route-table": ["RouteTables", (RouteTableId) => ({ RouteTableId })],
    subnet: ["Subnets", (SubnetId) => ({ SubnetId })],
    "network-acl": ["NetworkAcls", (NetworkAclId) => ({ NetworkAclId })],
    "internet-gateway": ["InternetGateways", (InternetGatewayId) => ({ InternetGatewayId })],
    "egress-only-gateway": [
      "EgressOnlyInternetGateways",
      (EgressOnlyInternetGatewayId) => ({ EgressOnlyInternetGatewayId }),
    ],
    vpc: ["Vpcs", (VpcId) => ({ VpcId })],
  };

  /** AWS answers these in one piece. */
  const WHOLE = ["elastic-address", "vpn-connection", "vpn-gateway", "key-pair"];

  it("come on pages or whole, each of them", () =>
    assert.deepEqual(RESOURCE_KINDS.map(({ kind }) => kind).sort(), [...Object.keys(PAGED), ...WHOLE].sort()));

  for (const { kind, list } of RESOURCE_KINDS) {
    const [name, entry] = PAGED[kind] ?? [];
    if (name === undefined || entry === undefined) continue;
    it(`are listed to the last page: ${kind}`, async () => {
      const pages: Record<string, object> = {
        "": { [name]: [entry("1")], NextToken: "two" },
        two: { [name]: [], NextToken: "three" },
        three: { [name]: [entry("2")] },
      };
      const client = Object.assign(Object.create(EC2Client.prototype) as EC2Client, {
        send: ({ input }: { input: { NextToken?: string } }) => Promise.resolve(pages[input.NextToken ?? ""]),
      });
      assert.deepEqual(
        (await list(client, [])).map(({ id }) => id),
        ["1", "2"],
      );
    });
  }

  it("go as AWS lets go of them, and what nothing waits for, and may be held for long, goes last", () =>
    assert.deepEqual(
      RESOURCE_KINDS.slice(-3).map(({ kind }) => kind),
      ["vpc", "volume", "key-pair"],
    ));

  it("take rules from a security group only where AWS says that something depends on it", async () => {
    const removed = async (refusals: string[]): Promise<string[]> => {
      const asked: string[] = [];
      const send = ({ constructor: { name } }: object): Promise<object> => {
        const action = name.replace(/Command$/, "");
        asked.push(action);
        const refusal = action === "DeleteSecurityGroup" ? refusals.shift() : undefined;
        if (refusal !== undefined) return Promise.reject(Object.assign(new Error("refused"), { name: refusal }));
        const IpPermissions = [{ UserIdGroupPairs: [{ GroupId: "sg-2" }] }];
        return Promise.resolve(action === "DescribeSecurityGroups" ? { SecurityGroups: [{ IpPermissions }] } : {});
      };
      const client = Object.assign(Object.create(EC2Client.prototype) as EC2Client, { send });
      await kindOf("security-group")
        .remove(client, "sg-1")
        .catch((error: unknown) => asked.push((error as Error).name));
      return asked;
    };
    assert.deepEqual(await removed([]), ["DeleteSecurityGroup"]);
    assert.deepEqual(await removed(["UnauthorizedOperation"]), ["DeleteSecurityGroup", "UnauthorizedOperation"]);
    assert.deepEqual(await removed(["DependencyViolation"]), [
      "DeleteSecurityGroup",
      "DescribeSecurityGroups",
      "RevokeSecurityGroupIngress",
      "DeleteSecurityGroup",
    ]);
  });

  it("of a fleet go as AWS lets go of them", () =>
    assert.deepEqual(
      FLEET_KINDS.map(({ kind }) => kind),
      ["instance", "security-group", "route-table", "subnet", "internet-gateway", "vpc", "volume"],
    ));
});
