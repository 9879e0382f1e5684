import assert from "node:assert/strict";
import { accountOfKey, administratorKeyOf, isAdministrator } from "../../../../sandbox/gateway/protocol/accounts";
import { AwsError, readCall } from "../../../../sandbox/gateway/protocol/call";
import { authorize } from "../../../../sandbox/gateway/policy";
import { subjectsOf } from "../../../../sandbox/gateway/policy/authorization";
import { parsePolicies } from "../../../../sandbox/gateway/policy/document";
import { evaluate } from "../../../../sandbox/gateway/policy/evaluate";
import { list, scriptedCloud, type Script } from "../../../support/scripted-cloud";

const REGION = "us-west-2";
const of = (type: string, name = "*") => `arn:aws:ec2:${REGION}:123456789012:${type}/${name}`;

const policy = (...Statement: object[]) => ({ Version: "2012-10-17", Statement });
const allow = (Action: string | string[], Condition?: object, Resource: string | string[] = "*") => ({
  Effect: "Allow",
  Action,
  Resource,
  ...(Condition && { Condition }),
});
const deny = (Action: string, Condition?: object, Resource = "*") => ({
  ...allow(Action, Condition, Resource),
  Effect: "Deny",
});

function callOf(action: string, params: Record<string, string> = {}, service = "ec2", key = "sandbox") {
  const isJson = service === "ssm" || service === "servicequotas";
  const call = readCall(
    "/",
    {
      authorization: `AWS4-HMAC-SHA256 Credential=${key}/20260101/${REGION}/${service}/aws4_request, SignedHeaders=host, Signature=0`,
      ...(isJson && { "x-amz-target": `T.${action}` }),
    },
    isJson ? JSON.stringify(params) : new URLSearchParams({ Action: action, ...params }).toString(),
  );
  assert.ok(call);
  return call;
}

const tagging = (at: number, type: string, key: string, value: string) => ({
  [`TagSpecification.${at}.ResourceType`]: type,
  [`TagSpecification.${at}.Tag.1.Key`]: key,
  [`TagSpecification.${at}.Tag.1.Value`]: value,
});

