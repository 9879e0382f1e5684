import assert from "node:assert/strict";
import path from "node:path";
import {
  AllocateAddressCommand,
  AssociateRouteTableCommand,
  AttachInternetGatewayCommand,
  AttachVpnGatewayCommand,
  AuthorizeSecurityGroupIngressCommand,
  CreateCustomerGatewayCommand,
  CreateEgressOnlyInternetGatewayCommand,
  CreateInternetGatewayCommand,
  CreateNatGatewayCommand,
  CreateNetworkAclCommand,
  CreateNetworkInterfaceCommand,
  CreateRouteTableCommand,
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  CreateVpcEndpointCommand,
  CreateVpcPeeringConnectionCommand,
  CreateVpnConnectionCommand,
  CreateVpnGatewayCommand,
  DescribeAddressesCommand,
  DescribeImagesCommand,
  DescribeNetworkAclsCommand,
  DescribeSubnetsCommand,
  DescribeVpcsCommand,
  EC2Client,
  ReplaceNetworkAclAssociationCommand,
  RunInstancesCommand,
  type ResourceType,
} from "@aws-sdk/client-ec2";
import { RunNotes } from "../../automation/engine/run-notes";
import { readStackSettings } from "../../automation/engine/stack-config";
import { clientOf, FIRST_RUN_MS } from "../support/sandbox";
import { hasTmux, TestTerminal } from "../support/terminal";
import { Workbench } from "../support/workbench";

type Calls = Record<string, Record<string, number>>;

/** What was asked of AWS that is no question. */
const changesIn = (calls: Calls): string[] =>
  [...new Set(Object.values(calls).flatMap((actions) => Object.keys(actions)))]
    .filter((action) => /^(Delete|Terminate|Release|Detach|Disassociate|Revoke|Cancel)/.test(action))
    .sort();

interface Shown {
  exitCode: number;
  deleted: number;
  plan: {
    region: string;
    planned: { kind: string; id: string; why: string; vpc?: string }[];
    blocked: { id: string; by: { id: string }[] }[];
    notOurs: { kind: string; id: string; owner: string }[];
  }[];
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

  const clean = async (...options: string[]): Promise<Shown> =>
    JSON.parse((await bench.spot(["cleanup-vpcs", "--json", ...options])).stdout) as Shown;
  const tagged = (kind: ResourceType, tags: Record<string, string>) => ({
    TagSpecifications: [{ ResourceType: kind, Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }],
  });
  const mine = () => ({
    "spot-deployer:lineage": readStackSettings(bench.stackFile).lineage!,
    "spot-deployer:stack": bench.stack,
  });
  /** As the notes of a killed run have it. */
  const noteAsMade = (things: [id: string, type: string][]): void => {
    const notes = new RunNotes(path.join(bench.home, "backend/.spot-deployer", bench.stack, "runs.jsonl"));
    notes.begin(readStackSettings(bench.stackFile).lineage!, {});
    for (const [id, type] of things) {
      const step = { urn: `urn:${id}`, id, type, inputs: { region: REGION } };
      notes.attempt(step);
      notes.made(step);
    }
  };
  const vpcs = async () => ((await ec2.send(new DescribeVpcsCommand({}))).Vpcs ?? []).map(({ VpcId }) => VpcId!);

