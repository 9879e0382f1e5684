import assert from "node:assert/strict";
import fc from "fast-check";
import { asEngineSays, changesBetween, replacementBatches } from "../../../../fleet/plan/changes";
import type { KnownIngredients } from "../../../../fleet/plan/ingredients";
import type { DesiredNode, NodeChange, RecordedNode } from "../../../../fleet/plan/changes";
import type { NodePin } from "../../../../fleet/model";
import type { ChangeKind, ResourceChange } from "../../../../fleet/plan/resource-changes";

const pin: NodePin = {
  ami: "ami-a",
  pool: { region: "us-west-2", availabilityZone: "us-west-2a", instanceType: "t3.medium", market: "spot" },
};
const GENERATION = "w1.p1.f1.s1";
const desired = (ordinal: number, over: Partial<DesiredNode> = {}): DesiredNode => ({
  slot: { name: `us-west-2-${ordinal}`, homeRegion: "us-west-2", ordinal },
  pin,
  generation: GENERATION,
  ...over,
});
const recorded = (ordinal: number, over: Partial<RecordedNode> = {}): RecordedNode => ({
  name: `us-west-2-${ordinal}`,
  instanceId: `i-${ordinal}`,
  pin,
  generation: GENERATION,
  ...over,
});
const inPool = (pool: Partial<NodePin["pool"]>): NodePin => ({ ...pin, pool: { ...pin.pool, ...pool } });
const summary = (changes: NodeChange[]): [string, string, string?][] =>
  changes.map(({ name, kind, reason }) => (reason === undefined ? [name, kind] : [name, kind, reason]));

describe("changesBetween", () => {
  it("finds what to create, to keep and to delete", () => {
    assert.deepEqual(summary(changesBetween([desired(0), desired(1)], [recorded(2), recorded(0)])), [
      ["us-west-2-0", "same"],
      ["us-west-2-1", "create"],
      ["us-west-2-2", "delete", "not in the configuration"],
    ]);
  });

  it("names the files and settings that differ, three of a kind, and all of them as data", () => {
    const known: KnownIngredients = {
      files: {
        f1: { "files/a": "1", "files/b": "1", "files/c": "1" },
        f0: { "files/a": "0", "files/d": "0", "files/e": "0" },
      },
      settings: { s1: { packages: "1" }, s0: { packages: "0" } },
    };
    const [change] = changesBetween([desired(0)], [recorded(0, { generation: "w0.p1.f0.s0" })], known);
    assert.ok(change);
    assert.equal(
      change.reason,
      "your files changed (files/a, files/b added, files/c added, and 2 more), configuration changed (packages)",
    );
    assert.deepEqual(
      change.differences?.files?.map(({ name, how }) => `${name} ${how}`),
      ["files/a changed", "files/b added", "files/c added", "files/d removed", "files/e removed"],
    );
    assert.deepEqual(change.differences.settings, [{ name: "packages", how: "changed" }]);
  });

  const reasons: [what: Partial<RecordedNode>, reason: string][] = [
    [{ generation: "w0.p0.f1.s1" }, "new program version"],
    [{ generation: "w0.p1.f0.s1" }, "your files changed"],
    [{ generation: "w0.p1.f1.s0" }, "configuration changed"],
    [{ generation: "w0.p0.f0.s0" }, "new program version, your files changed, configuration changed"],
    // How user data is rendered is in nobody's share.
    [{ generation: "w0.p1.f1.s1" }, "new program version"],
    // Of an earlier version.
    [{ generation: "883a99ee60985402" }, "new program version"],
    [{ pin: { ...pin, ami: "ami-b" }, generation: "883a99ee60985402" }, "AMI ami-b -> ami-a, new program version"],
    [{ pin: { ...pin, ami: "ami-b" }, generation: "w0.p1.f1.s1" }, "AMI ami-b -> ami-a"],
    [{ pin: { ...pin, ami: "ami-b" }, generation: "w0.p1.f0.s1" }, "AMI ami-b -> ami-a, your files changed"],
    [{ pin: { ...pin, ami: "ami-b" } }, "AMI ami-b -> ami-a"],
    [{ pin: inPool({ instanceType: "t3.small" }) }, "machine type t3.small -> t3.medium"],
    [{ pin: inPool({ market: "on-demand" }) }, "market on-demand -> spot"],
    [
      { pin: inPool({ region: "us-east-1", availabilityZone: "us-east-1b" }) },
      "region us-east-1 -> us-west-2, zone us-east-1b -> us-west-2a",
    ],
    [
      { pin: inPool({ instanceType: "t3.small" }), generation: "w0.p1.f1.s0" },
      "machine type t3.small -> t3.medium, configuration changed",
    ],
  ];
  for (const [was, reason] of reasons) {
    it(`replaces, and says why: ${reason}`, () => {
      const [change] = changesBetween([desired(0)], [recorded(0, was)]);
      assert.ok(change);
      assert.deepEqual([change.kind, change.reason], ["replace", reason]);
      assert.equal(change.from?.instanceId, "i-0");
      assert.equal(change.to?.generation, GENERATION);
    });
  }

  it("names each node once, and changes nothing when all is as desired", () => {
    const ordinals = fc.uniqueArray(fc.nat(30));
    fc.assert(
      fc.property(ordinals, ordinals, (want, have) => {
        const changes = changesBetween(
          want.map((n) => desired(n)),
          have.map((n) => recorded(n)),
        );
        assert.equal(changes.length, new Set([...want, ...have]).size);
        assert.equal(changes.filter(({ kind }) => kind === "same").length, want.filter((n) => have.includes(n)).length);
      }),
    );
  });
});

