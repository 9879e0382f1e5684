import assert from "node:assert/strict";
import { describeHosts } from "../support/describe-hosts";
import { FleetBench } from "../support/fleet-bench";

/** It is installed and started as any other, and fails a moment later: only verification sees it. */
const FAILS = "[Service]\nExecStart=/bin/false\n[Install]\nWantedBy=multi-user.target\n";
const SOUND = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
const [CANARY, ...OTHERS] = ["us-west-2-0", "us-west-2-1", "us-west-2-2"] as const;

describeHosts("`up --rollback-on-failure` on booted hosts", () => {
  let bench: FleetBench;
  before(() => void (bench = new FleetBench()));
  after(() => bench[Symbol.asyncDispose]());

  it("has the verified fleet of before again after a canary that fails verification", async () => {
    bench.fleet({ "us-west-2": 3 });
    bench.file("systemd/work.service", SOUND);
    const first = await bench.up();
    assert.equal(first.outcome.code, 0, first.outcome.stdout);
    const before = await bench.ids();

    bench.file("hello.txt", "new\n");
    bench.file("systemd/work.service", FAILS);
    const { code, stdout } = await bench.spot(["up", "--yes", "--rollback-on-failure"]);
    assert.equal(code, 5, stdout);
    assert.match(stdout, /^What failed first: us-west-2-0 did not pass verification, see above\.$/m);
    assert.match(stdout, /^The fleet is put back as it was verified at \S+; made again: us-west-2-0\.$/m);
    assert.match(stdout, /^VERIFIED: 3 of 3 nodes\.$/m);
    const now = await bench.ids();
    assert.notEqual(now[CANARY], before[CANARY]);
    for (const name of OTHERS) assert.equal(now[name], before[name]);
    for (const name of [CANARY, ...OTHERS]) {
      const host = bench.host(now[name]!);
      assert.equal(await host.run("cat /opt/uploaded_files/files/hello.txt"), "hello\n");
      assert.equal(await host.run("cat /opt/uploaded_files/files/systemd/work.service"), SOUND);
    }

    bench.file("hello.txt", "hello\n");
    bench.file("systemd/work.service", SOUND);
    assert.match((await bench.spot(["preview"])).stdout, /Nothing to change/);
  });
});
