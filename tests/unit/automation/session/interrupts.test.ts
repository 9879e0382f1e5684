import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { watchSignals } from "../../../../automation/session/interrupts";

describe("interrupts", () => {
  let now = 0;
  const source = new EventEmitter();
  const told: string[] = [];
  let interrupts: ReturnType<typeof watchSignals>;
  beforeEach(() => {
    now = 10_000;
    told.length = 0;
    interrupts = watchSignals(
      (stage) => told.push(stage),
      source as never,
      () => now,
    );
  });
  afterEach(() => interrupts.release());

  it("take a second signal within a second for the same wish: npm doubles them", () => {
    source.emit("SIGINT");
    now += 999;
    source.emit("SIGINT");
    assert.deepEqual(told, ["soft"]);
    assert.ok(interrupts.soft.aborted && !interrupts.hard.aborted);
  });

  it("stop at once on a second wish", () => {
    source.emit("SIGTERM");
    now += 1000;
    source.emit("SIGINT");
    assert.deepEqual(told, ["soft", "hard"]);
    assert.ok(interrupts.hard.aborted);
  });

  it("leave no handler behind", () => {
    interrupts.release();
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) assert.equal(source.listenerCount(signal), 0);
  });
});
