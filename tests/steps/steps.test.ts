import assert from "node:assert/strict";
import { describeHosts } from "../support/describe-hosts";
import { sampleOf, takeSteps } from "./go";
import { stepTrials } from "./trials";

describeHosts("the steps of failing checks", () => {
  it("end what failed, when they are taken as they stand: a sample of `npm run test:steps`", async () => {
    const lines: string[] = [];
    const { taken, failed } = await takeSteps(sampleOf(stepTrials, 2, 12), (line) => lines.push(line));
    assert.deepEqual(failed, []);
    assert.equal(taken, 2, lines.join("\n"));
  });
});
