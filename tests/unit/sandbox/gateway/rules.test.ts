import assert from "node:assert/strict";
import { AwsError } from "../../../../sandbox/gateway/protocol/call";
import { items, text, type Node } from "../../../../sandbox/gateway/protocol/xml";
import { list, scriptedCloud, type Script } from "../../../support/scripted-cloud";

/** An AWS in which t3.medium is offered in us-west-2a, and one image is there. */
const world: Script = {
  DescribeImages: { imagesSet: list({ imageId: "ami-1", architecture: "x86_64" }) },
  DescribeInstanceTypes: (params) => {
    const arm = params.get("InstanceType.1")?.startsWith("t4g") ?? false;
    return {
      instanceTypeSet: list({
        processorInfo: { supportedArchitectures: list(arm ? "arm64" : "x86_64") },
        vCpuInfo: { defaultVCpus: "2" },
        memoryInfo: { sizeInMiB: "4096" },
      }),
    };
  },
  DescribeInstanceTypeOfferings: { instanceTypeOfferingSet: list({ location: "us-west-2a" }) },
  DescribeInstances: { reservationSet: "" },
  RunInstances: (params) => ({
    instancesSet: list({ instanceId: `i-${params.get("MinCount")}`, spotInstanceRequestId: "sir-1" }),
  }),
};
const launch = { ImageId: "ami-1", InstanceType: "t3.medium", MinCount: "1", MaxCount: "1" };
const spot = { "InstanceMarketOptions.MarketType": "spot" };
const running = (instanceType: string, more: object = {}) => ({
  instanceId: "i-0",
  instanceType,
  instanceState: { name: "running" },
  ...more,
});
const inAWorldWith = (...instances: object[]): Script => ({
  ...world,
  DescribeInstances: { reservationSet: list({ instancesSet: list(...instances) }) },
});

const ON_A_NAT_GATEWAY: Script = {
  DescribeAddresses: { addressesSet: list({ associationId: "x", networkInterfaceId: "eni-1" }) },
  DescribeNetworkInterfaces: { networkInterfaceSet: list({ requesterManaged: "true" }) },
};

const unknownType = (): never => {
  throw new AwsError("InvalidInstanceType", "unknown");
};

