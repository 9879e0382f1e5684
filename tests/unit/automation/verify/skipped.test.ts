import assert from "node:assert/strict";
import { verify, type VerifyTarget } from "../../../../automation/verify/runner";
import { checks, type Check, type NodeExpectation, type Verdict } from "../../../../fleet/checks";
import { units } from "../../../../fleet/layout";

/** The whole list of a node with everything, each check of it judged as told: by default it holds. */
async function skippedOf(failing: string, verdict: Pick<Verdict, "severity" | "blocks"> = {}): Promise<string[]> {
  const list = checks.map(
    (check): Check => ({
      ...check,
      where: "node",
      applies: undefined,
      command: () => check.id,
      judge: () => ({ ok: check.id !== failing, expected: "", actual: "", severity: "fail", ...verdict }),
    }),
  );
  const connection = {
    isOpen: true,
    run: () => Promise.resolve({ code: 0, stdout: "", stderr: "" }),
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const target: VerifyTarget = {
    ref: { name: "us-west-2-0", region: "us-west-2", instanceId: "i-0a" },
    expectation: {} as NodeExpectation,
    cloud: {},
    connect: () => Promise.resolve(connection),
  };
  const { nodes } = await verify([target], { checks: list });
  const results = nodes[0]?.results ?? [];
  assert.deepEqual(
    results.filter(({ status }) => status === "failed").map(({ id }) => id),
    [failing],
  );
  return results.filter(({ because }) => because === failing).map(({ id }) => id);
}

const after = (id: string): string[] =>
  checks.slice(checks.findIndex((check) => check.id === id) + 1).map((check) => check.id);
const words = (text: string): string[] => text.split(" ").filter(Boolean);

/** What the deployment, the reboot and the startup make, of which nothing is there without them. */
const OF_STARTUP = "G1 G2 G3 G4 G5 G6";
const OF_WORKLOADS = "H2 H1 H4 H5 H7";
const OF_REBOOT = `F4 F6 F5 ${OF_STARTUP} F7 F8 ${OF_WORKLOADS} H6`;
const OF_DEPLOYMENT = `E3 E5 D4 F1 F2 F3 B5 ${OF_REBOOT}`;

/** By check, what is skipped when nothing of it holds; those that are not here skip nothing. */
const SKIPPED: Readonly<Record<string, string[]>> = {
  // Nobody can say anything of an instance that is not there, and nobody gets to a node without a way to it.
  A1: after("A1"),
  A2: after("A2"),
  A3: after("A6"),
  A4: after("A6"),
  B1: after("B1"),
  B2: after("B2"),
  B3: after("B3"),
  // A service that does not answer recommends nothing.
  B4: ["K4"],
  // Packages are not missing as long as they are being installed.
  C1: ["C4"],
  // Without the folder nothing was uploaded, and so nothing deployed.
  D1: words(`D5 D2 D3 D6 E2 E1 E4 ${OF_DEPLOYMENT}`),
  // What is run on the node to tell is itself not what was uploaded.
  D2: ["D6", "G3", "G6"],
  E2: words(OF_DEPLOYMENT),
  E1: ["E4"],
  B5: words(OF_REBOOT),
  F6: words(OF_STARTUP),
  F5: words(`F7 F8 ${OF_WORKLOADS}`),
  G1: ["G2", "G3", "G4", "G6"],
  G2: ["G3", "G6"],
  // It is computed with the identity that is there.
  G3: ["G6"],
  F7: words(OF_WORKLOADS),
  H2: ["H1", "H4"],
  H3: ["H4"],
};

describe("what a failed check keeps from being looked at", () => {
  for (const { id } of checks) {
    const expected = SKIPPED[id] ?? [];
    it(`${id}: ${expected.join(" ") || "nothing"}`, async () =>
      assert.deepEqual((await skippedOf(id)).sort(), [...expected].sort()));
  }

  describe("by what of it fails", () => {
    for (const [id, what, blocks, skipped] of [
      ["A4", "a rule that somebody added", [], ""],
      ["D1", "another owner of the folder", [], ""],
      ["F7", "the sensor that does not run", [units.sensor], "H5"],
      ["F7", "Bacalhau that does not run", [units.bacalhau], "H2 H1 H4"],
      ["F7", "the watcher that does not run", [units.interruption], "H7"],
    ] as const) {
      it(`${id}, ${what}: ${skipped || "nothing"}`, async () =>
        assert.deepEqual(await skippedOf(id, { blocks }), words(skipped)));
    }
  });
});
