import assert from "node:assert/strict";
import { EC2Client } from "@aws-sdk/client-ec2";
import type { CloudObject } from "../../../../../cloud/resources/find";
import type { KindName } from "../../../../../cloud/resources/kinds";
import {
  changedSince,
  choicesOf,
  forVpcs,
  planOf,
  refuseUnanswered,
  type RegionPlan,
  type Whose,
} from "../../../../../automation/operations/cleanup/cleanup-plan";
import { cleanupVpcs } from "../../../../../automation/operations/cleanup/cleanup-vpcs";
import type { Session } from "../../../../../automation/session";
import { EMPTY_STATE } from "../../../../../automation/engine/state";
import { neverInterrupted } from "../../../../../automation/session/interrupts";

describe("cleanup-vpcs on an account (L42)", () => {
  const lineage = "0123456789abcdef";
  const Tags = [
    { Key: "spot-deployer:lineage", Value: lineage },
    { Key: "spot-deployer:stack", Value: "fleet" },
  ];
  const answers: Record<string, object> = {
    DescribeRegions: { Regions: [{ RegionName: "us-west-2", OptInStatus: "opt-in-not-required" }] },
    DescribeVpcs: { Vpcs: [{ VpcId: "vpc-1", CidrBlock: "10.0.0.0/16", Tags }] },
  };

  /** An account with one VPC of ours, and what happened in what order. */
  function account(answer: boolean): { session: Session; happened: string[] } {
    const happened: string[] = [];
    const client = Object.assign(Object.create(EC2Client.prototype) as EC2Client, {
      config: {},
      send: ({ constructor: { name } }: object) => {
        const action = name.replace(/Command$/, "");
        if (action.startsWith("Delete")) happened.push(action);
        return Promise.resolve(answers[action] ?? {});
      },
    });
    const cloud = { ec2: () => client };
    const confirm = ({ message }: { message: string }): Promise<boolean> => {
      happened.push(message);
      return Promise.resolve(answer);
    };
    return {
      happened,
      session: {
        cloud,
        identity: { account: "123456789012" },
        lineage,
        target: { kind: "aws", stack: "fleet", isChosen: true },
        state: { ...EMPTY_STATE, resources: [{ id: "vpc-1", outputs: {} }] },
        stack: { notes: { of: () => [] } },
        told: new Set(),
        interrupts: neverInterrupted(),
        reporter: { emit: () => undefined, confirm },
      } as unknown as Session,
    };
  }

  const clean = ({ session, happened }: ReturnType<typeof account>) =>
    cleanupVpcs(session, {
      legacy: false,
      dryRun: false,
      onPlan: ({ plan }) =>
        void happened.push(`plan of ${plan.flatMap(({ planned }) => planned.map(({ id }) => id)).join()}`),
    });

  it("shows what it would delete, then asks, then deletes", async () => {
    const ours = account(true);
    assert.equal((await clean(ours)).deleted, 1);
    assert.deepEqual(ours.happened, [
      "plan of vpc-1",
      "Account 123456789012: delete 1 resource in 1 region?",
      "DeleteVpc",
    ]);
  });

  it("deletes nothing after a no", async () => {
    const ours = account(false);
    await assert.rejects(clean(ours), { name: "E_DECLINED" });
    assert.deepEqual(ours.happened, ["plan of vpc-1", "Account 123456789012: delete 1 resource in 1 region?"]);
  });
});