describe("the gateway's rules", () => {
  /** What is asked, of which AWS, and the refusal; undefined: it passes. */
  const cases: [string, string, Record<string, string>, string | undefined, Script?][] = [
    ["a launch", "RunInstances", launch, undefined],
    [
      "user data of 16,384 bytes",
      "RunInstances",
      { ...launch, UserData: Buffer.alloc(16_384).toString("base64") },
      undefined,
    ],
    [
      "user data of 16,385 bytes",
      "RunInstances",
      { ...launch, UserData: Buffer.alloc(16_385).toString("base64") },
      "InvalidParameterValue",
    ],
    [
      "an unknown type",
      "RunInstances",
      launch,
      "InvalidParameterValue",
      { ...world, DescribeInstanceTypes: () => unknownType() },
    ],
    [
      "a type of another architecture",
      "RunInstances",
      { ...launch, InstanceType: "t4g.medium" },
      "InvalidParameterValue",
    ],
    [
      "a zone that does not offer the type",
      "RunInstances",
      { ...launch, "Placement.AvailabilityZone": "us-west-2b" },
      "Unsupported",
    ],
    [
      "a type that is offered nowhere",
      "RunInstances",
      launch,
      "Unsupported",
      { ...world, DescribeInstanceTypeOfferings: { instanceTypeOfferingSet: "" } },
    ],
    [
      "a spot price that is too low",
      "RunInstances",
      { ...launch, ...spot, "InstanceMarketOptions.SpotOptions.MaxPrice": "0.000001" },
      "SpotMaxPriceTooLow",
    ],
    [
      "a spot price that is enough",
      "RunInstances",
      { ...launch, ...spot, "InstanceMarketOptions.SpotOptions.MaxPrice": "9" },
      undefined,
    ],
    [
      "a persistent request that terminates",
      "RunInstances",
      { ...launch, ...spot, "InstanceMarketOptions.SpotOptions.SpotInstanceType": "persistent" },
      "InvalidParameterCombination",
    ],
    [
      "a persistent request that stops",
      "RunInstances",
      {
        ...launch,
        ...spot,
        "InstanceMarketOptions.SpotOptions.SpotInstanceType": "persistent",
        "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior": "stop",
      },
      undefined,
    ],
    [
      "a launch beyond the quota of its family",
      "RunInstances",
      { ...launch, ...spot, InstanceType: "g5.xlarge" },
      "MaxSpotInstanceCountExceeded",
    ],
    [
      "the last vCPUs of the quota",
      "RunInstances",
      { ...launch, MaxCount: "127" },
      undefined,
      inAWorldWith(running("t3.medium")),
    ],
    [
      "more vCPUs than the quota leaves",
      "RunInstances",
      { ...launch, MaxCount: "128" },
      "VcpuLimitExceeded",
      inAWorldWith(running("t3.medium")),
    ],
    [
      "as many, beside an instance of the other market",
      "RunInstances",
      { ...launch, MaxCount: "128" },
      undefined,
      inAWorldWith(running("t3.medium", { instanceLifecycle: "spot" })),
    ],
    [
      "as many, beside one of another family",
      "RunInstances",
      { ...launch, MaxCount: "128" },
      undefined,
      inAWorldWith(running("g5.xlarge")),
    ],
    ["CreateFleet", "CreateFleet", {}, "UnsupportedOperation"],
    ["RequestSpotInstances", "RequestSpotInstances", {}, "UnsupportedOperation"],

    [
      "a spot request by a filter that there is not",
      "DescribeSpotInstanceRequests",
      { "Filter.1.Name": "colour", "Filter.1.Value.1": "red" },
      "InvalidParameterValue",
      inAWorldWith(running("t3.medium")),
    ],
    [
      "a look at a region that does not exist",
      "DescribeRegions",
      { "RegionName.1": "eu-nowhere-1" },
      "InvalidParameterValue",
    ],

    ["a dry run of a change", "CreateVpc", { DryRun: "true", CidrBlock: "10.0.0.0/16" }, "DryRunOperation"],
    ["a dry run of a look", "DescribeVpcs", { DryRun: "true" }, "DryRunOperation"],

    [
      "the end of a protected instance",
      "TerminateInstances",
      { "InstanceId.1": "i-1" },
      "OperationNotPermitted",
      { DescribeInstanceAttribute: { disableApiTermination: { value: "true" } } },
    ],
    [
      "the end of another one",
      "TerminateInstances",
      { "InstanceId.1": "i-1" },
      undefined,
      { DescribeInstanceAttribute: { disableApiTermination: { value: "false" } } },
    ],
    [
      "the release of an address in use",
      "ReleaseAddress",
      { AllocationId: "a" },
      "InvalidIPAddress.InUse",
      { DescribeAddresses: { addressesSet: list({ associationId: "x" }) } },
    ],
    [
      "the release of a free address",
      "ReleaseAddress",
      { AllocationId: "a" },
      undefined,
      { DescribeAddresses: { addressesSet: list({ allocationId: "a" }) } },
    ],

    [
      "the release of an address that a NAT gateway holds",
      "ReleaseAddress",
      { AllocationId: "a" },
      "AuthFailure",
      ON_A_NAT_GATEWAY,
    ],
    [
      "to take an address from a NAT gateway",
      "DisassociateAddress",
      { AssociationId: "x" },
      "AuthFailure",
      ON_A_NAT_GATEWAY,
    ],
    [
      "to take an address from an interface",
      "DisassociateAddress",
      { AssociationId: "x" },
      undefined,
      { ...ON_A_NAT_GATEWAY, DescribeNetworkInterfaces: { networkInterfaceSet: list({ requesterManaged: "false" }) } },
    ],

    [
      "the end of an interface in use",
      "DeleteNetworkInterface",
      { NetworkInterfaceId: "eni-1" },
      "InvalidParameterValue",
      { DescribeNetworkInterfaces: { networkInterfaceSet: list({ status: "in-use" }) } },
    ],
    [
      "the end of a free interface",
      "DeleteNetworkInterface",
      { NetworkInterfaceId: "eni-1" },
      undefined,
      { DescribeNetworkInterfaces: { networkInterfaceSet: list({ status: "available" }) } },
    ],
    [
      "a group that an interface has",
      "DeleteSecurityGroup",
      { GroupId: "sg-1" },
      "DependencyViolation",
      { DescribeNetworkInterfaces: { networkInterfaceSet: list({ groupSet: list({ groupId: "sg-1" }) }) } },
    ],
    [
      "a group that another one names",
      "DeleteSecurityGroup",
      { GroupId: "sg-1" },
      "DependencyViolation",
      {
        DescribeSecurityGroups: {
          securityGroupInfo: list({
            groupId: "sg-2",
            ipPermissionsEgress: list({ groups: list({ groupId: "sg-1" }) }),
          }),
        },
      },
    ],
    [
      "a group that only it names",
      "DeleteSecurityGroup",
      { GroupId: "sg-1" },
      undefined,
      {
        DescribeSecurityGroups: {
          securityGroupInfo: list({ groupId: "sg-1", ipPermissions: list({ groups: list({ groupId: "sg-1" }) }) }),
        },
      },
    ],
    [
      "a subnet with an interface",
      "DeleteSubnet",
      { SubnetId: "subnet-1" },
      "DependencyViolation",
      { DescribeNetworkInterfaces: { networkInterfaceSet: list({}) } },
    ],
    [
      "a subnet that goes by another table",
      "AssociateRouteTable",
      { RouteTableId: "rtb-1", SubnetId: "subnet-1" },
      "Resource.AlreadyAssociated",
      { DescribeRouteTables: { routeTableSet: list({ routeTableId: "rtb-2" }) } },
    ],
    [
      "a subnet that goes by this table",
      "AssociateRouteTable",
      { RouteTableId: "rtb-1", SubnetId: "subnet-1" },
      undefined,
      { DescribeRouteTables: { routeTableSet: list({ routeTableId: "rtb-1" }) } },
    ],
    ["an empty subnet", "DeleteSubnet", { SubnetId: "subnet-1" }, undefined],
    [
      "a VPC with a gateway",
      "DeleteVpc",
      { VpcId: "vpc-1" },
      "DependencyViolation",
      { DescribeInternetGateways: { internetGatewaySet: list({}) } },
    ],
    [
      "a VPC with a group of its own",
      "DeleteVpc",
      { VpcId: "vpc-1" },
      "DependencyViolation",
      { DescribeSecurityGroups: { securityGroupInfo: list({ groupName: "default" }, { groupName: "g" }) } },
    ],
    [
      "a VPC with an interface",
      "DeleteVpc",
      { VpcId: "vpc-1" },
      "DependencyViolation",
      { DescribeNetworkInterfaces: { networkInterfaceSet: list({}) } },
    ],
    [
      "a VPC with an ACL of its own",
      "DeleteVpc",
      { VpcId: "vpc-1" },
      "DependencyViolation",
      { DescribeNetworkAcls: { networkAclSet: list({ default: "true" }, { default: "false" }) } },
    ],
    [
      "a VPC with an endpoint",
      "DeleteVpc",
      { VpcId: "vpc-1" },
      "DependencyViolation",
      { DescribeVpcEndpoints: { vpcEndpointSet: list({ state: "available" }) } },
    ],
    [
      "a VPC with an egress-only gateway",
      "DeleteVpc",
      { VpcId: "vpc-1" },
      "DependencyViolation",
      {
        DescribeEgressOnlyInternetGateways: {
          egressOnlyInternetGatewaySet: list({ attachmentSet: list({ vpcId: "vpc-1" }) }),
        },
      },
    ],
    [
      "a VPC with an active peering",
      "DeleteVpc",
      { VpcId: "vpc-1" },
      "DependencyViolation",
      {
        DescribeVpcPeeringConnections: {
          vpcPeeringConnectionSet: list({ accepterVpcInfo: { vpcId: "vpc-1" }, status: { code: "active" } }),
        },
      },
    ],
    [
      "a VPC whose endpoint and peering are deleted",
      "DeleteVpc",
      { VpcId: "vpc-1" },
      undefined,
      {
        DescribeVpcEndpoints: { vpcEndpointSet: list({ state: "deleted" }) },
        DescribeVpcPeeringConnections: {
          vpcPeeringConnectionSet: list({ requesterVpcInfo: { vpcId: "vpc-1" }, status: { code: "deleted" } }),
        },
      },
    ],
    [
      "a VPC with its default group alone",
      "DeleteVpc",
      { VpcId: "vpc-1" },
      undefined,
      { DescribeSecurityGroups: { securityGroupInfo: list({ groupName: "default" }) } },
    ],
    [
      "a gateway under a public address",
      "DetachInternetGateway",
      { VpcId: "vpc-1" },
      "DependencyViolation",
      { DescribeNetworkInterfaces: { networkInterfaceSet: list({ association: { publicIp: "198.18.7.10" } }) } },
    ],
    [
      "a gateway under private addresses",
      "DetachInternetGateway",
      { VpcId: "vpc-1" },
      undefined,
      { DescribeNetworkInterfaces: { networkInterfaceSet: list({ privateIpAddress: "10.0.0.4" }) } },
    ],
  ];
  for (const [what, action, params, refusal, script = world] of cases) {
    it(`${refusal === undefined ? "let through" : "refuse"} ${what}`, async () => {
      const { call, asked } = scriptedCloud(script);
      const answer = await call(action, params);
      assert.equal(typeof answer === "string" ? answer : undefined, refusal);
      assert.equal(asked.includes(action), refusal === undefined, "what is refused never reaches the emulated AWS");
    });
  }

  it("refuse every call in a region that is not enabled, and in one that does not exist", async () => {
    const { call, asked } = scriptedCloud(world);
    assert.equal(await call("DescribeVpcs", {}, { region: "me-south-1" }), "AuthFailure");
    assert.equal(await call("GetCallerIdentity", {}, { region: "me-south-1", service: "sts" }), "InvalidClientTokenId");
    assert.equal(await call("DescribeVpcs", {}, { region: "eu-nowhere-1" }), "InvalidRegion");
    assert.deepEqual(asked, []);
  });

  it("launch as many as EC2 would, with a root volume that ends with its instance", async () => {
    let sent: URLSearchParams | undefined;
    const { call } = scriptedCloud({ ...world, RunInstances: (params) => ((sent = params), {}) });
    await call("RunInstances", {
      ...launch,
      MaxCount: "3",
      "BlockDeviceMapping.1.DeviceName": "/dev/sda1",
      "BlockDeviceMapping.2.DeviceName": "/dev/sdf",
    });
    const root = "Ebs.DeleteOnTermination";
    assert.deepEqual(
      [sent?.get("MinCount"), sent?.get(`BlockDeviceMapping.1.${root}`), sent?.get(`BlockDeviceMapping.2.${root}`)],
      ["3", "true", null],
    );
  });

  it("answer a client token once: the same launch for the same request, a refusal for another, and free again after a failure", async () => {
    const script = { ...world };
    const { call, asked } = scriptedCloud(script);
    const launches = () => asked.filter((action) => action === "RunInstances").length;
    const token = { ...launch, ClientToken: "t" };
    const answers = await Promise.all([call("RunInstances", token), call("RunInstances", token)]);
    assert.deepEqual(answers[1], answers[0]);
    assert.equal(launches(), 1);
    assert.equal(await call("RunInstances", { ...token, InstanceType: "t3.small" }), "IdempotentParameterMismatch");
    await call("RunInstances", token, { region: "us-east-1" });
    assert.equal(launches(), 2, "each region has tokens of its own");
    const refused = { ...launch, ClientToken: "u", InstanceType: "t4g.medium" };
    assert.equal(await call("RunInstances", refused), "InvalidParameterValue");
    assert.equal(typeof (await call("RunInstances", { ...launch, ClientToken: "u" })), "object");
  });

  it("judge launches of one region in turn, so that two at once do not both take the last room", async () => {
    const instances: object[] = [];
    const { call, cloud } = scriptedCloud({
      ...world,
      DescribeInstances: () => ({ reservationSet: list({ instancesSet: list(...instances) }) }),
      RunInstances: () => (instances.push(running("t3.medium")), {}),
    });
    cloud.quotas.set("L-1216C47A", 2, "us-west-2");
    const answers = await Promise.all([call("RunInstances", launch), call("RunInstances", launch)]);
    assert.deepEqual(
      answers.map((answer) => (typeof answer === "string" ? answer : "launched")),
      ["launched", "VcpuLimitExceeded"],
    );
  });

  it("tell each quota by its code, and refuse one that there is not", async () => {
    const { call } = scriptedCloud({});
    const quota = (QuotaCode: string, ServiceCode = "ec2") =>
      call("GetServiceQuota", { ServiceCode, QuotaCode }, { service: "servicequotas", json: true });
    assert.match(JSON.stringify(await quota("L-34B43A08")), /"QuotaCode":"L-34B43A08".*"Value":256/);
    for (const unknown of [await quota("L-00000000"), await quota("L-34B43A08", "vpc")])
      assert.equal(unknown, "NoSuchResourceException");
  });

  it("show a NAT gateway as deleting for a while, and keep its subnet and its address meanwhile", async () => {
    const gateways = [
      {
        natGatewayId: "nat-0a",
        subnetId: "subnet-1",
        natGatewayAddressSet: list({ allocationId: "eipalloc-1" }),
        state: "deleted",
      },
      { natGatewayId: "nat-0b", subnetId: "subnet-2", state: "deleted" },
    ];
    const { call, cloud, setTime } = scriptedCloud({ DescribeNatGateways: { natGatewaySet: list(...gateways) } });
    cloud.timings.natDeletingMs = 1_000;
    await call("DeleteNatGateway", { NatGatewayId: "nat-0a" });
    const states = async () =>
      items((await call("DescribeNatGateways")) as Node, "natGatewaySet").map((gateway) => text(gateway, "state"));
    const subnet = (SubnetId: string) => call("DeleteSubnet", { SubnetId });
    const address = () => call("ReleaseAddress", { AllocationId: "eipalloc-1" });
    setTime(999);
    assert.deepEqual(await states(), ["deleting", "deleted"]);
    assert.equal(await subnet("subnet-1"), "DependencyViolation");
    assert.equal(await address(), "AuthFailure");
    assert.equal(typeof (await subnet("subnet-2")), "object");
    setTime(1_000);
    assert.deepEqual(await states(), ["deleted", "deleted"]);
    assert.equal(typeof (await subnet("subnet-1")), "object");
    assert.equal(typeof (await address()), "object");
  });

  it("keep a spot request with its instance: tags, price, state and why it ended", async () => {
    const instance = running("t3.medium", { instanceLifecycle: "spot", spotInstanceRequestId: "sir-1" });
    const { call, cloud } = scriptedCloud(inAWorldWith(instance));
    const tag = {
      "TagSpecification.1.ResourceType": "spot-instances-request",
      "TagSpecification.1.Tag.1.Key": "node",
      "TagSpecification.1.Tag.1.Value": "a",
    };
    await call("RunInstances", { ...launch, ...spot, ...tag, "InstanceMarketOptions.SpotOptions.MaxPrice": "0.5" });
    const request = async (params = {}) =>
      items((await call("DescribeSpotInstanceRequests", params)) as Node, "spotInstanceRequestSet")[0];
    const shown = async () => [text(await request(), "state"), text(await request(), "status", "code")];
    assert.deepEqual([await shown(), text(await request(), "spotPrice")], [["active", "fulfilled"], "0.500000"]);
    assert.ok(await request({ "Filter.1.Name": "tag:node", "Filter.1.Value.1": "a" }));
    assert.equal(await request({ "Filter.1.Name": "tag:node", "Filter.1.Value.1": "b" }), undefined);
    assert.equal(
      await call("DescribeSpotInstanceRequests", { "SpotInstanceRequestId.1": "sir-9" }),
      "InvalidSpotInstanceRequestID.NotFound",
    );
    cloud.spotRequests.get("sir-1")!.marked = true;
    assert.deepEqual(await shown(), ["active", "marked-for-termination"]);
    await call("CancelSpotInstanceRequests", { "SpotInstanceRequestId.1": "sir-1" });
    assert.deepEqual(await shown(), ["cancelled", "request-canceled-and-instance-running"]);
    Object.assign(instance, {
      instanceState: { name: "terminated" },
      stateReason: { code: "Server.SpotInstanceTermination" },
    });
    cloud.spotRequests.get("sir-1")!.cancelled = false;
    assert.deepEqual(await shown(), ["closed", "instance-terminated-no-capacity"]);
  });
});
