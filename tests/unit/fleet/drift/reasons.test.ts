import assert from "node:assert/strict";
import { driftExplanations, explained, withStopped } from "../../../../fleet/drift/reasons";
import type { FoundDrift } from "../../../../fleet/drift/types";
import type { DesiredNode, NodeChange, RecordedNode } from "../../../../fleet/plan/changes";
import { resourceChanges, type PlannedStep } from "../../../../fleet/plan/resource-changes";

const REGION = "us-west-2";
const drift = (more: Partial<FoundDrift>): FoundDrift => ({
  region: REGION,
  kind: "instance",
  id: "i-1",
  was: "running",
  is: "stopped",
  heals: "",
  properties: [],
  inTheWay: [],
  ...more,
});
const change = (name: string, kind: NodeChange["kind"], reason?: string): NodeChange =>
  ({ name, kind, reason, from: {} as RecordedNode, to: {} as DesiredNode }) as NodeChange;
const told = (changes: NodeChange[]) => changes.map(({ name, kind, reason }) => [name, kind, reason]);
const STOPPED = "drift: instance i-1 was stopped outside this tool";

describe("what was done outside in a plan", () => {
  it("replaces a node that stands still, and no other", () => {
    const changes = ["a", "b"].map((name) => change(name, "same"));
    assert.deepEqual(told(withStopped(changes, [drift({ node: "a" }), drift({ node: "b", is: "running" })])), [
      ["a", "replace", STOPPED],
      ["b", "same", undefined],
    ]);
  });

  it("replaces what stands still before it takes away what runs", () => {
    const changes = ["a", "b", "c"].map((name) => change(name, "replace", "your files changed"));
    const names = withStopped(changes, [drift({ node: "c" })]).map(({ name }) => name);
    assert.deepEqual(names, ["c", "a", "b"]);
  });

  const groups = drift({ node: "a", kind: "security-groups", was: "sg-1", is: "sg-2" });
  const GROUPS = "drift: security groups were changed outside this tool: sg-1 became sg-2";
  const cases: [what: string, given: NodeChange, found: FoundDrift, reason: string | undefined][] = [
    ["names groups that were changed", change("a", "update", "security groups"), groups, GROUPS],
    ["adds to what else is changed", change("a", "update", "tags.team"), groups, `tags.team, ${GROUPS}`],
    [
      "adds to what else replaces a node",
      change("a", "replace", "machine type"),
      drift({ node: "a" }),
      `machine type, ${STOPPED}`,
    ],
    ["says it once", change("a", "replace", STOPPED), drift({ node: "a" }), STOPPED],
    ["says why a node is made", change("a", "create"), drift({ node: "a", is: null }), "drift: instance i-1 is gone"],
    ["says nothing of a node that stays", change("a", "same"), groups, undefined],
    [
      "says nothing of a node that goes",
      change("a", "delete", "not in the configuration"),
      groups,
      "not in the configuration",
    ],
    ["says nothing of another node", change("b", "update", "tags.team"), groups, "tags.team"],
  ];
  for (const [what, given, found, reason] of cases)
    it(what, () => assert.deepEqual(told(explained([given], [found])), [[given.name, given.kind, reason]]));

  const step = (op: string): PlannedStep => {
    const type = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
    const inputs = { region: REGION, cidrIpv4: "203.0.113.0/24" };
    return { urn: "urn:1", type, name: "n", op, inputs, keys: [], ...(op === "create" ? {} : { before: inputs }) };
  };
  const group: PlannedStep = {
    urn: "urn:0",
    type: "aws:ec2/securityGroup:SecurityGroup",
    name: "g",
    op: "same",
    inputs: {},
    before: { region: REGION },
    keys: [],
  };

  it("is the reason of a resource's change, with the properties that were changed", () => {
    const why = driftExplanations([drift({ kind: "rule", urn: "urn:1", was: "A", is: "B", properties: ["cidrIpv4"] })]);
    const [update] = resourceChanges([step("update")], why);
    assert.deepEqual(
      [update?.reason, update?.properties],
      ["drift: rule was changed outside this tool: A became B", ["cidrIpv4"]],
    );
    assert.equal(resourceChanges([step("update")])[0]?.reason, undefined);
  });

  it("opens nothing that was agreed to before it was removed", () => {
    const opens = (agreed?: ReadonlyMap<string, string[]>) =>
      resourceChanges([group, step("create")], undefined, agreed).map((one) => one.opens);
    assert.deepEqual(opens(), ["203.0.113.0/24"]);
    assert.deepEqual(opens(new Map([[REGION, ["203.0.113.0/24"]]])), [undefined]);
    assert.deepEqual(opens(new Map([[REGION, ["203.0.113.0/25"]]])), ["203.0.113.0/24"]);
    assert.deepEqual(opens(new Map([["eu-west-1", ["203.0.113.0/24"]]])), ["203.0.113.0/24"]);
  });
});