describe("the plan of cleanup-vpcs", () => {
  const OURS = { "spot-deployer:lineage": "ours", ManagedBy: "spot-deployer" };
  const ANOTHER = { "spot-deployer:lineage": "theirs", ManagedBy: "spot-deployer" };
  const LEGACY = { ManagedBy: "SpotDeployer", Name: "SpotInstance-us-west-2" };
  const thing = (
    kind: KindName,
    id: string,
    tags: Record<string, string> = {},
    more: Partial<CloudObject> = {},
  ): CloudObject => ({
    kind,
    region: "us-west-2",
    id,
    detail: "",
    tags,
    ...more,
  });
  const inside = (...things: CloudObject[]): CloudObject[] => things.map((one) => ({ ...one, vpc: "vpc-1" }));
  const look = (
    whose: Whose,
    tags: Record<string, string>,
    contents: CloudObject[],
    more: CloudObject[] = [],
  ): RegionPlan =>
    planOf(whose, {
      region: "us-west-2",
      fleet: { lineage: "ours" },
      tagged: [thing("vpc", "vpc-1", tags), ...contents.filter((one) => Object.keys(one.tags).length > 0), ...more],
      contents: new Map([["vpc-1", contents]]),
    });
  const ids = (remains: { id: string }[]): string[] => remains.map(({ id }) => id);

  it("of the predecessor's VPC takes everything in it, tagged or not, in any spelling of its tag", () => {
    const contents = inside(
      thing("instance", "i-1", LEGACY),
      thing("network-interface", "eni-1", {}, { managed: "ends with i-1", endsWith: "i-1" }),
      thing("nat-gateway", "nat-1", {}, { interfaces: ["eni-2"] }),
      thing("network-interface", "eni-2", {}, { managed: "of nat_gateway" }),
      thing("vpc-endpoint", "vpce-1", {}, { interfaces: ["eni-3"] }),
      thing("network-interface", "eni-3", {}, { managed: "of vpc_endpoint" }),
      thing("elastic-address", "eipalloc-1"),
      thing("peering-connection", "pcx-1"),
      thing("vpn-gateway", "vgw-1"),
      thing("security-group", "sg-1"),
      thing("security-group", "sg-0", {}, { managed: "goes with its VPC", endsWith: "vpc-1" }),
      thing("route-table", "rtb-1"),
    );
    for (const ManagedBy of ["SpotDeployer", "spotdeployer", "spot_deployer", "Spot-Deployer", "aws-spot-deployer"]) {
      const { planned, blocked, notOurs } = look("predecessor", { ManagedBy }, contents);
      assert.deepEqual(ids(planned), [
        "i-1",
        "nat-1",
        "vpce-1",
        "eipalloc-1",
        "pcx-1",
        "vgw-1",
        "sg-1",
        "rtb-1",
        "vpc-1",
      ]);
      assert.deepEqual([blocked, notOurs], [[], []]);
      assert.equal(planned.find(({ id }) => id === "sg-1")?.why, "lies in vpc-1");
    }
  });

  const STRANGERS: [what: string, contents: CloudObject[]][] = [
    [
      "an instance without the predecessor's tag",
      inside(
        thing("instance", "x-1", { Name: "spot-deployer-1" }),
        thing("network-interface", "eni-1", {}, { managed: "ends with x-1", endsWith: "x-1" }),
      ),
    ],
    ["a free interface", inside(thing("network-interface", "x-1"))],
    [
      "an interface that stays when its instance ends",
      inside(thing("instance", "i-1", LEGACY), thing("network-interface", "x-1")),
    ],
    [
      "an interface of somebody's load balancer",
      inside(thing("network-interface", "x-1", {}, { managed: "of network_load_balancer" })),
    ],
    ["a group of a fleet of this program", inside(thing("security-group", "x-1", ANOTHER))],
  ];
  for (const [what, contents] of STRANGERS) {
    it(`of the predecessor's VPC with ${what} takes nothing, and names that`, () => {
      const { planned, blocked } = look("predecessor", LEGACY, [...contents, ...inside(thing("subnet", "subnet-1"))]);
      assert.deepEqual(ids(planned), []);
      assert.deepEqual(
        blocked.map(({ id, by }) => [id, ids(by)]),
        [["vpc-1", ["x-1"]]],
      );
    });
  }

  const NO_VPCS: [what: string, vpc: CloudObject][] = [
    ["a region's default VPC", thing("vpc", "vpc-2", LEGACY, { managed: "never deleted" })],
    ["a VPC that has but a name like the predecessor's", thing("vpc", "vpc-2", { Name: "spot-deployer-us-west-2" })],
    ["a VPC of this program's", thing("vpc", "vpc-2", OURS)],
  ];
  for (const [what, vpc] of NO_VPCS) {
    it(`never takes ${what} for the predecessor's`, () => {
      const { planned, notOurs } = look("predecessor", LEGACY, [], [vpc]);
      assert.deepEqual([ids(planned), ids(notOurs)], [["vpc-1"], ["vpc-2"]]);
    });
  }

  it("asks about a VPC with all that goes with it, and about what lies elsewhere alone", () => {
    const plan = look("predecessor", { ManagedBy: "SpotDeployer" }, inside(thing("subnet", "subnet-1")), [
      thing("key-pair", "key-1", { Name: "spot-deployer-key" }),
    ]);
    assert.deepEqual(
      choicesOf(plan).map(({ message, planned }) => [message, ids(planned)]),
      [
        ["us-west-2: delete vpc vpc-1 (; tag ManagedBy=SpotDeployer) with subnet subnet-1?", ["subnet-1", "vpc-1"]],
        ["us-west-2: delete key-pair key-1 (; name spot-deployer-key)?", ["key-1"]],
      ],
    );
  });

  it("of a VPC of ours that holds something of somebody's takes the instances, and leaves its network", () => {
    const contents = inside(
      thing("instance", "i-1", OURS),
      thing("subnet", "subnet-1", OURS),
      thing("network-interface", "eni-1"),
      thing("nat-gateway", "nat-1", OURS, { interfaces: ["eni-2"] }),
      thing("network-interface", "eni-2", {}, { managed: "of nat_gateway" }),
    );
    const { planned, blocked, notOurs } = look("ours", OURS, contents, [thing("volume", "vol-1", OURS)]);
    assert.deepEqual([ids(planned), ids(blocked), ids(notOurs)], [["i-1", "vol-1"], ["vpc-1"], ["eni-1"]]);
    assert.deepEqual(
      ids(
        look(
          "ours",
          OURS,
          contents.filter(({ id }) => id !== "eni-1"),
        ).planned,
      ),
      ["i-1", "subnet-1", "nat-1", "vpc-1"],
    );
  });

  it("is made for the VPCs that are named, and refuses one that was not found", () => {
    const plan = [
      look("predecessor", LEGACY, inside(thing("subnet", "subnet-1")), [thing("key-pair", "key-1", LEGACY)]),
    ];
    assert.deepEqual(
      forVpcs(plan, ["vpc-1"]).flatMap(({ planned }) => ids(planned)),
      ["subnet-1", "vpc-1"],
    );
    assert.throws(() => forVpcs(plan, ["vpc-1", "vpc-9"]), {
      name: "E_USAGE",
      message: "vpc-9 is not among the predecessor's VPCs; nothing was deleted",
      next: "It left vpc-1 in us-west-2.",
    });
  });

  it("is not carried out where nobody can be asked, and says what to type", () => {
    const legacy = [look("predecessor", LEGACY, [])];
    const ours = [look("ours", OURS, [])];
    const refusal = (...args: Parameters<typeof refuseUnanswered>): string | undefined => {
      try {
        refuseUnanswered(...args);
        return undefined;
      } catch (error) {
        assert.equal((error as Error).name, "E_USAGE");
        return (error as { next: string }).next;
      }
    };
    assert.match(refusal("predecessor", legacy, "nobody", []) ?? "", /--vpc vpc-1 --yes/);
    assert.match(refusal("predecessor", legacy, "yes", []) ?? "", /--vpc vpc-1 --yes/);
    assert.match(refusal("predecessor", legacy, "nobody", ["vpc-1"]) ?? "", /--vpc vpc-1 --yes/);
    assert.equal(refusal("predecessor", legacy, "yes", ["vpc-1"]), undefined);
    assert.equal(refusal("predecessor", legacy, "person", []), undefined);
    assert.match(refusal("ours", ours, "nobody", []) ?? "", /give --yes/);
    assert.equal(refusal("ours", ours, "yes", []), undefined);
    assert.equal(refusal("ours", [{ ...ours[0]!, planned: [] }], "nobody", []), undefined, "nothing to ask about");
  });

  it("holds for what is still as it was", () => {
    const planned = thing("elastic-address", "eipalloc-1", { a: "1" }, { heldBy: "eni-1" });
    assert.equal(changedSince(planned, { tags: { a: "1" }, heldBy: "eni-1" }), undefined);
    assert.equal(changedSince(planned, { tags: { a: "1" } }), undefined, "free by now");
    assert.match(changedSince(planned, { tags: { a: "2" } }) ?? "", /its tags .*: a$/);
    assert.match(changedSince(planned, { tags: { a: "1", owner: "me" } }) ?? "", /owner$/);
    assert.match(changedSince(planned, { tags: { a: "1" }, heldBy: "eni-2" }) ?? "", /on eni-2 now/);
    assert.match(
      changedSince(planned, { tags: { a: "1" }, managed: "goes with its VPC" }) ?? "",
      /goes with its VPC now/,
    );
  });
});

