import assert from "node:assert/strict";
import type { VerificationReport } from "../../automation/verify/report";
import { describeHosts } from "../support/describe-hosts";
import { assertOnlyFails, FleetBench } from "../support/fleet-bench";

/** The main job in one test, for every run of `npm test`; the rest of tests/e2e goes into every corner of it. */
describeHosts("a sample of booted hosts", () => {
  let bench: FleetBench;
  before(() => void (bench = new FleetBench()));
  after(() => bench[Symbol.asyncDispose]());

  it("comes up verified, shows what was broken, and goes without a trace", async () => {
    bench.fleet({ "us-west-2": 1, "eu-west-1": 1 });
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 0, up.stdout + up.stderr);
    assert.match(up.stdout, /^VERIFIED: 2 of 2 nodes\.$/m);

    const { "us-west-2-0": broken } = await bench.ids();
    await bench.host(broken!).run("systemctl disable --quiet sensor.service");
    const verify = await bench.spot(["verify", "--json"]);
    assert.equal(verify.code, 5, verify.stdout + verify.stderr);
    const report = JSON.parse(verify.stdout) as VerificationReport;
    const [europe, west] = [...report.nodes].sort((a, b) => a.node.localeCompare(b.node));
    assertOnlyFails(west!, "F3", /sensor\.service: disabled/);
    assert.equal(europe!.isVerified, true);

    const down = await bench.downLeavesNothing();
    for (const { stderr } of [up, verify, down])
      assert.doesNotMatch(stderr, /Warning/, "Node's own warnings are no news to a user");
  });
});
