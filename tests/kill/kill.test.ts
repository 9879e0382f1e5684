import assert from "node:assert/strict";
import { FIRST_RUN_MS } from "../support/sandbox";
import { killTrials } from "./trials";

describe("runs broken off at random moments (L27, L39)", function () {
  this.timeout(FIRST_RUN_MS * 4);

  it("leaves no orphan, no duplicate and no lock after the ordinary next command: a sample of `npm run test:kill`", async () => {
    const lines: string[] = [];
    const { trials, failed } = await killTrials({
      seed: 5,
      trials: { up: 3, down: 3, replace: 1, recovery: 1 },
      tell: (line) => lines.push(line),
    });
    assert.equal(trials, 8, lines.join("\n"));
    assert.deepEqual(failed, []);
  });
});
