import { sshRuleName } from "../../../../fleet/aws/network";
import assert from "node:assert/strict";
import { resourceChanges, resourceLines, type PlannedStep } from "../../../../fleet/plan/resource-changes";

const REGION = "us-west-2";
const RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";
const GROUP = "aws:ec2/securityGroup:SecurityGroup";
const VPC = "aws:ec2/vpc:Vpc";

function step(type: string, op: string, more: Partial<PlannedStep> = {}): PlannedStep {
  const name = more.name ?? REGION;
  return { urn: `urn:${type}::${name}`, type, name, op, inputs: { region: REGION }, keys: [], ...more };
}
const rule = (op: string, cidr: string): PlannedStep => {
  const inputs = { region: REGION, ...(cidr.includes(":") ? { cidrIpv6: cidr } : { cidrIpv4: cidr }) };
  return step(RULE, op, { name: `ssh-${cidr}`, inputs, ...(op === "create" ? {} : { before: inputs }) });
};
const group = step(GROUP, "same", { before: { region: REGION } });

describe("what the engine would do to the resources", () => {
  it("is told by kind, a replacement once, and neither what stays nor what exists in the record alone", () => {
    const before = { region: REGION };
    const changes = resourceChanges([
      step(VPC, "create", { name: "a" }),
      step(VPC, "update", { name: "b", before }),
      step(VPC, "create-replacement", { name: "c", before }),
      step(VPC, "delete-replaced", { name: "c", before }),
      step(VPC, "delete", { name: "d", before }),
      step(VPC, "same", { name: "e", before }),
      step("pulumi:providers:aws", "update", { before: {} }),
      step("spot-deployer:infra:SpotNode", "create"),
    ]);
    assert.deepEqual(
      changes.map(({ name, kind }) => [name, kind]),
      [
        ["a", "create"],
        ["b", "update"],
        ["c", "replace"],
        ["d", "delete"],
      ],
    );
  });

  it("comes in the same order whatever order the engine works in", () => {
    const steps = ["b", "a", "c"].map((name) => step(VPC, "create", { name }));
    assert.deepEqual(
      resourceChanges(steps).map(({ name }) => name),
      ["a", "b", "c"],
    );
  });

  it("names each property that differs, a tag by its key, and a secret where the provider names it", () => {
    const [change] = resourceChanges([
      step("aws:ec2/instance:Instance", "create-replacement", {
        before: { region: REGION, tags: { Name: "n", team: "red" }, ami: "ami-1", userData: "[secret]" },
        inputs: { region: REGION, tags: { Name: "n", cost: "7" }, ami: "ami-2", userData: "[secret]" },
        keys: ["userData", "ami", "tagsAll.cost", "tagsAll"],
      }),
    ]);
    assert.deepEqual(change?.properties, ["ami", "tags.cost", "tags.team", "userData"]);
  });

  const agreed = { region: REGION, cidrIpv4: "203.0.113.0/24" };
  const widened = {
    ...step(RULE, "update", { before: { region: REGION, cidrIpv4: "0.0.0.0/0" }, inputs: agreed }),
    name: sshRuleName(REGION, "203.0.113.0/24"),
  };
  for (const [what, steps, opens] of [
    ["a block beside others", [group, rule("same", "203.0.113.7/32"), rule("create", "0.0.0.0/0")], ["0.0.0.0/0"]],
    ["a block where none was", [group, rule("create", "198.51.100.0/24")], ["198.51.100.0/24"]],
    ["the first IPv6 block", [group, rule("same", "0.0.0.0/0"), rule("create", "2001:db8::/64")], ["2001:db8::/64"]],
    ["a block within another", [group, rule("same", "203.0.113.0/24"), rule("create", "203.0.113.7/32")], []],
    [
      "a block beside a rule of ours that somebody widened",
      [group, widened, rule("create", "198.51.100.0/24")],
      ["198.51.100.0/24"],
    ],
    ["a rule that goes", [group, rule("delete", "0.0.0.0/0")], []],
    ["the rules of a new region", [step(GROUP, "create"), rule("create", "0.0.0.0/0")], []],
  ] as const)
    it(`tells who may log in that could not: ${what}`, () => {
      assert.deepEqual(
        resourceChanges(steps).flatMap((change) => change.opens ?? []),
        opens,
      );
    });

  it("reads as one line for all that is alike, and as one of its own for an opened port", () => {
    const before = { region: REGION, tags: { team: "red" } };
    const inputs = { region: REGION, tags: { team: "blue" } };
    const lines = resourceLines(
      resourceChanges([
        step(VPC, "update", { before, inputs }),
        step("aws:ec2/subnet:Subnet", "update", { name: "a", before, inputs }),
        step("aws:ec2/subnet:Subnet", "update", { name: "b", before, inputs }),
        group,
        rule("create", "0.0.0.0/0"),
      ]),
    );
    assert.deepEqual(lines, [
      "update 2 Subnets and Vpc in us-west-2 (tags.team)",
      "create SecurityGroupIngressRule in us-west-2: lets 0.0.0.0/0 log in",
    ]);
  });
});
