import assert from "node:assert/strict";
import { runHostScenario } from "../faults/host-matrix";
import { hostScenarios } from "../faults/host-scenarios";
import { sample } from "../faults/matrix";
import { describeHosts } from "../support/describe-hosts";

/** Another seed is another sample; `npm run test:faults` runs them all. */
const SEED = Number(process.env.SPOT_FAULT_SEED ?? 1);
const SIZE = 3;

describeHosts(`a sample of the fault matrix on booted hosts (seed ${SEED})`, () => {
  for (const scenario of sample(hostScenarios, SIZE, SEED)) {
    it(scenario.name, async () => assert.deepEqual(await runHostScenario(scenario), []));
  }
});
