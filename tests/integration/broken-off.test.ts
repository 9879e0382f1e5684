import assert from "node:assert/strict";
import path from "node:path";
import { FIRST_RUN_MS, HELD, until } from "../support/sandbox";
import { descendants, kill, Workbench } from "../support/workbench";

/** The main ways in which a run ends early; tests/integration/recovery.test.ts and tests/kill go into the rest. */
describe("a run that is broken off, on the real engine, against the emulated AWS", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  beforeEach(() => (bench = new Workbench()));
  afterEach(() => bench[Symbol.asyncDispose]());

  const ids = async () => Object.fromEntries((await bench.nodes()).map(({ name, instanceId }) => [name, instanceId]));

  for (const shell of ["/bin/dash", "/bin/bash"]) {
    it(`finishes what is in flight on one Ctrl-C through npm under ${path.basename(shell)}, and goes on later`, async () => {
      bench.config({ "us-west-2": 2 });
      await bench.begin();
      await bench.control("POST", "faults", [{ action: "RunInstances", effect: HELD }]);
      const run = bench.start(["up"], {
        command: ["npm", "run", "-s", "spot", "--"],
        env: { npm_config_script_shell: shell },
      });
      await until("an instance is being launched", async () =>
        Object.keys(
          (await bench.control<Record<string, Record<string, number>>>("GET", "calls"))["us-west-2"] ?? {},
        ).includes("RunInstances"),
      );
      // The terminal sends it to the whole foreground group.
      process.kill(-run.child.pid!, "SIGINT");
      await run.printed(/interrupted: finishing what is in flight/);
      await bench.control("DELETE", "faults");
      const outcome = await run.done;
      assert.ok(
        outcome.code === 130 || outcome.signal === "SIGINT",
        `code ${outcome.code}, signal ${outcome.signal}: ${outcome.stderr}`,
      );

      const recorded = Object.values(await ids()).sort();
      assert.deepEqual(
        (await bench.live()).instances.map(({ InstanceId }) => InstanceId).sort(),
        recorded,
        "every instance is recorded",
      );
      const next = await bench.spot(["up"]);
      assert.equal(next.code, 9, next.stderr);
      assert.doesNotMatch(next.stderr, /recovery/, "nothing was left to clear");
      assert.equal((await bench.live()).instances.length, 2);
    });
  }

  it("clears up after SIGKILL of everything in mid-create: no orphans, no duplicates, no lock", async () => {
    bench.config({ "us-west-2": 2, "us-east-1": 1 });
    await bench.begin();
    await bench.control("POST", "faults", [{ action: "RunInstances", when: "after", effect: HELD }]);
    const run = bench.start(["up"]);
    await until("instances exist that nobody has recorded", async () => (await bench.live()).instances.length === 3);
    for (const pid of [run.child.pid!, ...descendants(run.child.pid!)]) kill(pid);
    await run.done;
    await bench.control("DELETE", "faults");

    const next = await bench.spot(["up"]);
    assert.equal(next.code, 9, next.stderr);
    assert.match(next.stderr, /\[recovery\] WARNING: cleared the lock/);
    assert.match(next.stderr, /\[recovery\] WARNING: ended instance i-/);
    const { instances } = await bench.live();
    assert.deepEqual(instances.map(({ InstanceId }) => InstanceId).sort(), Object.values(await ids()).sort());
    assert.equal(instances.length, 3);
    const down = await bench.spot(["down"]);
    assert.equal(down.code, 0, down.stdout + down.stderr);
  });

  it("names the owner of a live lock, changes nothing and answers with 7", async () => {
    bench.config({ "us-west-2": 1 });
    await bench.begin();
    await bench.control("POST", "faults", [{ action: "RunInstances", effect: HELD }]);
    const first = bench.start(["up"]);
    await until("the first run is launching", async () =>
      Object.keys(
        (await bench.control<Record<string, Record<string, number>>>("GET", "calls"))["us-west-2"] ?? {},
      ).includes("RunInstances"),
    );
    const second = await bench.spot(["up"]);
    assert.equal(second.code, 7, second.stderr);
    assert.match(second.stderr, /E_LOCKED: stack \S+ is locked by \S+ on \S+, process \d+, for \d+ s; it is running/);
    await bench.control("DELETE", "faults");
    assert.equal((await first.done).code, 9);
    assert.equal((await bench.live()).instances.length, 1);
  });
});
