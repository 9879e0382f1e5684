import assert from "node:assert/strict";
import { lifeOf, type NodeRecords } from "../../../../automation/ssh/records";

const DIGEST = "d".repeat(64);

function records(
  changes: {
    cloudInit?: Partial<NodeRecords["cloudInit"]>;
    deployment?: Partial<NodeRecords["deployment"]>;
    payloadDigest?: string;
  } = {},
): NodeRecords {
  return {
    bootId: "boot-1",
    cloudInit: { isDone: true, stage: null, errors: [], ...changes.cloudInit },
    payloadDigest: changes.payloadDigest ?? null,
    deployment: { isActive: false, steps: [], result: null, complete: null, ...changes.deployment },
  };
}

describe("where a node stands, by its own records", () => {
  it("is booting until cloud-init is done, so nothing is uploaded or installed while packages are (L1, L14)", () => {
    const booting = lifeOf(
      records({ cloudInit: { isDone: false, stage: "modules-config" }, payloadDigest: DIGEST }),
      DIGEST,
    );
    assert.deepEqual(booting, { state: "booting", waitingFor: "cloud-init (modules-config)" });
    assert.deepEqual(lifeOf(records(), DIGEST), { state: "fresh" });
  });

  it("has failed when cloud-init did, and says with what", () => {
    assert.deepEqual(lifeOf(records({ cloudInit: { errors: ["no such package"] } }), DIGEST), {
      state: "failed",
      reason: "cloud-init: no such package",
    });
  });

  it("is ready to be deployed only with the very payload that it should have (L12)", () => {
    assert.deepEqual(lifeOf(records({ payloadDigest: DIGEST }), DIGEST), { state: "uploaded" });
    assert.deepEqual(lifeOf(records({ payloadDigest: "e".repeat(64) }), DIGEST), { state: "fresh" });
  });

  it("is done only after another boot than the one that deployed it (L3)", () => {
    assert.equal(
      lifeOf(records({ deployment: { complete: { digest: DIGEST, bootId: "boot-1" } } }), DIGEST).state,
      "rebooting",
    );
    assert.equal(
      lifeOf(records({ deployment: { complete: { digest: DIGEST, bootId: "boot-0" } } }), DIGEST).state,
      "rebooted",
    );
  });

  it("has failed when its reboot could not be started: there is nothing to wait for (L17)", () => {
    const complete = { digest: DIGEST, bootId: "boot-1" };
    assert.deepEqual(lifeOf(records({ deployment: { complete, result: "exit-code" } }), DIGEST), {
      state: "failed",
      reason: "its reboot, which could not be started",
    });
    assert.equal(lifeOf(records({ deployment: { complete, result: "success" } }), DIGEST).state, "rebooting");
    assert.equal(
      lifeOf(records({ deployment: { complete: { ...complete, bootId: "boot-0" }, result: "exit-code" } }), DIGEST)
        .state,
      "rebooted",
    );
  });

  it("has failed with the step that failed, with a unit that ended without one, or with another payload", () => {
    const failed = { name: "units", status: "failed", detail: "late.service: a cycle" } as const;
    for (const [deployment, reason] of [
      [{ steps: [failed], result: "exit-code" }, "step units: late.service: a cycle"],
      [{ result: "timeout" }, "spot-deploy.service ended: timeout"],
      [
        { steps: [{ ...failed, status: "running" as const }] },
        "spot-deploy.service ended in the middle, at step units",
      ],
      [
        { complete: { digest: "e".repeat(64), bootId: "boot-0" } },
        "it was deployed with another payload (eeeeeeeeeeee…)",
      ],
    ] as const) {
      assert.deepEqual(
        lifeOf(
          records({ deployment: { ...deployment, steps: [...("steps" in deployment ? deployment.steps : [])] } }),
          DIGEST,
        ),
        { state: "failed", reason },
      );
    }
  });
});
