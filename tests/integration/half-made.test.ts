import assert from "node:assert/strict";
import {
  DescribeInternetGatewaysCommand,
  DescribeSecurityGroupRulesCommand,
  DescribeSecurityGroupsCommand,
  DescribeVpcAttributeCommand,
  DescribeVpcsCommand,
  EC2Client,
} from "@aws-sdk/client-ec2";
import { EGRESS_RULE } from "../../fleet/aws/network";
import { Tag } from "../../fleet/model";
import { refuse, throttled, type Fault } from "../faults/scenarios";
import { clientOf, FIRST_RUN_MS } from "../support/sandbox";
import { Workbench, type Outcome } from "../support/workbench";

const REGION = "us-west-2";
/** What has the fleet's tags. */
const OWN = { Name: "tag-key", Values: [Tag.lineage] };
const expired = (follows: string): Fault[] => [{ action: "*", follows, effect: refuse("ExpiredToken", 403) }];
const refused = (action: string): Fault[] => [{ action, effect: refuse("VpcLimitExceeded") }];

describe("what a run left half made, on the real engine, against the emulated AWS", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  let client: EC2Client;
  beforeEach(async () => {
    bench = new Workbench();
    bench.config({ [REGION]: 1 });
    await bench.begin();
    client = new EC2Client(clientOf(await bench.sandbox(), REGION));
  });
  afterEach(async () => {
    client.destroy();
    await bench[Symbol.asyncDispose]();
  });

  const alive = async () => (await bench.live()).instances.map(({ InstanceId }) => InstanceId);
  const vpcId = async () => {
    const { Vpcs = [] } = await client.send(new DescribeVpcsCommand({ Filters: [OWN] }));
    assert.equal(Vpcs.length, 1);
    return Vpcs[0]!.VpcId!;
  };
  /** What the fleet's group lets out. */
  const egress = async () => {
    const { SecurityGroups = [] } = await client.send(new DescribeSecurityGroupsCommand({ Filters: [OWN] }));
    assert.equal(SecurityGroups.length, 1);
    const ofGroup = { Name: "group-id", Values: [SecurityGroups[0]!.GroupId!] };
    const { SecurityGroupRules = [] } = await client.send(
      new DescribeSecurityGroupRulesCommand({ Filters: [ofGroup] }),
    );
    return SecurityGroupRules.filter(({ IsEgress }) => IsEgress).map(({ Description }) => Description);
  };

  async function brokenOff(faults: Fault[]): Promise<Outcome> {
    await bench.control("POST", "faults", faults);
    const up = await bench.spot(["up"]);
    assert.ok([3, 4, 6].includes(up.code ?? 0), `[${up.code}] ${up.stderr}`);
    await bench.control("DELETE", "faults");
    return up;
  }

  /** The next `up` makes it whole and ends nothing, and the one after that finds nothing to do. */
  async function healed(): Promise<void> {
    const half = await alive();
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.doesNotMatch(up.stderr, /drift/);
    if (half.length > 0) assert.deepEqual(await alive(), half, up.stderr);
    const next = await bench.spot(["preview"]);
    assert.match(next.stdout, /Nothing to change/, next.stdout + next.stderr);
    assert.doesNotMatch(next.stdout + next.stderr, /WARNING|drift/);
  }

  for (const [where, network] of [
    ["a network of its own", "create"],
    ["the default network", "default"],
  ]) {
    it(`keeps an instance in ${where} that was launched and not seen again`, async () => {
      bench.config({ [REGION]: 1 }, { top: [`network: ${network}`] });
      await brokenOff(expired("RunInstances"));
      await healed();
      assert.equal((await alive()).length, 1);
    });
  }

  const hasHostnames = async () => {
    const asked = { VpcId: await vpcId(), Attribute: "enableDnsHostnames" } as const;
    return (await client.send(new DescribeVpcAttributeCommand(asked))).EnableDnsHostnames?.Value;
  };

  it("gives a VPC its host names", async () => {
    await brokenOff(refused("ModifyVpcAttribute"));
    await healed();
    assert.equal(await hasHostnames(), true);
  });

  it("changes nothing in a region in which it cannot be looked at, and says so", async () => {
    await brokenOff(expired("CreateVpc"));
    const { stderr } = await brokenOff(refused("DescribeVpcAttribute"));
    assert.match(stderr, /ERROR: us-west-2: what became of Vpc us-west-2 \(vpc-\w+\), which was left half made/);
    assert.deepEqual(await alive(), []);
    await healed();
    assert.equal(await hasHostnames(), true);
  });

  it("gives the instances the tags that a change could not", async () => {
    assert.equal((await bench.spot(["up"])).code, 9);
    bench.config({ [REGION]: 1 }, { aws: ["tags: { team: blue }"] });
    await brokenOff(refused("CreateTags"));
    await healed();
    const [instance] = (await bench.live()).instances;
    assert.ok(instance?.Tags?.some(({ Key, Value }) => Key === "team" && Value === "blue"));
  });

  it("attaches a gateway", async () => {
    await brokenOff(refused("AttachInternetGateway"));
    await healed();
    const attached = { Name: "attachment.vpc-id", Values: [await vpcId()] };
    const { InternetGateways = [] } = await client.send(new DescribeInternetGatewaysCommand({ Filters: [attached] }));
    assert.equal(InternetGateways.length, 1);
  });

  it("takes AWS's own rule out of a group", async () => {
    await brokenOff(refused("RevokeSecurityGroupEgress"));
    await healed();
    assert.deepEqual(await egress(), [EGRESS_RULE]);
  });

  it("takes it out in the same run where the call was throttled", async () => {
    await bench.control("POST", "faults", [{ action: "RevokeSecurityGroupEgress", times: 3, effect: throttled }]);
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.deepEqual(await egress(), [EGRESS_RULE]);
  });
});
