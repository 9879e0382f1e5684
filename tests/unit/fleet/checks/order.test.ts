import assert from "node:assert/strict";
import { checks } from "../../../../fleet/checks";

/**
 * By check, what can make it fail: the checks that would fail before it, and because of which it does. None of the first
 * is caused by anything that is looked at here.
 */
const CAUSES: Readonly<Record<string, string>> = {
  A1: "",
  A2: "A1",
  A3: "A2",
  A4: "A2",
  A5: "A2",
  A6: "A2",
  // The way to the node.
  B1: "A2 A3 A4",
  B2: "B1",
  B3: "B2",
  B4: "B3",
  B6: "B3",
  B7: "A3 B3",
  K1: "B3",
  K4: "B4",
  // Its first boot: a package that cannot be fetched, a full disk, other user data.
  C3: "B3",
  C1: "B7 C3",
  C2: "B7 C1 C3 K1",
  C5: "C1",
  C4: "B7 C1 C2 C3 C5 K1",
  C6: "C1",
  C7: "C1 C2 C3",
  // The upload, which needs the folder that cloud-init makes last.
  D1: "C1 C2 C3",
  D5: "D1",
  D2: "D1 D5 K1",
  D3: "D1 D5",
  D6: "D2",
  // The deployment, and what its steps make.
  E2: "B7 C1 C2 C4 D1 D2 D6 K1",
  E1: "D1 E2",
  E3: "D5 E1 E2",
  E4: "E1 E2",
  E5: "D2 E1 E2",
  D4: "E1 E2",
  F1: "D5 E1 E2",
  F2: "F1",
  F3: "E1 E2 F1",
  // The reboot that it asks for, and what the system makes of the units.
  B5: "C1 C2 E1 E2 E3",
  F4: "B5 F1 F2",
  F9: "F4 K1",
  K2: "K1",
  F6: "B4 B5 B6 C4 D2 D6 E5 F1 F2 F3 F4 K1 K2",
  F5: "B5 F3 F4 F6 K2",
  // What the startup makes.
  G1: "B4 F5 F6 K1",
  G2: "B4 G1",
  G3: "D2 G1 G2",
  G4: "G1 G2",
  G5: "F5 F6",
  G6: "F5 F6 G1 G2 G3 G5",
  // The workloads.
  H3: "B7",
  F7: "D2 D4 F1 F2 F3 F4 F5 F6 F9 G1 G5 H3 K1 K2",
  F8: "F7 G5 H3 K1 K2",
  F10: "F7 F8 K1 K2",
  H2: "F7 F8 G5 K2",
  H1: "H2",
  H4: "G5 H1 H2 H3",
  H5: "D4 F7 F8 G1 K1",
  H7: "B4 F7 F8",
  H6: "A6 B5 C1 F3 F4 F5 K2",
  K3: "C5",
};

describe("the order of the checks", () => {
  const place = new Map(checks.map(({ id }, n) => [id, n]));

  for (const [id, causes] of Object.entries(CAUSES)) {
    it(`${id} stands behind all that can make it fail: ${causes || "nothing"}`, () => {
      for (const cause of causes.split(" ").filter(Boolean))
        assert.ok(
          (place.get(cause) ?? assert.fail(cause)) < (place.get(id) ?? assert.fail(id)),
          `${cause} causes ${id}`,
        );
    });
  }

  it("is thought through for every check", () =>
    assert.deepEqual(
      Object.keys(CAUSES),
      checks.map(({ id }) => id),
    ));

  it("has what a check needs, or comes after, before it", () => {
    for (const { id, needs, after = [] } of checks)
      for (const earlier of [...needs, ...after])
        assert.ok((place.get(earlier) ?? assert.fail(earlier)) < place.get(id)!, `${earlier} comes before ${id}`);
  });

  it("a need is a cause as well: nothing is skipped because of what has nothing to do with it", () => {
    const causesOf = (id: string, known = new Set<string>()): Set<string> => {
      for (const cause of (CAUSES[id] ?? "").split(" ").filter((one) => one !== "" && !known.has(one)))
        causesOf(cause, known.add(cause));
      return known;
    };
    for (const { id, needs } of checks)
      for (const need of needs) assert.ok(causesOf(id).has(need), `${id} needs ${need}`);
  });
});
