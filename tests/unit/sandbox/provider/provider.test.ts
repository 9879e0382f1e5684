import assert from "node:assert/strict";
import { isLoopback } from "../../../../sandbox/provider/guard";
import { SandboxProvider } from "../../../../sandbox/provider/provider";
import { resourceTypes } from "../../../../sandbox/provider/resources";
import { fulfils, keepSecrets, plain, UNKNOWN, type Properties } from "../../../../sandbox/provider/common/values";
import { Work } from "../../../../sandbox/provider/work";

const secret = (value: unknown) => ({ "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", value });

describe("the sandbox's provider: what a change means", () => {
  const provider = new SandboxProvider(
    { url: "http://127.0.0.1:9", accessKeyId: "a", secretAccessKey: "b" },
    new Work(),
  );
  const inputs = {
    region: "us-west-2",
    ami: "ami-1",
    instanceType: "t3.micro",
    subnetId: "subnet-1",
    vpcSecurityGroupIds: ["sg-1", "sg-2"],
    userDataBase64: secret("aGk="),
    userDataReplaceOnChange: true,
    instanceMarketOptions: { marketType: "spot" },
    rootBlockDevice: { encrypted: true, volumeSize: 20, tags: { Name: "n", team: "red" } },
    tags: { Name: "n", team: "blue" },
  };
  const state = {
    ...inputs,
    vpcSecurityGroupIds: ["sg-2", "sg-1"],
    publicIp: "198.18.0.2",
    keyName: "",
    instanceMarketOptions: { marketType: "spot", spotOptions: { spotInstanceType: "one-time" } },
    rootBlockDevice: {
      encrypted: true,
      volumeSize: 20,
      volumeType: "gp3",
      volumeId: "vol-1",
      tags: { Name: "n", team: "red" },
    },
  };
  const urn = (token: string) => `urn:pulumi:dev::p::my:component$${token}::name`;
  const instance = urn("aws:ec2/instance:Instance");
  const diff = (change: Properties) => provider.diff("i-1", instance, state, { ...inputs, ...change });

  it("sees none in values that AWS added, in the order of a list, or in a secret", async () => {
    assert.deepEqual(await diff({}), { changes: false, replaces: [] });
    assert.deepEqual(await diff({ userDataBase64: "aGk=" }), { changes: false, replaces: [] });
  });

  for (const [what, change, replaces] of [
    ["the image", { ami: "ami-2" }, ["ami"]],
    ["the region", { region: "us-east-1" }, ["region"]],
    ["the subnet, not known yet", { subnetId: UNKNOWN }, ["subnetId"]],
    ["user data", { userDataBase64: secret("aG8=") }, ["userDataBase64"]],
    [
      "encryption of the root volume",
      { rootBlockDevice: { encrypted: false, volumeSize: 20 } },
      ["rootBlockDevice.encrypted"],
    ],
    [
      "a root volume that is not known yet",
      { rootBlockDevice: UNKNOWN },
      ["rootBlockDevice.encrypted", "rootBlockDevice.kmsKeyId"],
    ],
    ["user data, without the wish for a replacement", { userDataBase64: "aG8=", userDataReplaceOnChange: false }, []],
    ["the type", { instanceType: "t3.small" }, []],
    ["the size of the root volume", { rootBlockDevice: { encrypted: true, volumeSize: 30 } }, []],
    [
      "the speed of the root volume",
      { rootBlockDevice: { encrypted: true, volumeSize: 20, iops: 4000, throughput: 250 } },
      [],
    ],
    [
      "the key of the root volume",
      { rootBlockDevice: { encrypted: true, volumeSize: 20, kmsKeyId: "k" } },
      ["rootBlockDevice.kmsKeyId"],
    ],
    ["a tag", { tags: { Name: "m", team: "blue" } }, []],
    ["a tag that is left out", { tags: { Name: "n" } }, []],
    ["all tags, by leaving them out", { tags: undefined }, []],
    [
      "a tag of the root volume that is left out",
      { rootBlockDevice: { encrypted: true, volumeSize: 20, tags: {} } },
      [],
    ],
  ] as const) {
    it(`${what}: ${replaces.length > 0 ? "a new instance" : "in place"}`, async () => {
      assert.deepEqual(await diff(change), { changes: true, replaces: [...replaces] });
    });
  }

  it("leaving out what AWS chose, or the market options, is none (as in the official provider)", async () => {
    assert.deepEqual(await diff({ instanceMarketOptions: undefined, vpcSecurityGroupIds: undefined }), {
      changes: false,
      replaces: [],
    });
  });

  it("takes prices for the same that differ in zeros behind the point, and no others (as in the official provider)", async () => {
    const priced = (maxPrice: string) => ({
      instanceMarketOptions: { marketType: "spot", spotOptions: { spotInstanceType: "one-time", maxPrice } },
    });
    const from = (before: string, after: string) =>
      provider.diff("i-1", instance, { ...state, ...priced(before) }, { ...inputs, ...priced(after) });
    assert.deepEqual(await from("0.050000", "0.05"), { changes: false, replaces: [] });
    assert.deepEqual(await from("1.000000", "1.0"), { changes: false, replaces: [] });
    for (const [before, after] of [
      ["1.000000", "1"],
      ["0.050000", "0.06"],
    ] as const)
      assert.deepEqual(await from(before, after), { changes: true, replaces: ["instanceMarketOptions"] });
  });

  it("replaces a rule whose source becomes one of another kind, and only then", async () => {
    const rule = urn("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule");
    const rest = { region: "r", securityGroupId: "sg-1", ipProtocol: "tcp", fromPort: 22, toPort: 22 };
    const known = { ...rest, cidrIpv4: "192.0.2.1/32" };
    assert.deepEqual((await provider.diff("sgr-1", rule, known, { ...rest, cidrIpv4: "192.0.2.2/32" })).replaces, []);
    assert.notDeepEqual(
      (await provider.diff("sgr-1", rule, known, { ...rest, cidrIpv6: "2001:db8::1/128" })).replaces,
      [],
    );
  });

  it("names a security group once, and keeps the name", async () => {
    const group = urn("aws:ec2/securityGroup:SecurityGroup");
    const { inputs: first, failures } = await provider.check(group, {}, { region: "r", vpcId: "vpc-1" });
    assert.deepEqual(failures, []);
    assert.match(first["name"] as string, /^name-[0-9a-f]{7}$/);
    const { inputs: second } = await provider.check(group, first, { region: "r", vpcId: "vpc-1" });
    assert.deepEqual(second, first);
  });

  it("refuses a resource without a region, and inputs that it would ignore, also inside objects", async () => {
    const { failures } = await provider.check(
      instance,
      {},
      { ami: "ami-1", hibernation: true, rootBlockDevice: { deviceName: "/dev/sda1" } },
    );
    assert.deepEqual(
      failures.map(({ property }) => property),
      ["region", "hibernation", "rootBlockDevice.deviceName"],
    );
  });

  it("refuses what excludes each other, and a choice that is not made, in the words of Terraform's SDK", async () => {
    const rest = { region: "r" };
    const CASES: [token: string, inputs: Properties, reason: string][] = [
      [
        "aws:ec2/instance:Instance",
        { userData: "a", userDataBase64: "YQ==" },
        'Conflicting configuration arguments. "user_data": conflicts with user_data_base64.',
      ],
      [
        "aws:ec2/instance:Instance",
        { volumeTags: { a: "b" }, rootBlockDevice: { tags: { a: "b" } } },
        'Conflicting configuration arguments. "volume_tags": conflicts with root_block_device.0.tags.',
      ],
      [
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        { securityGroupId: "sg-1", ipProtocol: "-1", cidrIpv4: "10.0.0.0/8", cidrIpv6: "2001:db8::/32" },
        'Invalid combination of arguments. "cidr_ipv4": only one of `cidr_ipv4,cidr_ipv6,referenced_security_group_id` can be specified.',
      ],
      [
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
        { securityGroupId: "sg-1", ipProtocol: "-1" },
        'Invalid combination of arguments. "cidr_ipv4": one of `cidr_ipv4,cidr_ipv6,referenced_security_group_id` must be specified.',
      ],
      [
        "aws:ec2/route:Route",
        { routeTableId: "rtb-1", destinationCidrBlock: "0.0.0.0/0" },
        'Invalid combination of arguments. "gateway_id": one of `gateway_id` must be specified.',
      ],
      [
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        { routeTableId: "rtb-1" },
        'Invalid combination of arguments. "subnet_id": one of `subnet_id` must be specified.',
      ],
    ];
    for (const [token, given, reason] of CASES) {
      const { failures } = await provider.check(urn(token), {}, { ...rest, ...given });
      assert.deepEqual(
        failures.map((failure) => failure.reason),
        [reason],
      );
    }
    const unknown = { routeTableId: UNKNOWN, destinationCidrBlock: "0.0.0.0/0", gatewayId: UNKNOWN };
    assert.deepEqual((await provider.check(urn("aws:ec2/route:Route"), {}, { ...rest, ...unknown })).failures, []);
  });

  it("names the types that it serves when it meets another", async () => {
    await assert.rejects(
      async () => provider.check(urn("aws:s3/bucket:Bucket"), {}, {}),
      /does not serve aws:s3\/bucket:Bucket; it knows aws:ec2\/vpc:Vpc/,
    );
    assert.equal(resourceTypes.size, 10);
  });
});

