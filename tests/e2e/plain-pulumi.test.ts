import assert from "node:assert/strict";
import { describeHosts } from "../support/describe-hosts";
import { FleetBench } from "../support/fleet-bench";

/** What it does to the resources: tests/integration/plain-pulumi.test.ts. */
describeHosts("a node that plain Pulumi made", () => {
  let bench: FleetBench;
  before(() => void (bench = new FleetBench()));
  after(() => bench[Symbol.asyncDispose]());

  it("is deployed to and verified by the next up, which replaces nobody", async () => {
    bench.fleet({ "us-west-2": 1 });
    const first = await bench.spot(["up"]);
    assert.equal(first.code, 0, first.stdout + first.stderr);
    bench.fleet({ "us-west-2": 2 });
    const grown = await bench.pulumi("up", "--yes", "--skip-preview");
    assert.equal(grown.code, 0, grown.stdout + grown.stderr);
    const before = await bench.ids();
    assert.deepEqual(Object.keys(before).sort(), ["us-west-2-0", "us-west-2-1"]);

    const up = await bench.spot(["up"]);
    assert.equal(up.code, 0, up.stdout + up.stderr);
    assert.match(up.stdout, /^VERIFIED: 2 of 2 nodes\.$/m);
    assert.deepEqual(await bench.ids(), before);
    await bench.downLeavesNothing();
  });
});
