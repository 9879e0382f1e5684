import assert from "node:assert/strict";
import {
  CreateSecurityGroupCommand,
  DescribeSecurityGroupsCommand,
  DescribeVpcsCommand,
  EC2Client,
  type GroupIdentifier,
  type Instance,
  type SecurityGroup,
} from "@aws-sdk/client-ec2";
import { clientOf, FIRST_RUN_MS } from "../support/sandbox";
import { Workbench } from "../support/workbench";

const REGION = "us-west-2";
const NAMES = [0, 1, 2].map((ordinal) => `${REGION}-${ordinal}`);
const DONE = 9;
type Network = "create" | "default";
/** The canary is launched, and nothing after it. */
const NO_MORE = {
  action: "RunInstances",
  when: "before",
  nth: 2,
  times: 99,
  effect: { error: { code: "InsufficientInstanceCapacity", status: 500 } },
};

/** moto tells the groups of an instance at its interface alone. */
const groupsOf = ({ NetworkInterfaces }: Instance): GroupIdentifier[] =>
  NetworkInterfaces?.flatMap(({ Groups }) => Groups ?? []) ?? [];

/** Nodes of one region that are replaced one after the other. */
describe("another network for a standing fleet", function () {
  this.timeout(FIRST_RUN_MS * 3);
  const bench = new Workbench();
  after(() => bench[Symbol.asyncDispose]());

  const configure = (network: Network, groups: string[] = []): void =>
    bench.config(
      { [REGION]: NAMES.length },
      {
        top: [`network: ${network}`, "max_unavailable: 1", "ssh: {allow: [203.0.113.0/24]}"],
        aws: groups.length === 0 ? [] : [`security_groups: [${groups.join(", ")}]`],
      },
    );

  /** What there is, whatever is recorded. */
  interface Found {
    nodes: Record<string, { instance: Instance; network: Network; canLogIn: boolean }>;
    /** Those of the fleet. */
    groups: SecurityGroup[];
    /** Networks beside the default one. */
    made: string[];
  }

  const asked = async <T>(ask: (client: EC2Client) => Promise<T>): Promise<T> => {
    const client = new EC2Client(clientOf(await bench.sandbox(), REGION));
    return ask(client).finally(() => client.destroy());
  };

  async function found(): Promise<Found> {
    const [{ instances, vpcs }, { SecurityGroups = [] }] = await Promise.all([
      bench.live([REGION]),
      asked((client) => client.send(new DescribeSecurityGroupsCommand({}))),
    ]);
    const isOpen = (id?: string): boolean =>
      SecurityGroups.some(
        ({ GroupId, IpPermissions }) =>
          GroupId === id &&
          IpPermissions?.some(({ IpRanges }) => IpRanges?.some(({ CidrIp }) => CidrIp === "203.0.113.0/24")),
      );
    return {
      nodes: Object.fromEntries(
        instances.map((instance) => [
          instance.Tags?.find(({ Key }) => Key === "spot-deployer:node")?.Value ?? "?",
          {
            instance,
            network: vpcs.includes(instance.VpcId!) ? "create" : "default",
            canLogIn: groupsOf(instance).some(({ GroupId }) => isOpen(GroupId)),
          },
        ]),
      ),
      groups: SecurityGroups.filter(({ Tags }) => Tags?.some(({ Key }) => Key === "spot-deployer:stack")),
      made: vpcs,
    };
  }

  const networks = ({ nodes }: Found): Record<string, string> =>
    Object.fromEntries(Object.entries(nodes).map(([name, { network }]) => [name, network]));
  const idOf = ({ nodes }: Found, name: string): string | undefined => nodes[name]?.instance.InstanceId;

  async function up(): Promise<Found> {
    const { code, stdout, stderr } = await bench.spot(["up"]);
    assert.equal(code, DONE, stdout + stderr);
    return found();
  }

  /** A roll that comes to no end: the first node moves, the second is ended and finds no place, the third waits. */
  async function upToCanary(): Promise<Found> {
    await bench.control("POST", "faults", [NO_MORE]);
    const { code, stdout, stderr } = await bench.spot(["up"]);
    await bench.control("DELETE", "faults");
    assert.equal(code, 4, stdout + stderr);
    const half = await found();
    assert.deepEqual(Object.keys(half.nodes).sort(), [NAMES[0], NAMES[2]]);
    assert.ok(
      Object.values(half.nodes).every(({ canLogIn }) => canLogIn),
      "a node lost its rules",
    );
    return half;
  }

  /** Every node is there, and nothing of another network. */
  async function isSettled(network: Network, now: Found): Promise<void> {
    assert.deepEqual(networks(now), Object.fromEntries(NAMES.map((name) => [name, network])));
    assert.ok(Object.values(now.nodes).every(({ canLogIn }) => canLogIn));
    assert.equal(now.made.length, network === "create" ? 1 : 0);
    assert.equal(now.groups.length, 1);
    const { code, stdout, stderr } = await bench.spot(["preview"]);
    assert.deepEqual([code, /^Nothing to change/m.test(stdout)], [0, true], stdout + stderr);
  }

  before(async () => {
    configure("create");
    await isSettled("create", await up());
  });

  it("leaves those that wait their group and its rules, and takes up a roll that was broken off where it ended", async () => {
    configure("default");
    const half = await upToCanary();
    assert.deepEqual(networks(half), { [NAMES[0]!]: "default", [NAMES[2]!]: "create" });
    const now = await up();
    assert.equal(idOf(now, NAMES[0]!), idOf(half, NAMES[0]!));
    await isSettled("default", now);
  });

  it("can be taken back half-way", async () => {
    configure("create");
    const half = await upToCanary();
    assert.deepEqual(networks(half), { [NAMES[0]!]: "create", [NAMES[2]!]: "default" });
    configure("default");
    const now = await up();
    assert.equal(idOf(now, NAMES[2]!), idOf(half, NAMES[2]!));
    await isSettled("default", now);
  });

  it("is reached in one run, with nothing left of the one before", async () => {
    configure("create");
    await isSettled("create", await up());
    configure("default");
    await isSettled("default", await up());
  });

  it("stays when other security groups are named, which every node gets as it stands", async () => {
    const [vpc] = await asked(async (client) => (await client.send(new DescribeVpcsCommand({}))).Vpcs ?? []);
    const [first, second] = await Promise.all(
      ["monitoring", "backup"].map((GroupName) =>
        asked((client) =>
          client.send(new CreateSecurityGroupCommand({ GroupName, Description: GroupName, VpcId: vpc?.VpcId })),
        ),
      ),
    );
    const start = await found();
    const attached = ({ nodes }: Found): (string | undefined)[][] =>
      Object.values(nodes).map(({ instance }) =>
        groupsOf(instance)
          .map(({ GroupName }) => GroupName)
          .filter((name) => name === "monitoring" || name === "backup")
          .sort(),
      );
    const changes: [named: string[], attached: string[]][] = [
      [["monitoring"], ["monitoring"]],
      [
        [second!.GroupId!, "monitoring"],
        ["backup", "monitoring"],
      ],
      [[first!.GroupId!], ["monitoring"]],
      [[], []],
    ];
    for (const [named, expected] of changes) {
      configure("default", named);
      const { stdout } = await bench.spot(["preview", "--json"]);
      const preview = JSON.parse(stdout) as { changes: { kind: string; reason?: string }[] };
      for (const { kind, reason } of preview.changes)
        assert.deepEqual([kind, reason], ["update", "security groups"], stdout);
      const now = await up();
      assert.deepEqual(
        attached(now),
        NAMES.map(() => expected),
      );
      assert.deepEqual(
        NAMES.map((name) => idOf(now, name)),
        NAMES.map((name) => idOf(start, name)),
      );
      await isSettled("default", now);
    }
    configure("default", ["nobodys"]);
    const refused = await bench.spot(["up"]);
    assert.equal(refused.code, 4, refused.stdout + refused.stderr);
    assert.match(refused.stderr, /vpc-\w+ has no security group nobodys/);
    assert.deepEqual(
      attached(await found()),
      NAMES.map(() => []),
    );
  });
});
