import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  CreateKeyPairCommand,
  CreateSecurityGroupCommand,
  DescribeImagesCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstanceCreditSpecificationsCommand,
  DescribeInstancesCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSpotInstanceRequestsCommand,
  DescribeVolumesCommand,
  DescribeVpcsCommand,
  EC2Client,
  type Instance,
} from "@aws-sdk/client-ec2";
import { clientOf, FIRST_RUN_MS } from "../support/sandbox";
import { Workbench, type Outcome } from "../support/workbench";
import { makeInstanceProfile } from "../support/instance-profile";

const REGION = "us-west-2";

/** What a configuration says, seen by an independent look at the emulated AWS. tests/support/effects.ts is the register. */
describe("keys of config.yaml", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  let stacks: string[];
  let ec2: EC2Client | undefined;
  beforeEach(() => {
    bench = new Workbench();
    stacks = [];
  });
  afterEach(async () => {
    ec2?.destroy();
    ec2 = undefined;
    for (const stack of stacks) rmSync(path.join(bench.root, `Pulumi.${stack}.yaml`), { force: true });
    await bench[Symbol.asyncDispose]();
  });

  /** Runs a command on the stack that the configuration names. */
  async function spot(...args: string[]): Promise<Outcome> {
    return bench.start([args[0]!, "--sandbox=api", "--config", bench.configFile, ...args.slice(1)], { plain: true })
      .done;
  }
  const configure = (lines: string[], stack = `${bench.stack}-${stacks.length}`): string => {
    stacks.push(stack);
    writeFileSync(bench.configFile, [`stack: ${stack}`, ...lines, ""].join("\n"));
    return stack;
  };
  const client = async (region = REGION): Promise<EC2Client> =>
    (ec2 ??= new EC2Client(clientOf(await bench.sandbox(), region)));
  async function instances(): Promise<Instance[]> {
    const { Reservations } = await (await client()).send(
      new DescribeInstancesCommand({ Filters: [{ Name: "instance-state-name", Values: ["running"] }] }),
    );
    return (Reservations ?? []).flatMap(({ Instances }) => Instances ?? []);
  }
  const groupsOf = ({ NetworkInterfaces }: Instance): string[] =>
    (NetworkInterfaces ?? []).flatMap(({ Groups }) => (Groups ?? []).map(({ GroupId }) => GroupId!));
  async function userData(InstanceId: string): Promise<string> {
    const { UserData } = await (await client()).send(
      new DescribeInstanceAttributeCommand({ InstanceId, Attribute: "userData" }),
    );
    return Buffer.from(UserData?.Value ?? "", "base64").toString();
  }

  it("of a spot fleet in networks of its own reach AWS", async () => {
    const [key, other] = ["key", "other.pub"].map((name) => path.join(bench.dir, name)) as [string, string];
    assert.equal(spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]).status, 0);
    writeFileSync(other, readFileSync(`${key}.pub`));
    const stack = configure([
      "network: create",
      "ssh: {allow: [198.51.100.0/24]}",
      "packages: [jq]",
      "market: spot",
      "max_price: 0.0399",
      `aws: {total_instances: 3, username: gardener, private_ssh_key_path: ${key}, public_ssh_key_path: ${other}, instance_storage_gb: 33, tags: {Team: night}}`,
      "regions:",
      `  - ${REGION}: {machine_type: [t3a.medium, t3.medium], image: ubuntu-22.04, instances_per_region: 2}`,
      "  - us-east-1:",
    ]);
    const up = await spot("up");
    assert.equal(up.code, 9, up.stdout + up.stderr);
    const found = await instances();
    assert.equal(found.length, 2, "instances_per_region, and what is left of total_instances elsewhere");
    assert.match(up.stdout, /^us-east-1-0 /m);
    const aws = await client();
    for (const { InstanceId, InstanceType, InstanceLifecycle, ImageId, Tags, VpcId, NetworkInterfaces } of found) {
      assert.deepEqual([InstanceType, InstanceLifecycle], ["t3a.medium", "spot"]);
      const { Images } = await aws.send(new DescribeImagesCommand({ ImageIds: [ImageId!] }));
      assert.match(Images?.[0]?.Name ?? "", /22\.04/);
      assert.ok(Tags?.some(({ Key, Value }) => Key === "Team" && Value === "night"));
      assert.ok(
        Tags?.some(({ Value }) => Value === stack),
        "stack",
      );
      const text = await userData(InstanceId!);
      for (const part of ["gardener", "jq", readFileSync(other, "utf8").split(" ")[1]!])
        assert.ok(text.includes(part), part);
      const { Volumes } = await aws.send(
        new DescribeVolumesCommand({ Filters: [{ Name: "attachment.instance-id", Values: [InstanceId!] }] }),
      );
      assert.equal(Volumes?.[0]?.Size, 33);
      const { Vpcs } = await aws.send(new DescribeVpcsCommand({ VpcIds: [VpcId!] }));
      assert.equal(Vpcs?.[0]?.IsDefault, false, "network: create");
      const { SecurityGroupRules } = await aws.send(
        new DescribeSecurityGroupRulesCommand({
          Filters: [{ Name: "group-id", Values: groupsOf({ NetworkInterfaces }) }],
        }),
      );
      assert.deepEqual(
        SecurityGroupRules?.filter(({ IsEgress }) => !IsEgress).map(({ CidrIpv4 }) => CidrIpv4),
        ["198.51.100.0/24"],
        "allow",
      );
    }
    const { SpotInstanceRequests } = await aws.send(new DescribeSpotInstanceRequestsCommand({}));
    assert.deepEqual(
      [...new Set(SpotInstanceRequests?.map(({ SpotPrice }) => Number(SpotPrice)))],
      [0.0399],
      "max_price",
    );
  });

  it("of an on-demand fleet in a network that is there reach AWS", async () => {
    configure(["regions:", `  - ${REGION}:`]);
    assert.equal((await spot("preview")).code, 0, "starts the sandbox");
    const aws = await client();
    await aws.send(new CreateKeyPairCommand({ KeyName: "mine" }));
    const { Vpcs } = await aws.send(new DescribeVpcsCommand({ Filters: [{ Name: "is-default", Values: ["true"] }] }));
    const { GroupId } = await aws.send(
      new CreateSecurityGroupCommand({ GroupName: "monitoring", Description: "of the user's", VpcId: Vpcs![0]!.VpcId }),
    );
    await makeInstanceProfile(await bench.sandbox(), "nodes");
    configure([
      "network: default",
      "market: on-demand",
      "aws: {ssh_key_name: mine, cpu_credits: unlimited, security_groups: [monitoring], iam_instance_profile: nodes}",
      "regions:",
      `  - ${REGION}:`,
    ]);
    const up = await spot("up");
    assert.equal(up.code, 9, up.stdout + up.stderr);
    const [node] = await instances();
    assert.ok(node);
    assert.equal(node.VpcId, Vpcs![0]!.VpcId, "network: default");
    assert.equal(node.InstanceLifecycle, undefined, "market: on-demand");
    assert.equal(node.KeyName, "mine", "ssh_key_name");
    assert.ok(groupsOf(node).includes(GroupId!), "security_groups");
    const { InstanceCreditSpecifications } = await aws.send(
      new DescribeInstanceCreditSpecificationsCommand({ InstanceIds: [node.InstanceId!] }),
    );
    assert.equal(InstanceCreditSpecifications?.[0]?.CpuCredits, "unlimited", "cpu_credits");
    assert.match(node.IamInstanceProfile?.Arn ?? "", /instance-profile\/nodes$/, "iam_instance_profile");
  });

  it("spot_price_limit is max_price by its older name", async () => {
    configure(["aws: {spot_price_limit: 0.0001}", "regions:", `  - ${REGION}:`]);
    const { stderr, code } = await spot("preview");
    assert.equal(code, 6, stderr);
    assert.match(stderr, /no spot pool costs 0\.0001 US dollars an hour or less/);
  });

  it("max_unavailable is how many nodes a replacement takes away at once, after the canary", async () => {
    const config = (packages: string) => {
      configure(
        ["max_unavailable: 100%", `packages: [${packages}]`, "aws: {total_instances: 3}", "regions:", `  - ${REGION}:`],
        stacks[0],
      );
    };
    config("jq");
    assert.equal((await spot("up")).code, 9);
    config("jq, tree");
    const { stdout, code } = await spot("up", "--json");
    assert.equal(code, 9, stdout);
    const phases = stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { type: string; phase?: string })
      .flatMap(({ type, phase }) => (type === "node" && (phase === "created" || phase === "deleted") ? [phase] : []));
    assert.deepEqual(phases, ["deleted", "created", "deleted", "deleted", "created", "created"]);
  });

  it("backend is where the engine keeps the state", async () => {
    mkdirSync(path.join(bench.dir, "elsewhere"));
    configure([`backend: file://${bench.dir}/elsewhere`, "regions:", `  - ${REGION}:`]);
    const { stdout } = await bench.start(["env", "--config", bench.configFile], {
      plain: true,
      env: { PULUMI_BACKEND_URL: undefined },
    }).done;
    assert.ok(stdout.includes(`export PULUMI_BACKEND_URL='file://${bench.dir}/elsewhere'`), stdout);
  });
});
