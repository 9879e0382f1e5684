import assert from "node:assert/strict";
import { runScenario, sample } from "../faults/matrix";
import { scenarios } from "../faults/scenarios";
import { FIRST_RUN_MS } from "../support/sandbox";

/** Another seed is another sample; `npm run test:faults` runs them all. */
const SEED = Number(process.env.SPOT_FAULT_SEED ?? 1);
const SIZE = 8;

describe(`a sample of the fault matrix (seed ${SEED})`, function () {
  this.timeout(FIRST_RUN_MS * 2);
  for (const scenario of sample(scenarios, SIZE, SEED)) {
    it(scenario.name, async () => assert.deepEqual(await runScenario(scenario), []));
  }

  it("is drawn from forty scenarios or more, each with a name of its own", () => {
    assert.ok(scenarios.length >= 40, `${scenarios.length}`);
    assert.equal(new Set(scenarios.map(({ name }) => name)).size, scenarios.length);
  });
});
