import assert from "node:assert/strict";
import * as ec2 from "@aws-sdk/client-ec2";
import * as quotas from "@aws-sdk/client-service-quotas";
import * as ssm from "@aws-sdk/client-ssm";
import * as sts from "@aws-sdk/client-sts";
import { isAwsRegion } from "../../../fleet/aws/regions";
import { parseFaults } from "../../../sandbox/gateway/fault-schema";
import { hostScenarios } from "../../faults/host-scenarios";
import { scenarios } from "../../faults/scenarios";
import { throttledScenarios } from "../../faults/throttled";

const CALLS: object = { ...ec2, ...quotas, ...ssm, ...sts };

/** What would let a scenario pass without having shown anything. The scenarios themselves: `npm run test:faults`. */
describe("the fault scenarios", () => {
  it("have a name each, by which one can be run", () => {
    const names = [...scenarios, ...throttledScenarios, ...hostScenarios].map(({ name }) => name);
    assert.deepEqual(
      names.filter((name, at) => names.indexOf(name) !== at),
      [],
    );
  });

  for (const { name, faults = [] } of [...scenarios, ...throttledScenarios]) {
    it(`can strike: ${name}`, () => {
      for (const { action, region = "us-west-2" } of parseFaults(faults)) {
        assert.ok(action === "*" || `${action.replace(/[?]DryRun$/, "")}Command` in CALLS, `AWS has no call ${action}`);
        assert.ok(isAwsRegion(region), `AWS has no region ${region}`);
      }
    });
  }
});
