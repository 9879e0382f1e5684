import assert from "node:assert/strict";
import type { CheckResult, NodeVerification } from "../../../../automation/verify/result";
import { combined } from "../../../../automation/verify/scope";
import { outside, spot, type Step } from "../../../../fleet/steps";

/** A node with one check that ended so, and one behind it that failed because of it. */
const node = (name: string, step: Step | undefined, status: CheckResult["status"] = "failed"): NodeVerification => ({
  node: name,
  region: "us-west-2",
  instanceId: "i-1",
  results: [
    { id: "A", title: "a", phase: "files", status: "ok", milliseconds: 1 },
    { id: "B", title: "b", phase: "files", status, ...(step ? { step } : {}), milliseconds: 1 },
    { id: "C", title: "c", phase: "files", status: "failed", step: spot("debug", name), milliseconds: 1 },
  ],
  isVerified: false,
  outcome: "failed",
  isWhole: true,
  milliseconds: 3,
});
const stepOf = (...nodes: NodeVerification[]): Step | undefined =>
  combined(nodes, { fleet: nodes.map(({ node: name }) => name) }).step;

describe("the step of a whole verification", () => {
  it("is that of the first failure, which is the cause of the others", () => {
    assert.deepEqual(stepOf(node("a", spot("replace", "a"))), spot("replace", "a"));
    assert.deepEqual(
      stepOf(node("a", outside("log-in", spot("verify")), "unknown")),
      outside("log-in", spot("verify")),
    );
  });

  it("replaces several nodes by one command", () => {
    assert.deepEqual(stepOf(node("a", spot("replace", "a")), node("b", spot("replace", "b"))), spot("repair"));
  });

  it("is what all have in common, or the first of several", () => {
    assert.deepEqual(stepOf(node("a", spot("up")), node("b", spot("up"))), spot("up"));
    assert.deepEqual(stepOf(node("a", spot("up")), node("b", spot("replace", "b"))), spot("up"));
  });

  it("is none where nothing failed", () => {
    const well = { ...node("a", undefined), results: [], isVerified: true, outcome: "verified" as const };
    assert.equal(stepOf(well), undefined);
    assert.equal("step" in combined([well], { fleet: ["a"] }), false);
  });
});
