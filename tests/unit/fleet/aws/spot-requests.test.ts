import assert from "node:assert/strict";
import { isInterruptionPending, spotStatusText } from "../../../../fleet/aws/spot-requests";

const request = (status: string, state = "active") => ({ id: "sir-1", state, status });

describe("the status of a spot request", () => {
  // "State changes for a Spot request" (EC2 User Guide): what a request of a running instance can show.
  for (const [status, state, instanceState, pending] of [
    ["fulfilled", "active", "running", false],
    ["marked-for-termination", "active", "running", true],
    ["marked-for-stop", "active", "running", true],
    ["marked-for-stop-by-experiment", "active", "running", true],
    ["instance-terminated-no-capacity", "closed", "running", true],
    ["instance-terminated-by-price", "closed", "running", true],
    ["instance-terminated-by-experiment", "closed", "running", true],
    ["instance-terminated-no-capacity", "closed", "shutting-down", false],
    ["instance-terminated-no-capacity", "closed", "terminated", false],
    ["marked-for-termination", "active", "terminated", false],
    ["instance-terminated-by-user", "closed", "running", false],
    ["spot-instance-terminated-by-user", "closed", "running", false],
    ["request-canceled-and-instance-running", "cancelled", "running", false],
  ] as const) {
    it(`${status} of an instance that is ${instanceState} is ${pending ? "an" : "no"} interruption to come`, () => {
      assert.equal(isInterruptionPending(request(status, state), instanceState), pending);
    });
  }

  it("has words where it is not in order, none where it is or where AWS says something new", () => {
    assert.equal(spotStatusText(request("marked-for-termination")), "AWS ends it within two minutes");
    assert.match(spotStatusText(request("instance-terminated-by-price")) ?? "", /price limit/);
    for (const status of ["fulfilled", "a-code-of-tomorrow", "toString"])
      assert.equal(spotStatusText(request(status)), undefined, status);
  });
});
