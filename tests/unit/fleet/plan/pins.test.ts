import assert from "node:assert/strict";
import { placed } from "../../../../fleet/plan/pins";
import type { NodePin, Pins, RegionPin } from "../../../../fleet/model";

const REGION = "us-west-2";
const nodeIn = (zone: string): NodePin => ({
  ami: "ami-1",
  pool: { region: REGION, availabilityZone: `${REGION}${zone}`, instanceType: "t3.medium", market: "spot" },
});
const existing = (subnets: Record<string, string>, vpcId = "vpc-1"): RegionPin => ({
  network: "existing",
  vpcId,
  subnets,
  securityGroups: [],
});

describe("a node that goes to another zone", () => {
  const moved = (decided: RegionPin | undefined, offered: RegionPin) =>
    placed({ nodes: {}, regions: decided ? { [REGION]: decided } : {} } as unknown as Pins, `${REGION}-0`, {
      node: nodeIn("b"),
      region: offered,
    });

  it("finds the zone's subnet in an existing network, where those in use stay as they are", () => {
    const { nodes, regions } = moved(
      existing({ "us-west-2a": "s-1" }),
      existing({ "us-west-2a": "s-9", "us-west-2b": "s-2" }),
    );
    assert.deepEqual(nodes, { [`${REGION}-0`]: nodeIn("b") });
    assert.deepEqual(regions, { [REGION]: existing({ "us-west-2a": "s-1", "us-west-2b": "s-2" }) });
  });

  it("gets the network that is offered where none is decided, and no other where one is", () => {
    const offered = existing({ "us-west-2b": "s-2" }, "vpc-2");
    const made: RegionPin = { network: "create", availabilityZones: ["us-west-2a", "us-west-2b"], securityGroups: [] };
    assert.deepEqual(moved(undefined, offered).regions, { [REGION]: offered });
    assert.deepEqual(moved(made, offered).regions, { [REGION]: made });
  });
});