describe("the sandbox's provider: values", () => {
  it("unwraps secrets at any depth and drops what the wire cannot carry", () => {
    assert.deepEqual(plain({ a: secret({ b: [secret(1)] }), c: undefined }), { a: { b: [1] } });
  });

  it("keeps secret what was secret, in whole or in part", () => {
    const live = { a: "x", b: { c: "y" }, d: "z" };
    assert.deepEqual(keepSecrets({ a: secret("old"), b: { c: secret("y") } }, live), {
      a: secret("x"),
      b: secret({ c: "y" }),
      d: "z",
    });
  });

  it("an unknown is never fulfilled", () => {
    assert.ok(!fulfils("sg-1", UNKNOWN));
    assert.ok(!fulfils(["sg-1"], ["sg-1", "sg-1"]));
  });
});

describe("the sandbox's provider: guard", () => {
  for (const url of ["http://127.0.0.1:5000", "http://127.9.9.9", "http://[::1]:80/"]) {
    it(`${url} is this machine`, () => assert.ok(isLoopback(url)));
  }
  for (const url of [
    "https://ec2.us-east-1.amazonaws.com",
    "http://127.0.0.1.example.com",
    "http://localhost:5000",
    "http://0.0.0.0",
    "http://10.0.0.1",
    "http://127.0.0.1@198.51.100.1",
    "nonsense",
  ]) {
    it(`${url} is not`, () => assert.ok(!isLoopback(url)));
  }
});