describe("the gateway's policies", () => {
  const verdict = (
    statements: object[],
    keys: Record<string, string[]> = {},
    action = "ec2:RunInstances",
    resource = of("instance"),
  ) =>
    evaluate(parsePolicies(policy(...statements)).statements, {
      action,
      resource,
      keys: new Map(Object.entries(keys)),
    });

  it("deny what nothing allows, and what anything denies", () => {
    assert.equal(verdict([allow("ec2:*")]), "allowed");
    assert.equal(verdict([allow("EC2:runinst?nces")]), "allowed");
    assert.equal(verdict([allow("ec2:Describe*")]), "implicit-deny");
    assert.equal(verdict([allow("*"), deny("ec2:RunInstances")]), "explicit-deny");
    assert.equal(verdict([deny("ec2:RunInstances"), allow("*")]), "explicit-deny");
    assert.equal(verdict([deny("ec2:RunInstances", { Bool: { "aws:ViaAWSService": "true" } })]), "implicit-deny");
  });

  it("match resources part by part", () => {
    const matches = (pattern: string, resource?: string) =>
      verdict([allow("*", undefined, pattern)], {}, "ec2:RunInstances", resource) === "allowed";
    assert.ok(matches("arn:aws:ec2:*:*:instance/*"));
    assert.ok(matches("arn:aws:ec2:*:123456789012:*"));
    assert.ok(!matches("arn:aws:ec2:us-east-1:*:*"));
    assert.ok(!matches("arn:aws:ec2:*:*:instance/i-1"), "an instance that is to be made has no id");
    assert.ok(!matches("arn:aws:ec2:*:*:*", "*"), "an action without resources needs *");
    assert.ok(!matches("arn:aws:ec2:*:instance/*:x", of("instance")));
  });

  /** Operator, key, wanted; values with which it holds, and with which it does not. An empty list: no such key. */
  const conditions: [string, string, string[], string[][], string[][]][] = [
    ["StringEquals", "aws:RequestTag/a", ["x", "y"], [["x"], ["y"]], [["X"], ["z"], []]],
    ["StringNotEquals", "aws:RequestTag/a", ["x", "y"], [["z"], []], [["x"], ["y"]]],
    ["StringLike", "aws:RequestTag/a", ["x*", "?y"], [["x1"], ["ay"]], [["y"], ["1x"], []]],
    ["StringNotLike", "aws:RequestTag/a", ["x*"], [["y"], []], [["x1"]]],
    ["StringLike", "aws:RequestTag/a", ["a.c"], [["a.c"]], [["abc"]]],
    ["Null", "aws:RequestTag/a", ["true"], [[]], [["x"]]],
    ["Null", "aws:TagKeys", ["false"], [["x", "y"]], [[]]],
    ["Bool", "aws:ViaAWSService", ["false"], [["false"]], [["true"], []]],
    [
      "ArnLike",
      "aws:PrincipalArn",
      ["arn:aws:iam::*:user/s*"],
      [["arn:aws:iam::1:user/sx"]],
      [["arn:aws:iam::1:role/s"], []],
    ],
    ["StringEqualsIfExists", "aws:RequestTag/a", ["x"], [["x"], []], [["y"]]],
    ["StringNotEqualsIfExists", "aws:RequestTag/a", ["x"], [["y"], []], [["x"]]],
    ["StringLikeIfExists", "aws:RequestTag/a", ["x*"], [["x1"], []], [["y"]]],
    ["StringNotLikeIfExists", "aws:RequestTag/a", ["x*"], [["y"], []], [["x1"]]],
    ["BoolIfExists", "aws:ViaAWSService", ["true"], [["true"], []], [["false"]]],
    [
      "ArnLikeIfExists",
      "aws:PrincipalArn",
      ["arn:aws:iam::1:user/*"],
      [["arn:aws:iam::1:user/s"], []],
      [["arn:aws:iam::2:user/s"]],
    ],
    ["ForAllValues:StringEquals", "aws:TagKeys", ["x", "y"], [["x"], ["x", "y"], []], [["x", "z"]]],
    ["ForAnyValue:StringEquals", "aws:TagKeys", ["x", "y"], [["x", "z"]], [["z"], []]],
    ["ForAllValues:StringLike", "aws:TagKeys", ["x*"], [["x1", "x2"], []], [["x1", "y"]]],
    ["ForAnyValue:StringLike", "aws:TagKeys", ["x*"], [["x1", "y"]], [["y"], []]],
    ["ForAnyValue:StringEqualsIfExists", "aws:TagKeys", ["x"], [["x"], []], [["y"]]],
  ];
  for (const [operator, key, wanted, holding, failing] of conditions)
    it(`compare by ${operator} on ${key}`, () => {
      const result = (values: string[]) =>
        verdict([allow("*", { [operator]: { [key]: wanted } })], values.length > 0 ? { [key]: values } : {});
      for (const values of holding) assert.equal(result(values), "allowed", JSON.stringify(values));
      for (const values of failing) assert.equal(result(values), "implicit-deny", JSON.stringify(values));
    });

  it("ask for all keys of all operators, by names and tag keys in any case", () => {
    const both = [allow("*", { StringEquals: { "AWS:requesttag/A": "1", "ec2:region": REGION } })];
    assert.equal(verdict(both, { "aws:RequestTag/A": ["1"], "ec2:Region": [REGION] }), "allowed");
    assert.equal(verdict(both, { "aws:RequestTag/A": ["1"] }), "implicit-deny");
    assert.equal(verdict(both, { "aws:RequestTag/a": ["1"], "ec2:Region": [REGION] }), "allowed");
  });

  it("take nothing that they do not understand", () => {
    const refused: [object, RegExp][] = [
      [policy({ Effect: "Allow", NotAction: "ec2:*", Resource: "*" }), /NotAction/],
      [policy({ Effect: "Allow", Action: "ec2:*", NotResource: "*" }), /NotResource/],
      [policy({ ...allow("*"), Principal: "*" }), /Principal/],
      [{ Version: "2008-10-17", Statement: [allow("*")] }, /Version/],
      [policy(), /Statement/],
      [policy(allow("RunInstances")), /not an action: RunInstances/],
      [policy(allow("*", undefined, "instance/*")), /instance\/\*/],
      [policy(allow("*", undefined, `${of("instance")}\${aws:username}`)), /policy variables/],
      [policy(allow("*", { DateLessThan: { "aws:CurrentTime": "x" } })), /operator DateLessThan/],
      [
        policy(allow("*", { "ForAllValues:StringNotEquals": { "aws:TagKeys": "x" } })),
        /operator ForAllValues:StringNotEquals/,
      ],
      [policy(allow("*", { NullIfExists: { "aws:TagKeys": "true" } })), /IfExists/],
      [policy(allow("*", { Null: { "aws:TagKeys": "maybe" } })), /true or false/],
      [policy(allow("*", { StringEquals: { "ec2:Vpc": "x" } })), /ec2:vpc/],
      [policy(allow("*", { StringEquals: { "aws:RequestTag/": "x" } })), /aws:requesttag/],
      [policy(allow("*", { StringEquals: { "aws:TagKeys": "x" } })), /ForAnyValue/],
    ];
    for (const [value, reason] of refused) assert.throws(() => parsePolicies(value), reason);
    assert.equal(parsePolicies([]).documents.length, 0);
    assert.equal(parsePolicies(null).documents.length, 0);
    assert.equal(parsePolicies(policy(allow("*"))).documents.length, 1);
  });

  it("know an administrator of each account", () => {
    assert.deepEqual(
      ["sandbox", "sandbox-admin", "sandbox-000000000001", "sandbox-000000000001-admin", "sandbox-admin-admin"].map(
        accountOfKey,
      ),
      ["123456789012", "123456789012", "000000000001", "000000000001", undefined],
    );
    assert.equal(administratorKeyOf("000000000001"), "sandbox-000000000001-admin");
    assert.deepEqual(["sandbox", "sandbox-admin", "x-admin"].map(isAdministrator), [false, true, false]);
  });

  describe("what a call is authorized against", () => {
    const against = async (action: string, params = {}, script: Script = {}, service = "ec2") =>
      (await subjectsOf(callOf(action, params, service), scriptedCloud(script).cloud)).map(
        ({ action: what, resource }) => `${what} ${resource}`,
      );
    const cases: [string, Record<string, string>, string[], Script?][] = [
      ["DescribeInstances", {}, ["*"]],
      ["CreateSubnet", { VpcId: "vpc-1" }, [of("subnet"), of("vpc", "vpc-1")]],
      ["CreateSecurityGroup", {}, [of("security-group")]],
      [
        "TerminateInstances",
        { "InstanceId.1": "i-1", "InstanceId.2": "i-2" },
        [of("instance", "i-1"), of("instance", "i-2")],
      ],
      [
        "AttachInternetGateway",
        { InternetGatewayId: "igw-1", VpcId: "vpc-1" },
        [of("internet-gateway", "igw-1"), of("vpc", "vpc-1")],
      ],
      [
        "CreateTags",
        { "ResourceId.1": "vol-1", "ResourceId.2": "ami-1", "ResourceId.3": "sgr-1" },
        [of("volume", "vol-1"), `arn:aws:ec2:${REGION}::image/ami-1`, of("security-group-rule", "sgr-1")],
      ],
      [
        "DisassociateRouteTable",
        { AssociationId: "rtbassoc-1" },
        [of("route-table", "rtb-1"), of("subnet", "subnet-1")],
        {
          DescribeRouteTables: {
            routeTableSet: list({
              routeTableId: "rtb-1",
              associationSet: list({ routeTableAssociationId: "rtbassoc-1", subnetId: "subnet-1" }),
            }),
          },
        },
      ],
      ["DisassociateRouteTable", { AssociationId: "rtbassoc-1" }, [of("route-table"), of("subnet")]],
      [
        "DeleteKeyPair",
        { KeyPairId: "key-1" },
        [of("key-pair", "mine")],
        { DescribeKeyPairs: { keySet: list({ keyPairId: "key-1", keyName: "mine" }) } },
      ],
    ];
    for (const [action, params, resources, script] of cases)
      it(`${action} ${JSON.stringify(params)}`, async () => {
        assert.deepEqual(
          await against(action, params, script),
          resources.map((resource) => `ec2:${action} ${resource}`),
        );
      });

    it("a launch, with all that it makes, uses, tags and passes on", async () => {
      const launch = {
        ImageId: "ami-1",
        KeyName: "mine",
        "NetworkInterface.1.SubnetId": "subnet-1",
        "NetworkInterface.1.SecurityGroupId.1": "sg-1",
        "IamInstanceProfile.Name": "profile",
        ...tagging(1, "instance", "a", "1"),
        ...tagging(2, "spot-instances-request", "a", "1"),
      };
      const script: Script = {
        GetInstanceProfile: {
          GetInstanceProfileResult: {
            InstanceProfile: { Roles: { member: { Arn: "arn:aws:iam::123456789012:role/its" } } },
          },
        },
      };
      const run = (resource: string) => `ec2:RunInstances ${resource}`;
      assert.deepEqual(await against("RunInstances", launch, script), [
        ...["instance", "network-interface", "volume", "spot-instances-request"].map((type) => run(of(type))),
        run(`arn:aws:ec2:${REGION}::image/ami-1`),
        run(of("subnet", "subnet-1")),
        run(of("security-group", "sg-1")),
        run(of("key-pair", "mine")),
        `ec2:CreateTags ${of("instance")}`,
        `ec2:CreateTags ${of("spot-instances-request")}`,
        "iam:PassRole arn:aws:iam::123456789012:role/its",
      ]);
      assert.deepEqual(await against("RunInstances", { ImageId: "ami-1" }), [
        ...["instance", "network-interface", "volume"].map((type) => run(of(type))),
        run(`arn:aws:ec2:${REGION}::image/ami-1`),
        run(of("subnet")),
        run(of("security-group")),
      ]);
    });

    it("the other services", async () => {
      assert.deepEqual(await against("GetCallerIdentity", {}, {}, "sts"), []);
      assert.deepEqual(await against("GetParameter", { Name: "/aws/service/x" }, {}, "ssm"), [
        `ssm:GetParameter arn:aws:ssm:${REGION}::parameter/aws/service/x`,
      ]);
      assert.deepEqual(await against("GetParameter", { Name: "x" }, {}, "ssm"), [
        `ssm:GetParameter arn:aws:ssm:${REGION}:123456789012:parameter/x`,
      ]);
      assert.deepEqual(
        await against("GetServiceQuota", { ServiceCode: "ec2", QuotaCode: "L-1" }, {}, "servicequotas"),
        [`servicequotas:GetServiceQuota arn:aws:servicequotas:${REGION}:123456789012:ec2/L-1`],
      );
      assert.deepEqual(await against("GetInstanceProfile", { InstanceProfileName: "p" }, {}, "iam"), [
        "iam:GetInstanceProfile arn:aws:iam::123456789012:instance-profile/p",
      ]);
    });

    it("nothing known: an action, an id, a launch template", async () => {
      await assert.rejects(
        against("EnableVpcClassicLink"),
        /does not know what AWS authorizes ec2:EnableVpcClassicLink/,
      );
      await assert.rejects(against("GetManagedPrefixListEntries"), /does not know/);
      await assert.rejects(against("CreateTags", { "ResourceId.1": "what-1" }), /does not know/);
      await assert.rejects(against("RunInstances", { "LaunchTemplate.LaunchTemplateId": "lt-1" }), /does not know/);
      await assert.rejects(against("PutParameter", {}, {}, "ssm"), /does not know/);
    });

    it("request tags, which belong to what gets them alone", async () => {
      const { cloud } = scriptedCloud({});
      const create = callOf("CreateSubnet", { VpcId: "vpc-1", ...tagging(1, "subnet", "a", "1") });
      const [subnet, vpc, tagged] = await subjectsOf(create, cloud);
      for (const { keys } of [subnet!, tagged!])
        assert.deepEqual([keys.get("aws:RequestTag/a"), keys.get("aws:TagKeys")], [["1"], ["a"]]);
      assert.deepEqual([vpc!.keys.has("aws:RequestTag/a"), vpc!.keys.has("aws:TagKeys")], [false, false]);
      assert.equal(subnet!.keys.has("ec2:CreateAction"), false);
      assert.deepEqual(tagged!.keys.get("ec2:CreateAction"), ["CreateSubnet"]);
      assert.deepEqual(subnet!.keys.get("aws:RequestedRegion"), [REGION]);
      const launch = { InstanceType: "t3.micro", "InstanceMarketOptions.MarketType": "spot" };
      const [instance, network] = await subjectsOf(callOf("RunInstances", launch), cloud);
      assert.deepEqual(instance!.keys.get("ec2:InstanceType"), ["t3.micro"]);
      assert.deepEqual(instance!.keys.get("ec2:InstanceMarketType"), ["spot"]);
      assert.equal(network!.keys.has("ec2:InstanceType"), false);
    });
  });

  describe("in force", () => {
    const judge = async (documents: object[], call: ReturnType<typeof callOf>, script: Script = {}) => {
      const { cloud, asked } = scriptedCloud(script);
      const refusal = await authorize(call, cloud, parsePolicies(documents)).then(
        () => undefined,
        (error: unknown) => {
          assert.ok(error instanceof AwsError, String(error));
          return error;
        },
      );
      return { refusal, asked };
    };
    const mine = policy(allow("ec2:DeleteVpc", { StringEquals: { "aws:ResourceTag/owner": "me" } }));
    const vpcOf = (owner: string): Script => ({
      DescribeVpcs: { vpcSet: list({ vpcId: "vpc-1" }) },
      DescribeTags: { tagSet: list({ key: "owner", value: owner }) },
    });
    const deleteVpc = callOf("DeleteVpc", { VpcId: "vpc-1" });

    it("look at the tags of what exists", async () => {
      assert.equal((await judge([mine], deleteVpc, vpcOf("me"))).refusal, undefined);
      assert.equal((await judge([mine], deleteVpc, vpcOf("you"))).refusal?.code, "UnauthorizedOperation");
      const stale = { ...vpcOf("me"), DescribeVpcs: { vpcSet: "" } };
      assert.equal((await judge([mine], deleteVpc, stale)).refusal?.code, "UnauthorizedOperation");
      const wild = callOf("DeleteVpc", { VpcId: "vpc-*" });
      assert.equal((await judge([mine], wild, vpcOf("me"))).refusal?.code, "UnauthorizedOperation");
    });

    it("look at none where no statement asks", async () => {
      assert.deepEqual(
        (await judge([mine, policy(allow("ec2:DeleteSubnet"))], callOf("DeleteSubnet", { SubnetId: "subnet-1" })))
          .asked,
        [],
      );
    });

    it("say what is refused, and why, in the words of the service", async () => {
      const { refusal } = await judge([mine], callOf("CreateVpc", { DryRun: "true" }));
      assert.equal(refusal?.status, 403);
      assert.equal(
        refusal.message,
        `You are not authorized to perform this operation. User: arn:aws:iam::123456789012:user/sandbox is not authorized to perform: ec2:CreateVpc on resource: ${of("vpc")} because no identity-based policy allows the ec2:CreateVpc action`,
      );
      const denied = await judge([policy(allow("*"), deny("ec2:CreateVpc"))], callOf("CreateVpc"));
      assert.match(denied.refusal?.message ?? "", /with an explicit deny in an identity-based policy$/);
      assert.equal(
        (await judge([mine], callOf("GetParameter", { Name: "x" }, "ssm"))).refusal?.code,
        "AccessDeniedException",
      );
      assert.equal((await judge([mine], callOf("GetInstanceProfile", {}, "iam"))).refusal?.code, "AccessDenied");
      const all = policy(allow("*"));
      assert.match(
        (await judge([all], callOf("EnableVpcClassicLink"))).refusal?.message ?? "",
        /sandbox does not know/,
      );
    });

    it("refuse tags on what is made unless CreateTags is allowed", async () => {
      const create = callOf("CreateVpc", tagging(1, "vpc", "owner", "me"));
      assert.match((await judge([policy(allow("ec2:CreateVpc"))], create)).refusal?.message ?? "", /ec2:CreateTags/);
      const both = (action: string) =>
        policy(
          allow("ec2:CreateVpc", { StringEquals: { "aws:RequestTag/owner": "me" } }),
          allow("ec2:CreateTags", { StringEquals: { "ec2:CreateAction": action } }),
        );
      assert.equal((await judge([both("CreateVpc")], create)).refusal, undefined);
      assert.match((await judge([both("CreateSubnet")], create)).refusal?.message ?? "", /ec2:CreateTags/);
    });

    it("bind no administrator, and nobody where there are none", async () => {
      const admin = callOf("CreateVpc", {}, "ec2", "sandbox-admin");
      assert.equal((await judge([mine], admin)).refusal, undefined);
      assert.equal((await judge([], callOf("CreateVpc"))).refusal, undefined);
      assert.equal((await judge([mine], callOf("GetCallerIdentity", {}, "sts"))).refusal, undefined);
    });
  });
});
