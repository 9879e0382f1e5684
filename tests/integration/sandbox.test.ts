import * as ec2 from "@aws-sdk/client-ec2";
import { GetParameterCommand, GetParametersCommand, SSMClient } from "@aws-sdk/client-ssm";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isSpotError } from "../../fleet/errors";
import { ensureSandbox, sandboxEnvironment, sandboxStatus, stopSandbox, type Sandbox } from "../../sandbox/control";
import { isInNetwork } from "../../sandbox/home/network";
import { isRunning, markOf } from "../../system/process";
import { homeFiles, type DaemonRecord, type SandboxRecord } from "../../sandbox/home/records";
import { readJson, writeJson } from "../../system/json-file";
import {
  chooseTestProvider,
  clientOf,
  control,
  FIRST_RUN_MS,
  HELD,
  newHome,
  removeSandbox,
  startSandbox,
  testCacheDir,
  until,
} from "../support/sandbox";
import { CleanUp } from "../support/clean-up";

const UBUNTU = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id";
const region = "us-west-2";

/** The AWS error code of a call that must fail. */
async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    return (error as Error).name;
  }
  throw new assert.AssertionError({ message: "the call was not refused" });
}

describe("the sandbox's AWS", function () {
  this.timeout(FIRST_RUN_MS);
  const cleanUp = new CleanUp();
  let home: string;
  let sandbox: Sandbox;
  let client: ec2.EC2Client;
  let image: string;

  before(async () => {
    home = newHome();
    cleanUp.defer(() => removeSandbox(home));
    ({ sandbox } = await startSandbox(home));
    client = new ec2.EC2Client(clientOf(sandbox));
    cleanUp.defer(() => client.destroy());
    const { Parameter } = await new SSMClient(clientOf(sandbox)).send(new GetParameterCommand({ Name: UBUNTU }));
    image = Parameter?.Value as string;
  });
  after(() => cleanUp.run());
  afterEach(async () => {
    await control(sandbox, "DELETE", "faults");
    await control(sandbox, "PUT", "limits", { enabled: false });
  });

  const launch = async (input: Partial<ec2.RunInstancesCommandInput> = {}): Promise<ec2.Instance> => {
    const all = {
      ImageId: image,
      InstanceType: "t3.medium",
      MinCount: 1,
      MaxCount: 1,
      InstanceMarketOptions: { MarketType: "spot" },
      ...input,
    } as ec2.RunInstancesCommandInput;
    return (await client.send(new ec2.RunInstancesCommand(all))).Instances?.[0] as ec2.Instance;
  };
  const describe1 = async (id: string): Promise<ec2.Instance> =>
    (await client.send(new ec2.DescribeInstancesCommand({ InstanceIds: [id] }))).Reservations?.[0]
      ?.Instances?.[0] as ec2.Instance;
  const terminate = async (id: string): Promise<void> => {
    await client.send(new ec2.TerminateInstancesCommand({ InstanceIds: [id] }));
    await until("terminated", async () => (await describe1(id)).State?.Name === "terminated");
  };
  const countInstances = async (): Promise<number> =>
    ((await client.send(new ec2.DescribeInstancesCommand({}))).Reservations ?? []).flatMap((r) => r.Instances ?? [])
      .length;

  it("answers GetCallerIdentity", async () => {
    const { Account } = await new STSClient(clientOf(sandbox)).send(new GetCallerIdentityCommand({}));
    assert.match(Account ?? "", /^\d{12}$/);
  });

  it("launches a spot instance with an address of its network and a spot request", async () => {
    const launched = await launch({
      TagSpecifications: [
        { ResourceType: "instance", Tags: [{ Key: "node", Value: "a" }] },
        { ResourceType: "spot-instances-request", Tags: [{ Key: "node", Value: "a" }] },
      ],
    });
    const id = launched.InstanceId as string;
    const seen = await describe1(id);
    assert.ok(isInNetwork(seen.PublicIpAddress as string, sandbox.network), seen.PublicIpAddress);
    assert.equal(launched.PublicIpAddress, seen.PublicIpAddress);
    assert.equal(seen.PublicDnsName, seen.PublicIpAddress);
    const byAddress = await client.send(
      new ec2.DescribeInstancesCommand({ Filters: [{ Name: "ip-address", Values: [seen.PublicIpAddress as string] }] }),
    );
    assert.equal(byAddress.Reservations?.[0]?.Instances?.[0]?.InstanceId, id);

    const request = async () =>
      (
        await client.send(
          new ec2.DescribeSpotInstanceRequestsCommand({
            SpotInstanceRequestIds: [seen.SpotInstanceRequestId as string],
          }),
        )
      ).SpotInstanceRequests?.[0];
    assert.deepEqual(
      [(await request())?.State, (await request())?.InstanceId, (await request())?.Tags],
      ["active", id, [{ Key: "node", Value: "a" }]],
    );
    await terminate(id);
    assert.deepEqual(
      [(await request())?.State, (await request())?.Status?.Code],
      ["closed", "instance-terminated-by-user"],
    );
  });

  it("answers what Terraform's provider sends with a launch and reads after it", async () => {
    const interfaces = [{ DeviceIndex: 0, AssociatePublicIpAddress: true }];
    const groups = (await client.send(new ec2.DescribeSecurityGroupsCommand({}))).SecurityGroups ?? [];
    const [group] = groups.map(({ GroupId }) => GroupId as string);
    const { Subnets } = await client.send(
      new ec2.DescribeSubnetsCommand({ Filters: [{ Name: "availability-zone", Values: [`${region}b`] }] }),
    );
    const launched = await launch({
      Placement: { AvailabilityZone: "" },
      NetworkInterfaces: interfaces.map((one) => ({
        ...one,
        SubnetId: Subnets?.[0]?.SubnetId as string,
        Groups: [group as string],
      })),
      InstanceMarketOptions: { MarketType: "spot", SpotOptions: { MaxPrice: "1" } },
      CreditSpecification: { CpuCredits: "standard" },
    });
    const id = launched.InstanceId as string;
    const { Placement, SecurityGroups, SpotInstanceRequestId } = await describe1(id);
    assert.equal(Placement?.AvailabilityZone, `${region}b`, "an empty zone is none: the subnet's");
    assert.deepEqual(
      SecurityGroups?.map(({ GroupId }) => GroupId),
      [group],
      "groups of its first interface",
    );
    const { SpotInstanceRequests } = await client.send(
      new ec2.DescribeSpotInstanceRequestsCommand({ SpotInstanceRequestIds: [SpotInstanceRequestId as string] }),
    );
    assert.equal(SpotInstanceRequests?.[0]?.SpotPrice, "1.000000", "six decimals");
    const credits = async (InstanceId: string) =>
      (await client.send(new ec2.DescribeInstanceCreditSpecificationsCommand({ InstanceIds: [InstanceId] })))
        .InstanceCreditSpecifications?.[0]?.CpuCredits;
    assert.equal(await credits(id), "standard");
    await client.send(
      new ec2.ModifyInstanceCreditSpecificationCommand({
        InstanceCreditSpecifications: [{ InstanceId: id, CpuCredits: "unlimited" }],
      }),
    );
    assert.equal(await credits(id), "unlimited");
    await terminate(id);

    const standing = (await launch({ InstanceMarketOptions: undefined, NetworkInterfaces: interfaces })).InstanceId!;
    assert.equal(await credits(standing), "unlimited", "what T3 is where nothing is said");
    assert.ok((await describe1(standing)).NetworkInterfaces?.[0]?.Association?.PublicIp);
    await client.send(new ec2.StopInstancesCommand({ InstanceIds: [standing] }));
    await until("stopped", async () => (await describe1(standing)).State?.Name === "stopped");
    const stopped = await describe1(standing);
    assert.deepEqual(
      [stopped.PublicIpAddress, stopped.NetworkInterfaces?.[0]?.Association],
      [undefined, undefined],
      "no association while it is stopped",
    );
    await terminate(standing);
  });

  it("leaves no interface and no volume behind a terminated instance", async () => {
    const launched = await launch({
      BlockDeviceMappings: [{ DeviceName: "/dev/sda1", Ebs: { VolumeSize: 20, VolumeType: "gp3", Encrypted: true } }],
    });
    const interfaces = async () =>
      (await client.send(new ec2.DescribeNetworkInterfacesCommand({}))).NetworkInterfaces?.length;
    const volumes = async () => (await client.send(new ec2.DescribeVolumesCommand({}))).Volumes?.length;
    assert.deepEqual([await interfaces(), await volumes()], [1, 1]);
    await terminate(launched.InstanceId as string);
    assert.deepEqual([await interfaces(), await volumes()], [0, 0]);
  });

  it("says in the console that no host is booted", async () => {
    const { InstanceId } = await launch();
    const { Output } = await client.send(new ec2.GetConsoleOutputCommand({ InstanceId }));
    assert.match(Buffer.from(Output ?? "", "base64").toString(), /nothing was booted/);
    await terminate(InstanceId as string);
  });

  describe("refuses what AWS refuses", () => {
    const userData = (bytes: number): string => Buffer.alloc(bytes, "x").toString("base64");
    const refusals: [string, Partial<ec2.RunInstancesCommandInput>, string][] = [
      ["user data of 16,385 bytes", { UserData: userData(16_385) }, "InvalidParameterValue"],
      ["an unknown image", { ImageId: "ami-00000000000000000" }, "InvalidAMIID.NotFound"],
      ["an unknown type", { InstanceType: "zz9.huge" as ec2._InstanceType }, "InvalidParameterValue"],
      ["a type of another architecture", { InstanceType: "t4g.medium" }, "InvalidParameterValue"],
      ["an unknown key pair", { KeyName: "nobody" }, "InvalidKeyPair.NotFound"],
      [
        "a price that is too low",
        { InstanceMarketOptions: { MarketType: "spot", SpotOptions: { MaxPrice: "0.000001" } } },
        "SpotMaxPriceTooLow",
      ],
      [
        "a persistent request that terminates",
        { InstanceMarketOptions: { MarketType: "spot", SpotOptions: { SpotInstanceType: "persistent" } } },
        "InvalidParameterCombination",
      ],
    ];
    for (const [what, input, code] of refusals) {
      it(what, async () => {
        const before = await countInstances();
        assert.equal(await codeOf(launch(input)), code);
        assert.equal(await countInstances(), before);
      });
    }

    it("and takes user data of 16,384 bytes", async () => {
      await terminate((await launch({ UserData: userData(16_384) })).InstanceId as string);
    });

    it("a type that the zone does not offer", async () => {
      const east = new ec2.EC2Client(clientOf(sandbox, "us-east-1"));
      const images = await east.send(
        new ec2.DescribeImagesCommand({
          Owners: ["136693071363"],
          Filters: [{ Name: "architecture", Values: ["x86_64"] }],
        }),
      );
      const input = {
        ImageId: images.Images?.[0]?.ImageId,
        InstanceType: "t3.medium",
        MinCount: 1,
        MaxCount: 1,
        Placement: { AvailabilityZone: "us-east-1e" },
      } as const;
      assert.equal(await codeOf(east.send(new ec2.RunInstancesCommand(input))), "Unsupported");
    });

    it("an image of another region", async () => {
      const other = new ec2.EC2Client(clientOf(sandbox, "eu-west-1"));
      assert.equal(
        await codeOf(
          other.send(
            new ec2.RunInstancesCommand({ ImageId: image, InstanceType: "t3.medium", MinCount: 1, MaxCount: 1 }),
          ),
        ),
        "InvalidAMIID.NotFound",
      );
    });

    it("a region that is not enabled, and one that does not exist", async () => {
      const ask = (name: string) =>
        codeOf(new ec2.EC2Client(clientOf(sandbox, name)).send(new ec2.DescribeVpcsCommand({})));
      assert.equal(await ask("me-south-1"), "AuthFailure");
      assert.equal(await ask("eu-nowhere-1"), "InvalidRegion");
      const usual = (await client.send(new ec2.DescribeRegionsCommand({}))).Regions?.map(
        ({ RegionName }) => RegionName,
      );
      const all = (await client.send(new ec2.DescribeRegionsCommand({ AllRegions: true }))).Regions;
      assert.ok(!usual?.includes("me-south-1"));
      assert.equal(all?.find(({ RegionName }) => RegionName === "me-south-1")?.OptInStatus, "not-opted-in");
    });

    it("a service that it does not have", async () => {
      const headers = {
        authorization: `AWS4-HMAC-SHA256 Credential=sandbox/20260101/${region}/s3/aws4_request, SignedHeaders=host, Signature=0`,
      };
      const response = await fetch(sandbox.endpoint, { method: "POST", headers });
      assert.deepEqual([response.status, /<Code>UnknownService</.test(await response.text())], [404, true]);
    });

    it("DryRun changes, which then do not happen", async () => {
      const vpcs = async () => (await client.send(new ec2.DescribeVpcsCommand({}))).Vpcs?.length;
      const before = await vpcs();
      assert.equal(
        await codeOf(client.send(new ec2.CreateVpcCommand({ CidrBlock: "10.9.0.0/16", DryRun: true }))),
        "DryRunOperation",
      );
      assert.equal(await codeOf(launch({ DryRun: true })), "DryRunOperation");
      assert.equal(await vpcs(), before);
    });

    it("taking a network apart in the wrong order, and allows the right one", async () => {
      const vpc = (await client.send(new ec2.CreateVpcCommand({ CidrBlock: "10.9.0.0/16" }))).Vpc?.VpcId as string;
      const subnet = (
        await client.send(
          new ec2.CreateSubnetCommand({ VpcId: vpc, CidrBlock: "10.9.0.0/24", AvailabilityZone: `${region}b` }),
        )
      ).Subnet?.SubnetId as string;
      await client.send(
        new ec2.ModifySubnetAttributeCommand({ SubnetId: subnet, MapPublicIpOnLaunch: { Value: true } }),
      );
      const gateway = (await client.send(new ec2.CreateInternetGatewayCommand({}))).InternetGateway
        ?.InternetGatewayId as string;
      await client.send(new ec2.AttachInternetGatewayCommand({ VpcId: vpc, InternetGatewayId: gateway }));
      const group = (
        await client.send(new ec2.CreateSecurityGroupCommand({ VpcId: vpc, GroupName: "g", Description: "d" }))
      ).GroupId as string;
      const instance = await launch({ SubnetId: subnet, SecurityGroupIds: [group] });
      assert.ok((await describe1(instance.InstanceId as string)).PublicIpAddress);

      const steps = {
        group: () => client.send(new ec2.DeleteSecurityGroupCommand({ GroupId: group })),
        subnet: () => client.send(new ec2.DeleteSubnetCommand({ SubnetId: subnet })),
        detach: () => client.send(new ec2.DetachInternetGatewayCommand({ VpcId: vpc, InternetGatewayId: gateway })),
        vpc: () => client.send(new ec2.DeleteVpcCommand({ VpcId: vpc })),
      };
      for (const step of Object.values(steps)) assert.equal(await codeOf(step()), "DependencyViolation");
      await terminate(instance.InstanceId as string);
      await steps.subnet();
      assert.equal(await codeOf(steps.vpc()), "DependencyViolation", "with gateway and group");
      await steps.detach();
      assert.equal(await codeOf(steps.vpc()), "DependencyViolation", "with group");
      await steps.group();
      await steps.vpc();
      await client.send(new ec2.DeleteInternetGatewayCommand({ InternetGatewayId: gateway }));
    });
  });

  describe("a client token", () => {
    it("launches once, also for two calls at once, and refuses another request", async () => {
      const before = await countInstances();
      const [one, two] = await Promise.all([launch({ ClientToken: "t-1" }), launch({ ClientToken: "t-1" })]);
      const three = await launch({ ClientToken: "t-1" });
      assert.deepEqual([two.InstanceId, three.InstanceId], [one.InstanceId, one.InstanceId]);
      assert.equal(
        await codeOf(launch({ ClientToken: "t-1", InstanceType: "t3.small" })),
        "IdempotentParameterMismatch",
      );
      assert.equal(await countInstances(), before + 1);
      await terminate(one.InstanceId as string);
    });

    it("is free again after a launch that was refused", async () => {
      assert.equal(await codeOf(launch({ ClientToken: "t-2", KeyName: "nobody" })), "InvalidKeyPair.NotFound");
      await terminate((await launch({ ClientToken: "t-2" })).InstanceId as string);
    });
  });

  it("knows images, parameters, prices and quotas", async () => {
    const images = await client.send(new ec2.DescribeImagesCommand({ ImageIds: [image] }));
    assert.deepEqual(
      [images.Images?.[0]?.OwnerId, images.Images?.[0]?.Architecture, images.Images?.[0]?.RootDeviceName],
      ["099720109477", "x86_64", "/dev/sda1"],
    );
    const amazon = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64";
    const parameters = await new SSMClient(clientOf(sandbox)).send(
      new GetParametersCommand({ Names: [UBUNTU, amazon, "/nobody"] }),
    );
    assert.deepEqual(parameters.Parameters?.map(({ Name }) => Name).sort(), [amazon, UBUNTU]);
    assert.deepEqual(parameters.InvalidParameters, ["/nobody"]);
    const prices = await client.send(
      new ec2.DescribeSpotPriceHistoryCommand({
        InstanceTypes: ["t3.medium"],
        ProductDescriptions: ["Linux/UNIX"],
        StartTime: new Date(),
      }),
    );
    assert.equal(prices.SpotPriceHistory?.length, 4);
    for (const { SpotPrice } of prices.SpotPriceHistory ?? [])
      assert.ok(Number(SpotPrice) > 0.01 && Number(SpotPrice) < 0.02, SpotPrice);
    const quota = await fetch(sandbox.endpoint, {
      method: "POST",
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=sandbox/20260101/${region}/servicequotas/aws4_request, SignedHeaders=host, Signature=0`,
        "x-amz-target": "ServiceQuotasV20190624.GetServiceQuota",
      },
      body: JSON.stringify({ ServiceCode: "ec2", QuotaCode: "L-34B43A08" }),
    });
    assert.equal(((await quota.json()) as { Quota: { Value: number } }).Quota.Value, 256);
  });

  describe("faults", () => {
    it("before: the call is refused and nothing happens", async () => {
      const before = await countInstances();
      await control(sandbox, "POST", "faults", {
        action: "RunInstances",
        availabilityZone: `${region}a`,
        times: 1,
        effect: { error: { code: "InsufficientInstanceCapacity", status: 500 } },
      });
      assert.equal(
        await codeOf(launch({ Placement: { AvailabilityZone: `${region}a` } })),
        "InsufficientInstanceCapacity",
      );
      assert.equal(await countInstances(), before);
      const elsewhere = await launch({ Placement: { AvailabilityZone: `${region}b` } });
      await terminate(elsewhere.InstanceId as string);
    });

    it("after: the launch happens and its answer is lost; the token finds it again", async () => {
      const before = await countInstances();
      await control(sandbox, "POST", "faults", {
        action: "RunInstances",
        when: "after",
        nth: 1,
        effect: { drop: true },
      });
      await assert.rejects(launch({ ClientToken: "lost" }), /socket hang up|ECONNRESET/);
      assert.equal(await countInstances(), before + 1);
      const found = await launch({ ClientToken: "lost" });
      assert.equal(await countInstances(), before + 1);
      await terminate(found.InstanceId as string);
    });

    it("hold a call until they are taken away", async () => {
      await control(sandbox, "POST", "faults", { action: "DescribeVpcs", effect: HELD });
      const call = client.send(new ec2.DescribeVpcsCommand({}));
      await until("it is held", async () => (await control<{ hit: number }[]>(sandbox, "GET", "faults"))[0]?.hit === 1);
      await control(sandbox, "DELETE", "faults");
      assert.equal((await call).Vpcs?.length, 1);
    });

    it("are refused with the reason when they are wrong", async () => {
      await assert.rejects(
        control(sandbox, "POST", "faults", { action: "RunInstances", effect: { drop: false } }),
        /effect/,
      );
      assert.deepEqual(await control(sandbox, "GET", "faults"), []);
    });
  });

  it("limits rates when it is told to", async () => {
    await control(sandbox, "PUT", "limits", { enabled: true });
    // Many more than there is room for: on a busy machine the bucket fills up again while they arrive.
    const codes = await Promise.all(
      Array.from({ length: 60 }, () =>
        launch({ DryRun: true }).then(
          () => "launched",
          (error: unknown) => (error as Error).name,
        ),
      ),
    );
    assert.ok(codes.filter((code) => code === "RequestLimitExceeded").length >= 5, codes.join());
    assert.ok(codes.filter((code) => code === "DryRunOperation").length >= 5, codes.join());
  });

  it("counts calls by region and action", async () => {
    await control(sandbox, "DELETE", "calls");
    await client.send(new ec2.DescribeVpcsCommand({}));
    await client.send(new ec2.DescribeVpcsCommand({}));
    await new ec2.EC2Client(clientOf(sandbox, "eu-west-1")).send(new ec2.DescribeSubnetsCommand({}));
    assert.deepEqual(await control(sandbox, "GET", "calls"), {
      [region]: { DescribeVpcs: 2 },
      "eu-west-1": { DescribeSubnets: 1 },
    });
  });

  it("takes a spot instance back after an interruption notice", async () => {
    const { InstanceId } = await launch({
      TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "node", Value: "z" }] }],
    });
    await control(sandbox, "POST", "notices", { instanceId: InstanceId, kind: "interruption", seconds: 0 });
    await until(
      "interrupted",
      async () => (await describe1(InstanceId as string)).StateReason?.Code === "Server.SpotInstanceTermination",
    );
    const [listed] = (await control<{ id: string; state: string; tags: object }[]>(sandbox, "GET", "instances")).filter(
      ({ id }) => id === InstanceId,
    );
    assert.deepEqual([listed?.state, listed?.tags], ["terminated", { node: "z" }]);
  });

  it("is as new after a reset, in every account, and nothing of a call that was under way appears in it", async () => {
    const stranger = new ec2.EC2Client({
      ...clientOf(sandbox),
      credentials: { accessKeyId: "sandbox-210987654321", secretAccessKey: "sandbox" },
    });
    const vpcs = async (of: ec2.EC2Client) =>
      ((await of.send(new ec2.DescribeVpcsCommand({}))).Vpcs ?? []).map(({ IsDefault }) => IsDefault);
    const { InstanceId } = await launch();
    await stranger.send(new ec2.CreateVpcCommand({ CidrBlock: "10.9.0.0/16" }));
    await control(sandbox, "PUT", "quotas", { code: "L-34B43A08", value: 0 });
    await control(sandbox, "PUT", "timings", { newIdUnknownMs: 3_600_000 });
    await control(sandbox, "POST", "faults", { action: "CreateVpc", effect: HELD });
    const held = client.send(new ec2.CreateVpcCommand({ CidrBlock: "10.8.0.0/16" }));
    await until("it is held", async () => (await control<{ hit: number }[]>(sandbox, "GET", "faults"))[0]?.hit === 1);

    await control(sandbox, "POST", "reset");
    assert.ok((await held).Vpc?.VpcId, "it was let go, and carried out before");
    assert.deepEqual(
      [
        await control(sandbox, "GET", "faults"),
        await control(sandbox, "GET", "calls"),
        await control(sandbox, "GET", "instances"),
      ],
      [[], {}, []],
    );
    assert.equal((await sandboxStatus(home))?.instances, 0);
    assert.deepEqual([await vpcs(client), await vpcs(stranger)], [[true], [true]]);
    assert.equal(await codeOf(describe1(InstanceId!)), "InvalidInstanceID.NotFound");
    const again = await launch();
    assert.equal((await describe1(again.InstanceId!)).State?.Name, "running");
    await terminate(again.InstanceId!);
    stranger.destroy();
  });

  it("gives children its endpoint and nothing of the user's AWS", () => {
    const environment = sandboxEnvironment(sandbox);
    assert.equal(environment["AWS_ENDPOINT_URL"], sandbox.endpoint);
    assert.deepEqual(
      [environment["AWS_PROFILE"], environment["AWS_SESSION_TOKEN"], environment["AWS_CONFIG_FILE"]],
      [undefined, undefined, "/dev/null"],
    );
    assert.ok(!("PATH" in environment));
  });
});

describe("the sandbox's life", function () {
  this.timeout(FIRST_RUN_MS);
  const homes: string[] = [];
  const home = (): string => {
    const made = newHome();
    homes.push(made);
    return made;
  };
  afterEach(async () => {
    for (const made of homes.splice(0)) await removeSandbox(made);
  });
  const recordOf = (of: string): DaemonRecord => readJson(homeFiles(of).daemon) as DaemonRecord;

  it("starts once for two commands at once, and is found by a third", async () => {
    const at = home();
    const both = await Promise.all([startSandbox(at), startSandbox(at)]);
    assert.deepEqual(both.map(({ fresh }) => fresh).sort(), [false, true]);
    assert.equal(both[0].sandbox.pid, both[1].sandbox.pid);
    assert.equal((await startSandbox(at)).fresh, false);
    assert.equal((await sandboxStatus(at))?.instances, 0);
  });

  it("keeps its endpoint over a stop, leaves no process, and starts empty", async () => {
    const at = home();
    const first = await startSandbox(at);
    const record = recordOf(at);
    await new ec2.EC2Client(clientOf(first.sandbox)).send(new ec2.CreateVpcCommand({ CidrBlock: "10.9.0.0/16" }));
    assert.deepEqual(await stopSandbox(at), { stopped: true });
    assert.deepEqual([isRunning(record), isRunning(record.moto)], [false, false]);
    assert.equal(await sandboxStatus(at), undefined);
    assert.deepEqual(readdirSync(at).sort(), ["daemon.log", "sandbox.json"]);
    assert.deepEqual(await stopSandbox(at), { stopped: false });
    const again = await startSandbox(at);
    assert.deepEqual([again.fresh, again.reason, again.sandbox.endpoint], [true, undefined, first.sandbox.endpoint]);
    const vpcs = await new ec2.EC2Client(clientOf(again.sandbox)).send(new ec2.DescribeVpcsCommand({}));
    assert.equal(vpcs.Vpcs?.length, 1);
  });

  it("is made anew after its process was killed, with no moto left over", async () => {
    const at = home();
    const first = await startSandbox(at);
    const record = recordOf(at);
    process.kill(record.pid, "SIGKILL");
    await until("moto ends by itself", () => !isRunning(record.moto));
    const again = await startSandbox(at);
    assert.equal(again.fresh, true);
    assert.match(again.reason ?? "", /killed/);
    assert.equal(again.sandbox.endpoint, first.sandbox.endpoint);
  });

  it("gives its network back when it is stopped after it was killed", async () => {
    const at = home();
    const { sandbox } = await startSandbox(at);
    const claims = (): string[] =>
      readdirSync("/var/tmp/spot-deployer-networks").filter((file) => file === sandbox.network.replace("/", "_"));
    assert.equal(claims().length, 1);
    process.kill(sandbox.pid, "SIGKILL");
    await until("the daemon is dead", () => !isRunning(recordOf(at)));
    assert.deepEqual(await stopSandbox(at), { stopped: true });
    assert.deepEqual(claims(), []);
  });

  it("ends when its moto dies, and tells the next start why", async () => {
    const at = home();
    await startSandbox(at);
    const record = recordOf(at);
    process.kill(record.moto.pid, "SIGKILL");
    await until("the daemon ends", () => !isRunning(record));
    const again = await startSandbox(at);
    assert.equal(again.fresh, true);
    assert.match(again.reason ?? "", /moto.* SIGKILL/);
  });

  it("ends an orphaned moto that did not end by itself", async () => {
    const at = home();
    await startSandbox(at);
    const record = recordOf(at);
    process.kill(record.moto.pid, "SIGSTOP");
    process.kill(record.pid, "SIGKILL");
    await until("the daemon is dead", () => !isRunning(record));
    assert.equal(isRunning(record.moto), true);
    await startSandbox(at);
    assert.equal(isRunning(record.moto), false);
  });

  it("does not take a stranger with a reused process id for its own, nor end it", async () => {
    const at = home();
    const self = markOf(process.pid) as { pid: number; started: string };
    const stranger = { pid: self.pid, started: "1" };
    writeJson(homeFiles(at).daemon, {
      ...stranger,
      port: 1,
      network: "198.19.0.0/22",
      mode: "api",
      startedAt: "",
      moto: stranger,
    } satisfies DaemonRecord);
    assert.equal(await sandboxStatus(at), undefined);
    const { fresh, sandbox } = await startSandbox(at);
    assert.equal(fresh, true);
    assert.notEqual(sandbox.pid, self.pid);
  });

  it("names the port when another program took it, and leaves nothing running", async () => {
    const at = home();
    const thief: Server = createServer();
    await new Promise<void>((resolve) => thief.listen(0, "127.0.0.1", resolve));
    const { port } = thief.address() as { port: number };
    try {
      writeJson(homeFiles(at).sandbox, { id: "x", port } satisfies SandboxRecord);
      await assert.rejects(
        startSandbox(at),
        (error) => isSpotError(error) && error.code === "E_SANDBOX_PORT" && error.message.includes(String(port)),
      );
      assert.deepEqual(readdirSync(at).sort(), ["daemon.log", "sandbox.json"]);
    } finally {
      thief.close();
    }
    assert.equal((await startSandbox(at)).sandbox.endpoint, `http://127.0.0.1:${port}`);
  });

  it("lives beside another one, with another port and network", async () => {
    const [one, two] = await Promise.all([startSandbox(home()), startSandbox(home())]);
    assert.notEqual(one.sandbox.endpoint, two.sandbox.endpoint);
    assert.notEqual(one.sandbox.network, two.sandbox.network);
    await stopSandbox(one.sandbox.home);
    assert.equal((await sandboxStatus(two.sandbox.home))?.pid, two.sandbox.pid);
  });

  it("refuses another mode than the one that runs, and says how to stop it", async () => {
    const at = home();
    await startSandbox(at);
    await assert.rejects(
      startSandbox(at, "hosts"),
      (error) => isSpotError(error) && error.code === "E_SANDBOX_SETUP" && error.next.includes("down"),
    );
  });

  it("begins with the faults of faults.json, and refuses a wrong file by name", async () => {
    const at = home();
    const file = homeFiles(at).faults;
    writeFileSync(
      file,
      JSON.stringify([{ action: "DescribeVpcs", effect: { error: { code: "RequestLimitExceeded", status: 503 } } }]),
    );
    const { sandbox } = await startSandbox(at);
    assert.equal(
      await codeOf(new ec2.EC2Client(clientOf(sandbox)).send(new ec2.DescribeVpcsCommand({}))),
      "RequestLimitExceeded",
    );
    await stopSandbox(at);
    writeFileSync(file, '[{"action": 1}]');
    await assert.rejects(
      startSandbox(at),
      (error) => isSpotError(error) && error.code === "E_SANDBOX_SETUP" && error.message.includes(file),
    );
  });

  it("begins with the policies of policy.json, goes back to them, and refuses a wrong file by name", async () => {
    const at = home();
    const file = homeFiles(at).policy;
    const Statement = [{ Effect: "Allow", Action: "ec2:DescribeVpcs", Resource: "*" }];
    writeFileSync(file, JSON.stringify({ Version: "2012-10-17", Statement }));
    const { sandbox } = await startSandbox(at);
    const operator = new ec2.EC2Client({
      ...clientOf(sandbox),
      credentials: { accessKeyId: "sandbox", secretAccessKey: "sandbox" },
    });
    const refused = () => codeOf(operator.send(new ec2.DescribeSubnetsCommand({})));
    await operator.send(new ec2.DescribeVpcsCommand({}));
    assert.equal(await refused(), "UnauthorizedOperation");
    await control(sandbox, "PUT", "policy", { documents: [] });
    await operator.send(new ec2.DescribeSubnetsCommand({}));
    await control(sandbox, "POST", "reset");
    assert.equal(await refused(), "UnauthorizedOperation");
    operator.destroy();
    await stopSandbox(at);
    writeFileSync(
      file,
      '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": "*", "Resource": "*"}]}',
    );
    await assert.rejects(
      startSandbox(at),
      (error) => isSpotError(error) && error.code === "E_SANDBOX_SETUP" && error.message.includes(file),
    );
  });

  it("is not set up when the installation is declined", async () => {
    const empty = mkdtempSync(join(tmpdir(), "spot-cache-"));
    try {
      let asked: string[] = [];
      const declined = ensureSandbox({
        home: home(),
        cacheDir: empty,
        mode: "api",
        chooseProvider: chooseTestProvider,
        report: () => undefined,
        confirmInstall: (what) => ((asked = what), Promise.resolve(false)),
      });
      await assert.rejects(declined, (error) => isSpotError(error) && error.code === "E_DECLINED");
      assert.match(asked.join(), /moto/);
    } finally {
      rmSync(empty, { recursive: true, force: true });
    }
  });

  it("uses the shared cache", () => assert.ok(readdirSync(join(testCacheDir, "moto")).length > 0));
});