  it("shows the plan, then deletes what is ours in AWS's order, with waits, and nothing else", async () => {
    const [own] = (await bench.live()).vpcs;
    const lineage = mine();
    // What a half-finished clean-up by hand can leave in a VPC of ours: a NAT gateway, a VPN gateway with a connection, a free interface. And what a run made and could not record: groups that name each other, a subnet.
    const subnet = (
      await ec2.send(
        new CreateSubnetCommand({ VpcId: own, CidrBlock: await freeCidr(own!), ...tagged("subnet", lineage) }),
      )
    ).Subnet!.SubnetId!;
    const address = await ec2.send(new AllocateAddressCommand({ Domain: "vpc", ...tagged("elastic-ip", lineage) }));
    await ec2.send(
      new CreateNatGatewayCommand({
        SubnetId: subnet,
        AllocationId: address.AllocationId,
        ...tagged("natgateway", lineage),
      }),
    );
    const { VpnGateway } = await ec2.send(
      new CreateVpnGatewayCommand({ Type: "ipsec.1", ...tagged("vpn-gateway", lineage) }),
    );
    await ec2.send(new AttachVpnGatewayCommand({ VpcId: own, VpnGatewayId: VpnGateway!.VpnGatewayId }));
    const { CustomerGateway } = await ec2.send(
      new CreateCustomerGatewayCommand({ Type: "ipsec.1", PublicIp: "198.51.100.7", BgpAsn: 65_000 }),
    );
    const connection = {
      Type: "ipsec.1",
      CustomerGatewayId: CustomerGateway!.CustomerGatewayId,
      VpnGatewayId: VpnGateway!.VpnGatewayId,
    };
    await ec2.send(new CreateVpnConnectionCommand({ ...connection, ...tagged("vpn-connection", lineage) }));
    await ec2.send(new CreateNetworkInterfaceCommand({ SubnetId: subnet, ...tagged("network-interface", lineage) }));
    const groups = await Promise.all(
      ["one", "two"].map(
        async (name) =>
          (
            await ec2.send(
              new CreateSecurityGroupCommand({
                GroupName: name,
                Description: name,
                VpcId: own,
                ...tagged("security-group", lineage),
              }),
            )
          ).GroupId!,
      ),
    );
    for (const [at, GroupId] of groups.entries()) {
      await ec2.send(
        new AuthorizeSecurityGroupIngressCommand({
          GroupId,
          IpPermissions: [
            { IpProtocol: "tcp", FromPort: 1, ToPort: 1, UserIdGroupPairs: [{ GroupId: groups[1 - at] }] },
          ],
        }),
      );
    }
    noteAsMade([
      [subnet, "aws:ec2/subnet:Subnet"],
      ...groups.map((id): [string, string] => [id, "aws:ec2/securityGroup:SecurityGroup"]),
    ]);
    await bench.control("PUT", "timings", { natDeletingMs: 3000 });
    const theirs = (
      await ec2.send(
        new CreateVpcCommand({
          CidrBlock: "10.99.0.0/16",
          ...tagged("vpc", { "spot-deployer:lineage": "0123456789abcdef", ManagedBy: "spot-deployer" }),
        }),
      )
    ).Vpc!.VpcId!;
    const nobodys = (
      await ec2.send(
        new CreateVpcCommand({ CidrBlock: "10.98.0.0/16", ...tagged("vpc", { Name: "spot-deployer-like" }) }),
      )
    ).Vpc!.VpcId!;
    const before = await vpcs();

    const dry = await clean("--dry-run");
    assert.equal(dry.exitCode, 0);
    const planned = dry.plan.flatMap((region) => region.planned);
    for (const kind of [
      "instance",
      "nat-gateway",
      "elastic-address",
      "vpn-connection",
      "vpn-gateway",
      "network-interface",
      "security-group",
      "route-table",
      "subnet",
      "internet-gateway",
      "vpc",
    ]) {
      assert.ok(
        planned.some((entry) => entry.kind === kind),
        `no ${kind} in the plan`,
      );
    }
    assert.ok(planned.every(({ why }) => why !== ""));
    assert.deepEqual(
      dry.plan.flatMap((region) => region.notOurs).map(({ id, owner }) => [id, owner]),
      [[theirs, "another fleet"]],
    );
    assert.deepEqual(await vpcs(), before, "a dry run deletes nothing");

    const done = await clean();
    assert.deepEqual([done.exitCode, done.left], [0, []]);
    assert.equal(done.deleted, planned.length);
    assert.deepEqual(
      (await vpcs()).sort(),
      before.filter((id) => id !== own).sort(),
      "the default VPC and strangers' are untouched",
    );
    assert.ok((await vpcs()).includes(nobodys));
  });

  it("shows the plan and then, in a terminal, how far it is, and what it waits for", async function () {
    if (!hasTmux()) return this.skip();
    const subnet = await subnetOf((await bench.live()).vpcs[0]!);
    await ec2.send(
      new CreateNatGatewayCommand({ SubnetId: subnet, ConnectivityType: "private", ...tagged("natgateway", mine()) }),
    );
    await bench.control("PUT", "timings", { natDeletingMs: 10_000 });
    await bench.control("POST", "faults", [
      {
        action: "DeleteSubnet",
        times: 1,
        effect: { error: { code: "DependencyViolation", message: "an interface is still there", status: 400 } },
      },
    ]);
    await bench.allow("operator", "cleanup-vpcs");
    using terminal = new TestTerminal(
      [
        process.execPath,
        path.join(bench.root, "dist/cli/main.js"),
        "cleanup-vpcs",
        "--sandbox=api",
        "--stack",
        bench.stack,
        "--config",
        bench.configFile,
      ],
      { columns: 160, rows: 50, cwd: bench.root, env: bench.env },
    );
    const waiting = (await terminal.shows(/nat-gateway nat-\w+ is ending; it is waited for/)).join("\n");
    assert.match(
      waiting,
      /WHY IT IS OURS[^]*tag spot-deployer:lineage=[^]*is ending/,
      "the plan stands before the first deletion",
    );
    assert.doesNotMatch(waiting, /things deleted/);
    assert.equal(await terminal.ended(), 0);
    const all = terminal.everything();
    assert.match(all, /subnet subnet-\w+ is waited for: an interface is still there/);
    const counted = [...all.matchAll(/deleted \((\d+) of (\d+)\)/g)].map(([, done, of]) => [Number(done), Number(of)]);
    const [, total] = counted[0] ?? [];
    assert.deepEqual(
      counted,
      counted.map((_, n) => [n + 1, total]),
    );
    assert.match(all, new RegExp(`${total} of ${total} things deleted`));
  });

