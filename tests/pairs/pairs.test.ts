import assert from "node:assert/strict";
import { FIRST_RUN_MS } from "../support/sandbox";
import { pairTrials } from "./trials";

describe("commands of plain Pulumi and of spot, one after the other", function () {
  this.timeout(FIRST_RUN_MS * 4);

  it("end nothing that the other made, and leave nothing to be done: a sample of `npm run test:pairs`", async () => {
    const lines: string[] = [];
    const { steps, failed } = await pairTrials({
      seed: 0,
      runs: 1,
      pairs: 2,
      atOnce: 1,
      tell: (line) => lines.push(line),
    });
    assert.deepEqual(failed, []);
    assert.equal(steps, 2, lines.join("\n"));
  });
});
