import assert from "node:assert/strict";
import { FIRST_RUN_MS } from "../support/sandbox";
import { planTrials } from "./trials";

describe("random changes to a fleet", function () {
  this.timeout(FIRST_RUN_MS * 4);

  it("what `preview` lists is what `up` does, and nothing else ends: a sample of `npm run test:plan`", async () => {
    const lines: string[] = [];
    const { runs, steps, failed } = await planTrials({
      seed: 4,
      runs: 1,
      steps: 3,
      atOnce: 1,
      tell: (line) => lines.push(line),
    });
    assert.deepEqual(failed, []);
    assert.equal(runs, 1, lines.join("\n"));
    assert.ok(steps >= 4, lines.join("\n"));
  });
});