describe("replacementBatches", () => {
  const replacing = (count: number): NodeChange[] =>
    changesBetween(
      Array.from({ length: count }, (_, i) => desired(i)),
      Array.from({ length: count }, (_, i) => recorded(i, { generation: "g0" })),
    );
  const sizes = (batches: string[][]): number[] => batches.map((batch) => batch.length);

  it("begins with one canary and goes on with the share allowed, rounded down", () => {
    assert.deepEqual(sizes(replacementBatches(replacing(10), "25%", 10)), [1, 2, 2, 2, 2, 1]);
    assert.deepEqual(sizes(replacementBatches(replacing(10), 4, 10)), [1, 4, 4, 1]);
    assert.deepEqual(sizes(replacementBatches(replacing(3), "100%", 3)), [1, 2]);
  });

  it("always allows one", () => {
    assert.deepEqual(sizes(replacementBatches(replacing(3), "25%", 3)), [1, 1, 1]);
  });

  it("counts the share of the fleet, not of what is replaced", () => {
    assert.deepEqual(sizes(replacementBatches(replacing(5), "50%", 8)), [1, 4]);
  });

  it("holds replacements only, and is empty without any", () => {
    const mixed = changesBetween(
      [desired(0), desired(1), desired(2)],
      [recorded(1), recorded(2, { generation: "g0" }), recorded(3)],
    );
    assert.deepEqual(replacementBatches(mixed, 1, 3), [["us-west-2-2"]]);
    assert.deepEqual(replacementBatches([], 1, 3), []);
  });

  it("never takes more than allowed, and takes each once", () => {
    fc.assert(
      fc.property(fc.nat(50), fc.integer({ min: 1, max: 100 }), fc.boolean(), (count, allowed, percent) => {
        const changes = replacing(count);
        const batches = replacementBatches(changes, percent ? `${allowed}%` : allowed, count);
        const limit = Math.max(1, percent ? (count * allowed) / 100 : allowed);
        assert.ok(batches.every((batch) => batch.length > 0 && batch.length <= limit));
        assert.deepEqual(
          batches.flat(),
          changes.map(({ name }) => name),
        );
        assert.ok(count === 0 || batches[0]?.length === 1);
      }),
    );
  });
});

describe("asEngineSays", () => {
  const said = (kind: ChangeKind, ...properties: string[]): ResourceChange => ({
    urn: "urn",
    type: "aws:ec2/instance:Instance",
    name: "us-west-2-0-spot",
    kind,
    properties,
  });
  const same = changesBetween([desired(0)], [recorded(0)]);
  const ours = changesBetween([desired(0)], [recorded(0, { generation: "w0.p1.f0.s1" })]);
  const cases: [what: string, changes: NodeChange[], engine: ResourceChange[], expected: [string, string, string?]][] =
    [
      ["nothing", same, [], ["us-west-2-0", "same"]],
      ["an update in place", same, [said("update", "tags.a", "tags.b")], ["us-west-2-0", "update", "tags.a, tags.b"]],
      ["other groups", same, [said("update", "vpcSecurityGroupIds")], ["us-west-2-0", "update", "security groups"]],
      [
        "another network",
        same,
        [said("replace", "subnetId", "vpcSecurityGroupIds")],
        ["us-west-2-0", "replace", "network changed"],
      ],
      [
        "a replacement of the provider's",
        same,
        [said("replace", "tags.a")],
        ["us-west-2-0", "replace", "AWS's provider replaces it: tags.a"],
      ],
      [
        "a new instance beside the old one's end",
        same,
        [said("create"), said("delete")],
        ["us-west-2-0", "replace", "AWS's provider replaces it"],
      ],
      ["what we replace", ours, [said("replace", "userData")], ["us-west-2-0", "replace", "your files changed"]],
      // A configured node is never changed in place: its turn gives it a launch of its own.
      ["less than we do", ours, [said("update", "tags.a")], ["us-west-2-0", "replace", "your files changed"]],
    ];
  for (const [what, changes, engine, expected] of cases)
    it(`takes the engine's word with our reason: ${what}`, () => {
      assert.deepEqual(summary(asEngineSays(changes, new Map([["us-west-2-0", engine]]))), [expected]);
    });
});
