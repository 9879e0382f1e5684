import assert from "node:assert/strict";
import { stateOf } from "../../../../../automation/engine/state";
import { withGroup } from "../../../../../fleet/plan/pins";
import { recordedPins, withFormer } from "../../../../../automation/operations/plan/recorded-pins";
import type { NodePin, Pins, RegionPin } from "../../../../../fleet/model";
import { parsePins } from "../../../../../fleet/plan/stack-config";

const REGION = "us-west-2";
const [FIRST, SECOND] = [`${REGION}-0`, `${REGION}-1`] as const;
const DEFAULT = "vpc-default";

interface Entry {
  urn: string;
  custom: boolean;
  id: string;
  inputs: object;
  outputs: object;
}

const entry = (type: string, name: string, id: string, inputs: object, outputs: object = {}): Entry => ({
  urn: `urn:pulumi:s::spot-deployer::x:y:Z$aws:${type}::${name}`,
  custom: true,
  id,
  inputs: { region: REGION, ...inputs },
  outputs,
});
const group = (name: string, id: string, vpcId: string): Entry =>
  entry("ec2/securityGroup:SecurityGroup", name, id, { vpcId });
const node = (name: string, subnetId: string, groups: string[], zone = "a"): Entry =>
  entry(
    "ec2/instance:Instance",
    `${name}-spot`,
    `i-${name}`,
    {
      ami: "ami-1",
      instanceType: "t3.medium",
      subnetId,
      vpcSecurityGroupIds: groups,
      tags: { "spot-deployer:node": name },
    },
    { availabilityZone: `${REGION}${zone}` },
  );
const MADE = [
  entry("ec2/vpc:Vpc", REGION, "vpc-made", {}),
  entry("ec2/subnet:Subnet", `${REGION}a`, "subnet-a", { availabilityZone: `${REGION}a` }),
  entry("ec2/subnet:Subnet", `${REGION}b`, "subnet-b", { availabilityZone: `${REGION}b` }),
  group(REGION, "sg-made", "vpc-made"),
];
const state = (...resources: Entry[]) => stateOf({ deployment: { resources } });
/** The first node has moved from the network that was made to the default one, the second waits. */
const HALF = state(
  ...MADE,
  group(`${REGION}-2`, "sg-2", DEFAULT),
  node(FIRST, "subnet-d", ["sg-2", "sg-users"], "c"),
  node(SECOND, "subnet-b", ["sg-made"], "b"),
);
const made: RegionPin = { network: "create", availabilityZones: [`${REGION}a`, `${REGION}b`], securityGroups: [] };
const existing: RegionPin = {
  network: "existing",
  vpcId: DEFAULT,
  subnets: { [`${REGION}c`]: "subnet-d" },
  securityGroups: ["sg-users"],
  group: `${REGION}-2`,
};

describe("the pins of a region whose nodes move to another network", () => {
  it("are of the network that the configuration asks for, if one is recorded, and of the other else", () => {
    assert.deepEqual(recordedPins(HALF, "default").regions, { [REGION]: existing });
    assert.deepEqual(recordedPins(HALF, DEFAULT).regions, { [REGION]: existing });
    assert.deepEqual(recordedPins(HALF, "create").regions, { [REGION]: made });
    const before = state(...MADE, group(`${REGION}-2`, "sg-2", DEFAULT), node(FIRST, "subnet-a", ["sg-made"]));
    assert.deepEqual(recordedPins(before, "default").regions, { [REGION]: made });
  });

  it("know each node by the network that it stands in, whatever is asked for", () => {
    for (const wanted of ["default", "create", "vpc-other"])
      assert.deepEqual(recordedPins(HALF, wanted).standsIn, { [FIRST]: existing, [SECOND]: made });
  });

  it("tell two existing networks apart by the fleet's group in each", () => {
    const both = state(
      group(REGION, "sg-1", DEFAULT),
      group(`${REGION}-2`, "sg-2", "vpc-other"),
      node(FIRST, "subnet-o", ["sg-2"]),
      node(SECOND, "subnet-d", ["sg-1", "sg-users"]),
    );
    const { regions, networks, standsIn } = recordedPins(both, "vpc-other");
    const pin = regions[REGION] ?? assert.fail();
    assert.deepEqual(pin, {
      network: "existing",
      vpcId: "vpc-other",
      subnets: { [`${REGION}a`]: "subnet-o" },
      securityGroups: [],
      group: `${REGION}-2`,
    });
    assert.equal(networks[REGION]?.length, 2);
    assert.deepEqual([standsIn[FIRST], standsIn[SECOND]?.group], [pin, undefined]);
  });
});

describe("the name of the fleet's group in a network", () => {
  const { groups } = recordedPins(HALF, "default");
  const other: RegionPin = { network: "existing", vpcId: "vpc-other", subnets: {}, securityGroups: [] };

  it("is the region's, where nothing is recorded", () => {
    assert.equal(withGroup(made, REGION), made);
    assert.equal(withGroup(other, REGION, []).group, undefined);
  });

  it("stays as it is recorded, and is one that no other network's group has for a new one", () => {
    assert.equal(withGroup(made, REGION, groups[REGION]).group, undefined);
    assert.equal(withGroup({ ...existing, group: undefined }, REGION, groups[REGION]).group, `${REGION}-2`);
    assert.equal(withGroup(other, REGION, groups[REGION]).group, `${REGION}-3`);
    assert.equal(withGroup(other, REGION, [{ name: `${REGION}-2`, network: DEFAULT }]).group, undefined);
  });
});

describe("a node that waits to move to another network", () => {
  const pinOf = (zone: string): NodePin => ({
    ami: "ami-2",
    pool: { region: REGION, availabilityZone: `${REGION}${zone}`, instanceType: "t3.medium", market: "spot" },
  });
  const pins: Pins = {
    version: 1,
    regions: { [REGION]: existing },
    nodes: { [FIRST]: pinOf("c"), [SECOND]: pinOf("c") },
    launches: {},
    unplaced: {},
    ssh: { allow: [], callers: [], publicKey: "" },
  };

  it("is declared where it stands until its turn comes, which the settings keep", () => {
    const waiting = withFormer(pins, HALF, new Set());
    assert.deepEqual(waiting.former, {
      [REGION]: [{ network: made, nodes: { [SECOND]: { ...pinOf("b"), ami: "ami-1" } } }],
    });
    assert.deepEqual(parsePins(JSON.parse(JSON.stringify(waiting))), waiting);
    assert.deepEqual(withFormer(waiting, HALF, new Set([`i-${SECOND}`])), pins);
  });

  it("is none that goes, and none where all stand in one network", () => {
    assert.deepEqual(withFormer({ ...pins, nodes: { [FIRST]: pinOf("c") } }, HALF, new Set()).former, undefined);
    const settled = state(group(REGION, "sg-2", DEFAULT), node(FIRST, "subnet-d", ["sg-2"], "c"));
    assert.deepEqual(withFormer(pins, settled, new Set()).former, undefined);
  });
});