  it("says what AWS says of a thing that it keeps, and answers with 8", async () => {
    const [own] = (await bench.live()).vpcs;
    await bench.control("POST", "faults", [
      { action: "DeleteVpc", effect: { error: { code: "OperationNotPermitted", message: "held" } } },
    ]);
    const shown = await clean();
    assert.equal(shown.exitCode, 8);
    assert.deepEqual(
      shown.left.map(({ kind, id, reason }) => [kind, id, reason]),
      [["vpc", own, "held"]],
    );
  });

  it("names what blocks a VPC without a try, ends the nodes, and leaves the network that somebody uses", async () => {
    const [own] = (await bench.live()).vpcs;
    const group = (
      await ec2.send(new CreateSecurityGroupCommand({ GroupName: "foreign", Description: "foreign", VpcId: own }))
    ).GroupId!;
    const { NetworkInterface } = await ec2.send(
      new CreateNetworkInterfaceCommand({ SubnetId: await subnetOf(own!), Description: "my interface" }),
    );
    const free = NetworkInterface!.NetworkInterfaceId!;
    await bench.control("DELETE", "calls");
    const shown = await clean();
    assert.equal(shown.exitCode, 8);
    assert.deepEqual(
      shown.plan.flatMap(({ blocked }) => blocked).map(({ id, by }) => [id, by.map((one) => one.id).sort()]),
      [[own, [group, free].sort()]],
    );
    assert.ok(
      shown.plan.flatMap(({ planned }) => planned).every(({ kind }) => kind === "instance" || kind === "volume"),
      "nothing foreign is planned, and nothing that it may need",
    );
    assert.match(
      shown.left.find(({ id }) => id === own)!.reason,
      new RegExp(`network-interface ${free} \\(available, my interface\\)`),
    );
    assert.deepEqual((await bench.live()).instances, []);
    assert.deepEqual(await changes(), ["TerminateInstances"], "nothing was tried that could not be");
  });

  const subnetOf = async (vpc: string): Promise<string> =>
    (await ec2.send(new DescribeSubnetsCommand({ Filters: [{ Name: "vpc-id", Values: [vpc] }] }))).Subnets![0]!
      .SubnetId!;

  const changes = async () => changesIn(await bench.control<Calls>("GET", "calls"));

  /** A block of the VPC's range that no subnet of the fleet uses. */
  async function freeCidr(vpc: string): Promise<string> {
    const [{ CidrBlock } = {}] = (await ec2.send(new DescribeVpcsCommand({ VpcIds: [vpc] }))).Vpcs ?? [];
    const [a, b] = CidrBlock!.split(".");
    return `${a}.${b}.250.0/24`;
  }
});

