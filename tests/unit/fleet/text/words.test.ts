import assert from "node:assert/strict";
import { byName, capitalized, counted } from "../../../../fleet/text/words";

describe("words", () => {
  it("count: one of a thing, and more", () => {
    assert.deepEqual([counted(0, "node"), counted(1, "node"), counted(2, "node")], ["0 nodes", "1 node", "2 nodes"]);
    assert.deepEqual(
      [counted(1, "process", "processes"), counted(3, "process", "processes")],
      ["1 process", "3 processes"],
    );
  });

  it("begin a sentence", () => {
    assert.equal(capitalized("the run ended"), "The run ended");
    assert.equal(capitalized(""), "");
  });

  it("puts names in the order in which people count", () => {
    assert.deepEqual(["us-west-2-10", "us-west-2-2", "eu-west-1-0"].sort(byName), [
      "eu-west-1-0",
      "us-west-2-2",
      "us-west-2-10",
    ]);
  });
});
