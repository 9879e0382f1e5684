import assert from "node:assert/strict";
import { naturalCompare, capitalized, pluralize } from "../../../../fleet/text/words";

describe("words", () => {
  it("count: one of a thing, and more", () => {
    assert.deepEqual(
      [pluralize(0, "node"), pluralize(1, "node"), pluralize(2, "node")],
      ["0 nodes", "1 node", "2 nodes"],
    );
    assert.deepEqual(
      [pluralize(1, "process", "processes"), pluralize(3, "process", "processes")],
      ["1 process", "3 processes"],
    );
  });

  it("begin a sentence", () => {
    assert.equal(capitalized("the run ended"), "The run ended");
    assert.equal(capitalized(""), "");
  });

  it("puts names in the order in which people count", () => {
    assert.deepEqual(["us-west-2-10", "us-west-2-2", "eu-west-1-0"].sort(naturalCompare), [
      "eu-west-1-0",
      "us-west-2-2",
      "us-west-2-10",
    ]);
  });
});
