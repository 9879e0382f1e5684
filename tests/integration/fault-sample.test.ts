import assert from "node:assert/strict";
import { actionsOf, runScenario, sample } from "../faults/matrix";
import { scenarios } from "../faults/scenarios";
import { actions, throttledScenarios } from "../faults/throttled";
import { FIRST_RUN_MS, testProvider } from "../support/sandbox";

/** Another seed is another sample; `npm run test:faults` runs them all. */
const SEED = Number(process.env.SPOT_FAULT_SEED ?? 1);
const SIZE = 8;
const THROTTLED = 1;

describe(`a sample of the fault matrix (seed ${SEED})`, function () {
  this.timeout(FIRST_RUN_MS * 2);
  for (const scenario of [...sample(scenarios, SIZE, SEED), ...sample(throttledScenarios, THROTTLED, SEED)]) {
    it(scenario.name, async () => assert.deepEqual(await runScenario(scenario), []));
  }

  it("throttles every action that `up` and `down` call", async function () {
    // The official provider has more of them.
    if (testProvider !== "stand-in") this.skip();
    assert.deepEqual(await actionsOf(["up", "down"]), { up: [...actions.up].sort(), down: [...actions.down].sort() });
  });
});
