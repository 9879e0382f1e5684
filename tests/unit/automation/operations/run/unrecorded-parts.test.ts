import assert from "node:assert/strict";
import { unrecordedParts } from "../../../../../automation/operations/run/unrecorded-parts";
import type { Session } from "../../../../../automation/session";
import type { NetworkPart } from "../../../../../cloud/resources/network-parts";
import { AwsType } from "../../../../../fleet/aws/resource-types";

const GROUP = "sg-1";
const part = (id: string, more: Partial<NetworkPart>): NetworkPart => ({
  kind: "rule",
  region: "us-west-2",
  holder: GROUP,
  id,
  isOurs: false,
  remove: () => Promise.resolve(),
  ...more,
});
const PARTS = [
  part("sgr-ours", { isOurs: true }),
  part("sgr-aws", { isDefault: true }),
  part("sgr-theirs", {}),
  part("sgr-elsewhere", { isDefault: true, holder: "sg-2" }),
];

function unrecorded(...resources: { type: string; id: string; inputs: object }[]): string[] {
  const session = { state: { resources } } as unknown as Session;
  return unrecordedParts(session, PARTS).map(({ id }) => id!);
}

const group = { type: AwsType.securityGroup, id: GROUP, inputs: {} };
const rule = (type: string, id: string) => ({ type, id, inputs: { securityGroupId: GROUP } });

describe("parts of a group that the record does not have", () => {
  it("are those such as ours, and AWS's own while the group has no way out of ours", () => {
    assert.deepEqual(unrecorded(group), ["sgr-ours", "sgr-aws"]);
    assert.deepEqual(unrecorded(group, rule(AwsType.ingressRule, "sgr-in")), ["sgr-ours", "sgr-aws"]);
  });

  it("are nothing that somebody may have added to a finished group", () => {
    assert.deepEqual(unrecorded(group, rule(AwsType.egressRule, "sgr-out")), ["sgr-ours"]);
    assert.deepEqual(unrecorded(group, rule(AwsType.egressRule, "sgr-ours")), []);
  });

  it("are nothing that the nodes of a group may go out by", () => {
    const node = { type: AwsType.instance, id: "i-1", inputs: { vpcSecurityGroupIds: [GROUP] } };
    assert.deepEqual(unrecorded(group, node), ["sgr-ours"]);
  });

  it("are none of a group that is not the fleet's", () => {
    assert.deepEqual(unrecorded(), []);
  });
});
