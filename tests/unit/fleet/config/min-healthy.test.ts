import assert from "node:assert/strict";
import { enoughNodes } from "../../../../fleet/config/min-healthy";

describe("how many nodes are enough", () => {
  it("is a number as it stands, or a percentage rounded up", () =>
    assert.deepEqual(
      [2, 5, 99, "75%", "1%", "0%", "100%"].map((share) => enoughNodes(share, 5)),
      [2, 5, 99, 4, 1, 0, 5],
    ));
});
