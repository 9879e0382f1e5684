import assert from "node:assert/strict";
import path from "node:path";
import {
  AllocateAddressCommand,
  AttachVpnGatewayCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateCustomerGatewayCommand,
  CreateNatGatewayCommand,
  CreateNetworkInterfaceCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateTagsCommand,
  CreateVpcCommand,
  CreateVpnConnectionCommand,
  CreateVpnGatewayCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  EC2Client,
  type ResourceType,
} from "@aws-sdk/client-ec2";
import { readStackSettings } from "../../automation/engine/stack-config";
import { clientOf, FIRST_RUN_MS } from "../support/sandbox";
import { hasTmux, TestTerminal } from "../support/terminal";
import { Workbench } from "../support/workbench";

interface Shown {
  exitCode: number;
  deleted: number;
  plan: { region: string; planned: { kind: string; id: string; why: string }[]; notOurs: { kind: string; id: string; owner: string }[] }[];
  left: { kind: string; id: string; reason: string }[];
}

const REGION = "us-west-2";

describe("cleanup-vpcs (L42)", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  let ec2: EC2Client;
  beforeEach(async () => {
    bench = new Workbench();
    bench.config({ [REGION]: 1 });
    assert.equal((await bench.spot(["up"])).code, 9);
    ec2 = new EC2Client(clientOf(await bench.sandbox(), REGION));
  });
  afterEach(async () => {
    ec2.destroy();
    await bench[Symbol.asyncDispose]();
  });

  const clean = async (...options: string[]): Promise<Shown> => JSON.parse((await bench.spot(["cleanup-vpcs", "--json", ...options])).stdout) as Shown;
  const tagged = (kind: ResourceType, tags: Record<string, string>) => ({ TagSpecifications: [{ ResourceType: kind, Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }] });
  const mine = () => ({ "spot-deployer:lineage": readStackSettings(bench.stackFile).lineage! });
  const vpcs = async () => ((await ec2.send(new DescribeVpcsCommand({}))).Vpcs ?? []).map(({ VpcId }) => VpcId!);

  it("shows the plan, then deletes what is ours in AWS's order, with waits, and nothing else", async () => {
    const [own] = (await bench.live()).vpcs;
    const lineage = mine();
    // What a half-finished clean-up by hand can leave in a VPC of ours: a NAT gateway, a VPN gateway with a connection, a free interface, groups that name each other.
    const subnet = (await ec2.send(new CreateSubnetCommand({ VpcId: own, CidrBlock: await freeCidr(own!), ...tagged("subnet", lineage) }))).Subnet!.SubnetId!;
    const address = await ec2.send(new AllocateAddressCommand({ Domain: "vpc", ...tagged("elastic-ip", lineage) }));
    await ec2.send(new CreateNatGatewayCommand({ SubnetId: subnet, AllocationId: address.AllocationId, ...tagged("natgateway", lineage) }));
    const { VpnGateway } = await ec2.send(new CreateVpnGatewayCommand({ Type: "ipsec.1", ...tagged("vpn-gateway", lineage) }));
    await ec2.send(new AttachVpnGatewayCommand({ VpcId: own, VpnGatewayId: VpnGateway!.VpnGatewayId }));
    const { CustomerGateway } = await ec2.send(new CreateCustomerGatewayCommand({ Type: "ipsec.1", PublicIp: "198.51.100.7", BgpAsn: 65_000 }));
    const connection = { Type: "ipsec.1", CustomerGatewayId: CustomerGateway!.CustomerGatewayId, VpnGatewayId: VpnGateway!.VpnGatewayId };
    await ec2.send(new CreateVpnConnectionCommand({ ...connection, ...tagged("vpn-connection", lineage) }));
    const foreign = (await ec2.send(new CreateVpnConnectionCommand(connection))).VpnConnection!.VpnConnectionId!;
    await ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: subnet }));
    const groups = await Promise.all(["one", "two"].map(async (name) => (await ec2.send(new CreateSecurityGroupCommand({ GroupName: name, Description: name, VpcId: own, ...tagged("security-group", lineage) }))).GroupId!));
    for (const [at, GroupId] of groups.entries()) {
      await ec2.send(new AuthorizeSecurityGroupIngressCommand({ GroupId, IpPermissions: [{ IpProtocol: "tcp", FromPort: 1, ToPort: 1, UserIdGroupPairs: [{ GroupId: groups[1 - at] }] }] }));
    }
    await bench.control("PUT", "timings", { natDeletingMs: 3000 });
    const theirs = (await ec2.send(new CreateVpcCommand({ CidrBlock: "10.99.0.0/16", ...tagged("vpc", { "spot-deployer:lineage": "0123456789abcdef", ManagedBy: "spot-deployer" }) }))).Vpc!.VpcId!;
    const nobodys = (await ec2.send(new CreateVpcCommand({ CidrBlock: "10.98.0.0/16", ...tagged("vpc", { Name: "spot-deployer-like" }) }))).Vpc!.VpcId!;
    const before = await vpcs();

    const dry = await clean("--dry-run");
    assert.equal(dry.exitCode, 0);
    const planned = dry.plan.flatMap((region) => region.planned);
    for (const kind of ["instance", "nat-gateway", "elastic-address", "vpn-connection", "vpn-gateway", "network-interface", "security-group", "route-table", "subnet", "internet-gateway", "vpc"]) {
      assert.ok(planned.some((entry) => entry.kind === kind), `no ${kind} in the plan`);
    }
    assert.ok(planned.every(({ why }) => why !== ""));
    assert.deepEqual(dry.plan.flatMap((region) => region.notOurs).map(({ id, owner }) => [id, owner]), [[theirs, "another fleet"], [foreign, "nobody"]]);
    assert.deepEqual(await vpcs(), before, "a dry run deletes nothing");

    const done = await clean();
    assert.deepEqual([done.exitCode, done.left], [0, []]);
    assert.equal(done.deleted, planned.length);
    assert.deepEqual((await vpcs()).sort(), before.filter((id) => id !== own).sort(), "the default VPC and strangers' are untouched");
    assert.ok((await vpcs()).includes(nobodys));
  });

  it("shows the plan and then, in a terminal, how far it is, and what it waits for", async function () {
    if (!hasTmux()) return this.skip();
    const subnet = await subnetOf((await bench.live()).vpcs[0]!);
    await ec2.send(new CreateNatGatewayCommand({ SubnetId: subnet, ConnectivityType: "private", ...tagged("natgateway", mine()) }));
    await bench.control("PUT", "timings", { natDeletingMs: 3000 });
    await bench.control("POST", "faults", [{ action: "DeleteSubnet", times: 1, effect: { error: { code: "DependencyViolation", message: "an interface is still there", status: 400 } } }]);
    using terminal = new TestTerminal([process.execPath, path.join(bench.root, "dist/automation/cli.js"), "cleanup-vpcs", "--sandbox=api", "--stack", bench.stack, "--config", bench.configFile], { columns: 160, rows: 50, cwd: bench.root, env: bench.env });
    const waiting = (await terminal.shows(/nat-gateway nat-\w+ is ending; it is waited for/, 40_000)).join("\n");
    assert.match(waiting, /WHY IT IS OURS[^]*tag spot-deployer:lineage=[^]*is ending/, "the plan stands before the first deletion");
    assert.doesNotMatch(waiting, /things deleted/);
    assert.equal(await terminal.ended(), 0);
    const all = terminal.everything();
    assert.match(all, /subnet subnet-\w+ is waited for: an interface is still there/);
    const counted = [...all.matchAll(/deleted \((\d+) of (\d+)\)/g)].map(([, done, of]) => [Number(done), Number(of)]);
    const [, total] = counted[0] ?? [];
    assert.deepEqual(counted, counted.map((_, n) => [n + 1, total]));
    assert.match(all, new RegExp(`${total} of ${total} things deleted`));
  });

  it("names what blocks, and answers with 8", async () => {
    const [own] = (await bench.live()).vpcs;
    const blocker = (await ec2.send(new CreateSecurityGroupCommand({ GroupName: "foreign", Description: "foreign", VpcId: own }))).GroupId!;
    await bench.control("POST", "faults", [{ action: "DeleteVpc", effect: { error: { code: "OperationNotPermitted", message: "held" } } }]);
    const shown = await clean();
    assert.equal(shown.exitCode, 8);
    assert.deepEqual(shown.left.map(({ kind, id, reason }) => [kind, id, reason]), [["vpc", own, "held"]]);
    assert.ok(shown.plan.flatMap(({ notOurs }) => notOurs).some(({ id, owner }) => id === blocker && owner === "nobody"));
  });

  it("asks about each thing of the predecessor's alone, and no answer is a no (L44)", async () => {
    const legacy = (await ec2.send(new CreateVpcCommand({ CidrBlock: "10.97.0.0/16" }))).Vpc!.VpcId!;
    await ec2.send(new CreateTagsCommand({ Resources: [legacy], Tags: [{ Key: "ManagedBy", Value: "SpotDeployer" }, { Key: "Name", Value: "spot-deployer-us-west-2" }] }));
    const shown = await clean("--legacy");
    assert.deepEqual(shown.plan.flatMap(({ planned }) => planned).map(({ id }) => id), [legacy]);
    assert.equal(shown.deleted, 0);
    assert.ok((await vpcs()).includes(legacy));
    const refused = await bench.spot(["cleanup-vpcs", "--legacy", "--yes"]);
    assert.equal(refused.code, 2, refused.stderr);
  });

  const subnetOf = async (vpc: string): Promise<string> => (await ec2.send(new DescribeSubnetsCommand({ Filters: [{ Name: "vpc-id", Values: [vpc] }] }))).Subnets![0]!.SubnetId!;

  /** A block of the VPC's range that no subnet of the fleet uses. */
  async function freeCidr(vpc: string): Promise<string> {
    const [{ CidrBlock } = {}] = (await ec2.send(new DescribeVpcsCommand({ VpcIds: [vpc] }))).Vpcs ?? [];
    const [a, b] = CidrBlock!.split(".");
    return `${a}.${b}.250.0/24`;
  }
});