describe("cleanup-vpcs between its question and its deletions", () => {
  const LEGACY = [{ Key: "ManagedBy", Value: "SpotDeployer" }];
  interface Account {
    vpcTags?: { Key: string; Value: string }[];
    interfaces?: object[];
  }

  /** A VPC of the predecessor's in an account that becomes another one while the question stands. */
  async function cleaned(later: Account): Promise<{ left: string[]; changes: string[] }> {
    let now: Account = { vpcTags: LEGACY };
    const changes: string[] = [];
    const vpcs = () => ({ Vpcs: [{ VpcId: "vpc-1", CidrBlock: "10.0.0.0/16", Tags: now.vpcTags ?? LEGACY }] });
    const answers: Record<string, () => object> = {
      DescribeRegions: () => ({ Regions: [{ RegionName: "us-west-2" }] }),
      DescribeVpcs: vpcs,
      DescribeSubnets: () => ({ Subnets: [{ SubnetId: "subnet-1", VpcId: "vpc-1" }] }),
      DescribeNetworkInterfaces: () => ({ NetworkInterfaces: now.interfaces ?? [] }),
    };
    const client = Object.assign(Object.create(EC2Client.prototype) as EC2Client, {
      config: {},
      send: ({ constructor: { name } }: object) => {
        const action = name.replace(/Command$/, "");
        if (!action.startsWith("Describe")) changes.push(action);
        return Promise.resolve(answers[action]?.() ?? {});
      },
    });
    const cloud = { ec2: () => client };
    const confirm = (): Promise<boolean> => {
      now = later;
      return Promise.resolve(true);
    };
    const session = {
      cloud,
      identity: { account: "123456789012" },
      lineage: "ours",
      target: { kind: "aws", isChosen: true },
      interrupts: neverInterrupted(),
      reporter: { emit: () => undefined, confirm },
    } as unknown as Session;
    const { left } = await cleanupVpcs(session, { legacy: true, dryRun: false });
    return { left: left.map(({ id, reason }) => `${id}: ${reason}`), changes };
  }

  it("deletes a VPC that is as it was", async () =>
    assert.deepEqual(await cleaned({}), { left: [], changes: ["DeleteSubnet", "DeleteVpc"] }));

  it("leaves one alone into which an interface came, and names it without a try", async () => {
    const { left, changes } = await cleaned({
      interfaces: [
        { NetworkInterfaceId: "eni-1", Status: "in-use", Description: "ELB app/web/1", RequesterManaged: true },
      ],
    });
    assert.deepEqual(changes, []);
    assert.match(
      left.join("\n"),
      /vpc-1: since the plan was made, network-interface eni-1 \(in-use, ELB app\/web\/1\) came into vpc-1/,
    );
  });

  it("leaves one alone that is somebody else's by now", async () => {
    const { left, changes } = await cleaned({ vpcTags: [{ Key: "ManagedBy", Value: "me" }] });
    assert.deepEqual(changes, []);
    assert.deepEqual(left, [
      "subnet-1: vpc-1: its tags are no longer those of the plan: ManagedBy",
      "vpc-1: subnet subnet-1 is still there",
    ]);
  });
});

