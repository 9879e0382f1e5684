import assert from "node:assert/strict";
import { networksNow } from "../../../../../automation/operations/plan/network-now";
import type { RecordedPins } from "../../../../../automation/operations/plan/recorded-pins";
import type { Session } from "../../../../../automation/session";
import type { FleetConfig } from "../../../../../fleet/config";
import type { RegionPin } from "../../../../../fleet/model";

const REGION = "us-west-2";
const pinIn = (vpcId: string, ...securityGroups: string[]): RegionPin => ({
  network: "existing",
  vpcId,
  subnets: { [`${REGION}a`]: "subnet-1" },
  securityGroups,
});

describe("the networks that are kept", () => {
  /** @param networks as they are recorded; the first is that of the region */
  async function now(networks: RegionPin[], config: { network?: string; securityGroups?: string[] }, refused?: Error) {
    const asked: string[] = [];
    const told: string[] = [];
    const answers: Record<string, object> = {
      DescribeVpcs: { Vpcs: [{ VpcId: "vpc-2" }] },
      DescribeSecurityGroups: { SecurityGroups: [{ GroupId: "sg-1", GroupName: "web" }] },
    };
    const send = ({ constructor: { name } }: object): Promise<object> => {
      const action = name.replace(/Command$/, "");
      asked.push(action);
      return refused ? Promise.reject(refused) : Promise.resolve(answers[action] ?? {});
    };
    const reporter = { emit: ({ message }: { message: string }) => void told.push(message) };
    const session = { cloud: { ec2: () => ({ send }) }, reporter } as unknown as Session;
    const region = { name: REGION, count: 1, machineTypes: [], image: "auto" };
    const { regions, faults } = await networksNow(
      session,
      { regions: [region], network: "default", securityGroups: [], ...config } as unknown as FleetConfig,
      { regions: { [REGION]: networks[0] }, networks: { [REGION]: networks } } as unknown as RecordedPins,
    );
    return { pin: regions[REGION], fault: faults.get(REGION)?.code, asked, ...(told.length > 0 ? { told } : {}) };
  }

  it("have the groups that are configured, and AWS is asked only what a name stands for", async () => {
    const recorded = pinIn("vpc-1", "sg-1");
    for (const [securityGroups, expected, asked] of [
      [["web"], ["sg-1"], ["DescribeSecurityGroups"]],
      [["web", "sg-1"], ["sg-1"], ["DescribeSecurityGroups"]],
      [["sg-1"], ["sg-1"], []],
      [[], [], []],
    ] as const)
      assert.deepEqual(await now([recorded], { securityGroups: [...securityGroups] }), {
        pin: { ...recorded, securityGroups: expected },
        fault: undefined,
        asked,
      });
  });

  it("stay as they are recorded where a group is not there, or AWS does not tell", async () => {
    const recorded = pinIn("vpc-1", "sg-1");
    const missing = await now([recorded], { securityGroups: ["nobodys"] });
    assert.deepEqual([missing.pin, missing.fault], [recorded, "E_NETWORK"]);
    const denied = Object.assign(new Error("no"), { name: "UnauthorizedOperation" });
    const untold = await now([recorded], { securityGroups: ["web"] }, denied);
    assert.deepEqual(untold.pin, recorded);
    assert.equal(untold.fault, undefined, "an answer that did not come is no fault of the region");
    assert.match(untold.told?.join() ?? "", /^its security groups stay as they are recorded: .*UnauthorizedOperation/);
  });

  it("are, of two existing ones, that which is the default", async () => {
    const [first, second] = [pinIn("vpc-1"), pinIn("vpc-2")];
    assert.deepEqual(await now([first, second], {}), { pin: second, fault: undefined, asked: ["DescribeVpcs"] });
    assert.deepEqual(await now([first, second], { network: "vpc-1" }), { pin: first, fault: undefined, asked: [] });
  });

  it("are none that the configuration leaves", async () => {
    const recorded = pinIn("vpc-1", "sg-1");
    assert.deepEqual(await now([recorded], { network: "create" }), { pin: recorded, fault: undefined, asked: [] });
  });
});
