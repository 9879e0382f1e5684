import assert from "node:assert/strict";
import { FIRST_RUN_MS } from "../support/sandbox";
import { ownerTrials } from "./trials";

describe("two stacks, two accounts, and what befalls their records (O1-O5, O14)", function () {
  this.timeout(FIRST_RUN_MS * 4);

  it('nothing of another owner changes, nothing is forgotten, every "gone" is true: a sample of `npm run test:owners`', async () => {
    const lines: string[] = [];
    const { runs, steps, failed } = await ownerTrials({
      seed: 10,
      runs: 3,
      atOnce: 1,
      tell: (line) => lines.push(line),
    });
    assert.equal(runs, 3, lines.join("\n"));
    assert.ok(steps >= 21, lines.join("\n"));
    assert.deepEqual(failed, []);
  });
});