describe("cleanup-vpcs with a gateway that AWS does not let go at once", () => {
  /** Cleans up a VPC whose gateway is detached by a first try that fails; answers the tries and what is left. */
  async function cleaned(
    attachedThen: string[],
    whenAsked: () => string[] = () => ["vpc-1"],
  ): Promise<{ left: string[]; tries: number }> {
    let attachedTo = ["vpc-1"];
    let tries = 0;
    const gateways = () => [
      { InternetGatewayId: "igw-1", Attachments: attachedTo.map((VpcId) => ({ VpcId, State: "available" })) },
    ];
    const answers: Record<string, (input: { Filters?: { Name: string; Values: string[] }[] }) => object> = {
      DescribeRegions: () => ({ Regions: [{ RegionName: "us-west-2" }] }),
      DescribeVpcs: () => ({ Vpcs: [{ VpcId: "vpc-1", Tags: [{ Key: "ManagedBy", Value: "SpotDeployer" }] }] }),
      DescribeInternetGateways: ({ Filters = [] }) => {
        const vpcs = Filters.find(({ Name }) => Name === "attachment.vpc-id")?.Values;
        const byTag = Filters.some(({ Name }) => Name.startsWith("tag"));
        const matching = vpcs === undefined || attachedTo.some((vpc) => vpcs.includes(vpc));
        return { InternetGateways: matching && !byTag ? gateways() : [] };
      },
      DetachInternetGateway: () => ((attachedTo = attachedThen), {}),
      DeleteInternetGateway: () => {
        tries += 1;
        if (tries === 1) throw Object.assign(new Error("later"), { name: "RequestLimitExceeded" });
        return {};
      },
    };
    const client = Object.assign(Object.create(EC2Client.prototype) as EC2Client, {
      config: {},
      send: async ({ constructor: { name }, input }: { constructor: { name: string }; input: object }) =>
        Promise.resolve(answers[name.replace(/Command$/, "")]?.(input) ?? {}),
    });
    const session = {
      cloud: { ec2: () => client },
      identity: { account: "123456789012" },
      lineage: "ours",
      target: { kind: "aws", isChosen: true },
      interrupts: neverInterrupted(),
      reporter: { emit: () => undefined, confirm: () => Promise.resolve(((attachedTo = whenAsked()), true)) },
    } as unknown as Session;
    const { left } = await cleanupVpcs(session, { legacy: true, dryRun: false });
    return { left: left.map(({ id, reason }) => `${id}: ${reason}`), tries };
  }

  it("deletes it all the same once it is detached", async () =>
    assert.deepEqual(await cleaned([]), { left: [], tries: 2 }));

  it("leaves it alone where somebody else detached it while the question stood", async () =>
    assert.deepEqual(await cleaned([], () => []), {
      left: ["igw-1: it was detached from vpc-1 meanwhile", "vpc-1: internet-gateway igw-1 is still there"],
      tries: 0,
    }));

  it("leaves it alone where it is another VPC's by now", async () =>
    assert.deepEqual(await cleaned(["vpc-2"]), {
      left: ["igw-1: it is attached to vpc-2 now", "vpc-1: internet-gateway igw-1 is still there"],
      tries: 1,
    }));
});

describe("what has changed about a thing since a plan was made", () => {
  const planned = { kind: "network-interface", region: "us-west-2", id: "eni-1", detail: "", tags: {} } as const;
  it("says by whom it is kept, or no longer is", () => {
    const managed = "ends with i-1";
    assert.equal(changedSince({ ...planned, managed }, { tags: {}, managed }), undefined);
    assert.equal(changedSince(planned, { tags: {}, managed }), "it ends with i-1 now");
    assert.equal(changedSince({ ...planned, managed }, { tags: {} }), "it is no longer as it was: ends with i-1");
  });
});