describe("cleanup-vpcs --legacy", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  let ec2: EC2Client;
  beforeEach(async () => {
    bench = new Workbench();
    await bench.begin();
    ec2 = new EC2Client(clientOf(await bench.sandbox(), REGION));
  });
  afterEach(async () => {
    ec2.destroy();
    await bench[Symbol.asyncDispose]();
  });

  const tagged = (kind: ResourceType, tags: Record<string, string>) => ({
    TagSpecifications: [{ ResourceType: kind, Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) }],
  });
  const legacy = (...options: string[]) => bench.spot(["cleanup-vpcs", "--legacy", "--json", ...options]);
  const shown = async (...options: string[]): Promise<Shown> => JSON.parse((await legacy(...options)).stdout) as Shown;
  const refusal = async (...options: string[]) => {
    const { code, stdout } = await legacy(...options);
    const { message, next } = (JSON.parse(stdout) as { error: { message: string; next: string } }).error;
    return { code, message, next };
  };
  const vpcs = async () => ((await ec2.send(new DescribeVpcsCommand({}))).Vpcs ?? []).map(({ VpcId }) => VpcId!);
  const machine = async (SubnetId: string, tags: Record<string, string>) => {
    const { Images } = await ec2.send(
      new DescribeImagesCommand({ Filters: [{ Name: "architecture", Values: ["x86_64"] }] }),
    );
    const { Instances } = await ec2.send(
      new RunInstancesCommand({
        ImageId: Images![0]!.ImageId,
        InstanceType: "t3.medium",
        MinCount: 1,
        MaxCount: 1,
        SubnetId,
        ...tagged("instance", tags),
      }),
    );
    return Instances![0]!.InstanceId!;
  };

  /** A VPC as its later versions left one, tagged itself and nothing else, with an instance. */
  async function network(
    CidrBlock: string,
    ManagedBy = "SpotDeployer",
  ): Promise<{ vpc: string; subnet: string; instance: string }> {
    const vpc = (
      await ec2.send(
        new CreateVpcCommand({ CidrBlock, ...tagged("vpc", { ManagedBy, Name: `spot-deployer-${REGION}` }) }),
      )
    ).Vpc!.VpcId!;
    const subnet = (await ec2.send(new CreateSubnetCommand({ VpcId: vpc, CidrBlock: CidrBlock.replace("/16", "/24") })))
      .Subnet!.SubnetId!;
    const { InternetGateway } = await ec2.send(new CreateInternetGatewayCommand({}));
    await ec2.send(
      new AttachInternetGatewayCommand({ VpcId: vpc, InternetGatewayId: InternetGateway!.InternetGatewayId }),
    );
    const { RouteTable } = await ec2.send(new CreateRouteTableCommand({ VpcId: vpc }));
    await ec2.send(new AssociateRouteTableCommand({ RouteTableId: RouteTable!.RouteTableId, SubnetId: subnet }));
    await ec2.send(
      new CreateSecurityGroupCommand({ GroupName: "spot-deployer-sg", Description: "untagged", VpcId: vpc }),
    );
    return {
      vpc,
      subnet,
      instance: await machine(subnet, { ManagedBy: "SpotDeployer", Name: `SpotInstance-${REGION}` }),
    };
  }

  it("removes whole VPCs that are named, with all that is in them, in AWS's order", async () => {
    const { vpc, subnet } = await network("10.80.0.0/16");
    const other = await network("10.81.0.0/16", "spot_deployer");
    const { Vpc: friend } = await ec2.send(new CreateVpcCommand({ CidrBlock: "10.82.0.0/16" }));
    const { AllocationId } = await ec2.send(new AllocateAddressCommand({ Domain: "vpc" }));
    const kept = await ec2.send(new AllocateAddressCommand({ Domain: "vpc" }));
    await ec2.send(new CreateNatGatewayCommand({ SubnetId: subnet, AllocationId }));
    await ec2.send(
      new CreateVpcEndpointCommand({
        VpcId: vpc,
        ServiceName: `com.amazonaws.${REGION}.ssm`,
        VpcEndpointType: "Interface",
        SubnetIds: [subnet],
      }),
    );
    await ec2.send(new CreateVpcPeeringConnectionCommand({ VpcId: friend!.VpcId, PeerVpcId: vpc }));
    await ec2.send(new CreateEgressOnlyInternetGatewayCommand({ VpcId: vpc }));
    const { VpnGateway } = await ec2.send(new CreateVpnGatewayCommand({ Type: "ipsec.1" }));
    await ec2.send(new AttachVpnGatewayCommand({ VpcId: vpc, VpnGatewayId: VpnGateway!.VpnGatewayId }));
    const { NetworkAcl } = await ec2.send(new CreateNetworkAclCommand({ VpcId: vpc }));
    const { NetworkAcls } = await ec2.send(
      new DescribeNetworkAclsCommand({ Filters: [{ Name: "association.subnet-id", Values: [subnet] }] }),
    );
    const { NetworkAclAssociationId } = NetworkAcls!
      .flatMap(({ Associations }) => Associations ?? [])
      .find(({ SubnetId }) => SubnetId === subnet)!;
    await ec2.send(
      new ReplaceNetworkAclAssociationCommand({
        AssociationId: NetworkAclAssociationId,
        NetworkAclId: NetworkAcl!.NetworkAclId,
      }),
    );
    await bench.control("PUT", "timings", { natDeletingMs: 3000 });

    const dry = await shown("--dry-run");
    const kinds = dry.plan
      .flatMap(({ planned }) => planned)
      .filter((one) => one.vpc === vpc)
      .map(({ kind }) => kind)
      .sort();
    assert.deepEqual(kinds, [
      "egress-only-gateway",
      "elastic-address",
      "instance",
      "internet-gateway",
      "nat-gateway",
      "network-acl",
      "peering-connection",
      "route-table",
      "security-group",
      "subnet",
      "vpc",
      "vpc-endpoint",
      "vpn-gateway",
    ]);
    assert.deepEqual(
      dry.plan.flatMap(({ blocked, notOurs }) => [...blocked, ...notOurs]),
      [],
    );

    const done = await shown("--vpc", vpc, "--yes");
    assert.deepEqual([done.exitCode, done.left, done.deleted], [0, [], kinds.length]);
    const there = await vpcs();
    assert.ok(!there.includes(vpc) && there.includes(other.vpc) && there.includes(friend!.VpcId!));
    const { Addresses } = await ec2.send(new DescribeAddressesCommand({}));
    assert.deepEqual(
      Addresses?.map((one) => one.AllocationId),
      [kept.AllocationId],
      "an address that is in no VPC is nobody's business",
    );
    assert.deepEqual(
      (await bench.live([REGION])).instances.map(({ InstanceId }) => InstanceId),
      [other.instance],
    );
  });

  it("leaves a VPC alone in which somebody has an instance or an interface, and names them without a try", async () => {
    const { vpc, subnet } = await network("10.80.0.0/16");
    const theirs = await machine(subnet, { Name: "database" });
    const { NetworkInterface } = await ec2.send(
      new CreateNetworkInterfaceCommand({ SubnetId: subnet, Description: "ELB app/web/1" }),
    );
    const balancer = NetworkInterface!.NetworkInterfaceId!;
    await bench.control("DELETE", "calls");
    const { exitCode, deleted, left, plan } = await shown("--vpc", vpc, "--yes");
    assert.deepEqual([exitCode, deleted], [8, 0]);
    assert.deepEqual(
      plan.flatMap(({ blocked }) => blocked).map(({ id, by }) => [id, by.map((one) => one.id).sort()]),
      [[vpc, [theirs, balancer].sort()]],
    );
    assert.match(
      left[0]!.reason,
      new RegExp(`instance ${theirs} .*network-interface ${balancer} \\(available, ELB app/web/1\\)`),
    );
    assert.deepEqual(changesIn(await bench.control<Calls>("GET", "calls")), []);
    assert.match(
      (await bench.spot(["cleanup-vpcs", "--legacy", "--dry-run"])).stdout,
      new RegExp(`VPC, LEFT ALONE[^]*${vpc} +instance +${theirs}`),
    );
  });

  it("wants each VPC named where nobody can be asked, and answers with 2 (L44)", async () => {
    const { vpc } = await network("10.80.0.0/16");
    await bench.control("DELETE", "calls");
    for (const options of [[], ["--yes"], ["--vpc", vpc]]) {
      const { code, message, next } = await refusal(...options);
      assert.equal(code, 2, options.join(" "));
      assert.match(message, /each VPC of the predecessor's must be named with --vpc/);
      assert.match(next, new RegExp(`--vpc ${vpc} --yes`));
    }
    const unknown = await refusal("--vpc", vpc, "--vpc", "vpc-0123456789abcdef0", "--yes");
    assert.equal(unknown.code, 2);
    assert.match(unknown.message, /^vpc-0123456789abcdef0 is not among/);
    assert.deepEqual(changesIn(await bench.control<Calls>("GET", "calls")), []);
    assert.ok((await vpcs()).includes(vpc));
  });

  it("asks, in a terminal, about each VPC with what is in it, and no answer is a no", async function () {
    if (!hasTmux()) return this.skip();
    const { vpc, subnet, instance } = await network("10.80.0.0/16");
    await bench.allow("operator", "cleanup-vpcs");
    using terminal = new TestTerminal(
      [
        process.execPath,
        path.join(bench.root, "dist/cli/main.js"),
        "cleanup-vpcs",
        "--legacy",
        "--sandbox=api",
        "--stack",
        bench.stack,
      ],
      { columns: 400, rows: 50, cwd: bench.root, env: { ...bench.env, CI: undefined } },
    );
    const asked = (await terminal.shows(/delete vpc .*\[y\/N\]/)).join("\n");
    for (const id of [vpc, subnet, instance]) assert.match(asked, new RegExp(`delete vpc .*${id}`));
    terminal.type("Enter");
    assert.equal(await terminal.ended(), 0);
    assert.ok((await vpcs()).includes(vpc));
  });
});
