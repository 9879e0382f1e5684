import assert from "node:assert/strict";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { FaultRule } from "../../sandbox/gateway/faults";
import { FIRST_RUN_MS, HELD, until } from "../support/sandbox";
import { hasTmux, TestTerminal } from "../support/terminal";
import { Workbench } from "../support/workbench";
import { CleanUp } from "../support/clean-up";

const REGION = "us-west-2";

/** A moment of a run: the call in which it is held. */
interface Moment {
  command: "up" | "down";
  during: string;
  call: Pick<FaultRule, "action" | "nth" | "when">;
}

/**
 * `DescribeVolumes` is asked by nobody but the look by tags: first for what there is, then for what the engine left,
 * then for the proof.
 */
const MOMENTS: Moment[] = [
  { command: "up", during: "it plans", call: { action: "DescribeInstanceTypeOfferings", when: "before" } },
  { command: "up", during: "a node is created", call: { action: "RunInstances", when: "after" } },
  { command: "down", during: "a node is ended", call: { action: "TerminateInstances", when: "after" } },
  {
    command: "down",
    during: "it proves that nothing is left",
    call: { action: "DescribeVolumes", nth: 3, when: "before" },
  },
];

/** Two signals within a second are one wish (npm doubles them), counted from when the first was heard: a busy machine is late. */
const ANOTHER_WISH_MS = 1_100;

/** How a run that was interrupted says what to do next. */
const AGAIN = {
  up: /Run (`up`|the same command) again: it goes on from there\./,
  down: /Interrupted.*Run `down` again: it goes on from there\./,
};

/** To be asked to stop is no failure of anything. */
const ALARMS = /failed|AbortError|Warning:/;

describe("Ctrl-C in a terminal", function () {
  this.timeout(FIRST_RUN_MS);
  const cleanUp = new CleanUp();
  let bench: Workbench;
  before(async function () {
    if (!hasTmux()) this.skip();
    bench = cleanUp.use(new Workbench());
    bench.config({ [REGION]: 1 });
    await bench.begin();
  });
  after(() => cleanUp.run());

  const inTerminal = (command: string): TestTerminal =>
    new TestTerminal(
      [
        process.execPath,
        path.join(bench.root, "dist/cli/main.js"),
        command,
        "--sandbox=api",
        "--stack",
        bench.stack,
        "--config",
        bench.configFile,
      ],
      { columns: 120, rows: 40, cwd: bench.root, env: { ...bench.env, CI: undefined } },
    );

  /** The ordinary command, which must end with what was asked for: a fleet as configured, or nothing. */
  async function reaches(command: Moment["command"]): Promise<void> {
    const { code, stdout, stderr } = await bench.spot([command]);
    assert.equal(code, command === "up" ? 9 : 0, stdout + stderr);
    if (command === "down") return;
    await isRecorded();
    assert.equal((await bench.live()).vpcs.length, 1);
  }

  /** The step that was in flight was finished: nothing exists that the record does not know. */
  async function isRecorded(): Promise<void> {
    const recorded = (await bench.nodes()).map(({ instanceId }) => instanceId);
    assert.deepEqual(
      (await bench.live()).instances.map(({ InstanceId }) => InstanceId),
      recorded,
    );
    assert.equal(recorded.length, 1);
  }

  /** Begins a command and waits until it is held at the moment. */
  async function held({ command, call }: Moment): Promise<TestTerminal> {
    await reaches(command === "up" ? "down" : "up");
    // The sandbox ended with its last fleet.
    if (command === "up") await bench.begin();
    await bench.control("POST", "faults", [{ ...call, region: REGION, effect: HELD }]);
    const terminal = inTerminal(command);
    await until(
      `${call.action} is held`,
      async () => (await bench.control<{ hit: number }[]>("GET", "faults"))[0]!.hit > 0,
    );
    return terminal;
  }

  for (const moment of MOMENTS) {
    const { command, during, call } = moment;

    it(`once, while ${during}: ${command} finishes the step, says how to resume, and goes on the next time`, async () => {
      using terminal = await held(moment);
      terminal.type("C-c");
      await terminal.shows(/interrupt again to stop at once/);
      await bench.control("DELETE", "faults");
      const code = await terminal.ended();
      const shown = terminal.everything();
      assert.equal(code, 130, shown);
      assert.match(shown, /WARNING: interrupted: finishing what is in flight; interrupt again to stop at once/);
      assert.match(shown, AGAIN[command]);
      assert.doesNotMatch(shown, ALARMS);
      if (call.action === "RunInstances") await isRecorded();
      await reaches(command);
    });

    it(`twice, while ${during}: ${command} stops at once, and goes on the next time`, async () => {
      using terminal = await held(moment);
      terminal.type("C-c");
      await terminal.shows(/interrupt again to stop at once/);
      await delay(ANOTHER_WISH_MS);
      terminal.type("C-c");
      const code = await terminal.ended(20_000);
      const shown = terminal.everything();
      assert.equal(code, 130, shown);
      assert.match(shown, /WARNING: stopping at once; the next run clears up/);
      assert.match(shown, AGAIN[command]);
      assert.doesNotMatch(shown, ALARMS);
      await bench.control("DELETE", "faults");
      await reaches(command);
    });
  }
});
