import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { KeptIngredients } from "../../../../automation/engine/kept-ingredients";
import { ingredientsFor, NOTHING_KNOWN, withIngredients, type Ingredients } from "../../../../fleet/plan/ingredients";

const ITEMS: Ingredients = { files: { "files/a": "0123" }, settings: { packages: "4567" } };
const NODES = ["w0.p.f.s0", "w1.p.f.s1", "w2.p.f.s2"];

describe("what nodes are made of, as it is kept", () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "spot-kept-"))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const kept = (): KeptIngredients => new KeptIngredients(path.join(dir, "deep", "ingredients.json"));

  it("comes back as it was, for its owner alone, and stands there once for nodes that are alike", () => {
    const known = withIngredients(NOTHING_KNOWN, NODES, ITEMS);
    kept().keep(known);
    assert.deepEqual(kept().read(), known);
    assert.equal(statSync(kept().file).mode & 0o777, 0o600);
    assert.equal(readFileSync(kept().file, "utf8").split("packages").length - 1, 1);
  });

  it("is nothing where there is none, or it cannot be read", () => {
    assert.deepEqual(kept().read(), NOTHING_KNOWN);
    kept().keep(withIngredients(NOTHING_KNOWN, NODES, ITEMS));
    writeFileSync(kept().file, "{");
    assert.deepEqual(kept().read(), NOTHING_KNOWN);
  });

  it("forgets what no node is made of any more", () => {
    const both = withIngredients(withIngredients(NOTHING_KNOWN, NODES, ITEMS), ["w.p.f9.s9"], ITEMS);
    assert.deepEqual(ingredientsFor(both, NODES), withIngredients(NOTHING_KNOWN, NODES, ITEMS));
  });
});
