import assert from "node:assert/strict";
import { watching } from "../../../../cli/runtime/watch";
import type { CommandContext } from "../../../../cli/runtime/context";
import { SpotError } from "../../../../fleet/errors";
import type { FleetEvent } from "../../../../fleet/report/events";

describe("--watch", () => {
  /** Watches until the looks that are scripted are over; then the user stops it. */
  async function watch(looks: (SpotError | "fine")[], json = false) {
    const stop = new AbortController();
    const told: FleetEvent[] = [];
    let printed = "";
    let seen = 0;
    const context = {
      options: { json },
      terminal: { stdout: { write: (text: string) => (printed += text) } },
    } as unknown as CommandContext;
    const ended = await watching(context, {
      reporter: { emit: (event) => told.push(event), confirm: () => Promise.resolve(false) },
      everyMs: 1,
      signal: stop.signal,
      look: () => {
        const found = looks[seen++];
        if (found === undefined) stop.abort(new SpotError("E_INTERRUPTED", "stopped"));
        return found instanceof SpotError ? Promise.reject(found) : Promise.resolve();
      },
    }).catch((error: unknown) => error as Error);
    return { ended, told, printed, seen };
  }

  const throttled = new SpotError("E_AWS", { message: "GetCallerIdentity failed: Throttling", class: "throttle" });
  const silent = new SpotError("E_AWS", "DescribeInstances in eu-west-1 failed: TimeoutError");
  const cutOff = new SpotError("E_BACKEND", "the state backend cannot be used");

  it("says what passes by itself and looks again", async () => {
    const { ended, told, printed, seen } = await watch(["fine", throttled, silent, cutOff, "fine"]);
    assert.equal(seen, 6);
    assert.equal(ended.name, "AbortError", "only the user's wish ended it");
    assert.deepEqual(
      told.map((event) => event.type === "message" && [event.level, event.message, event.error?.next]),
      [throttled, silent, cutOff].map(({ message }) => [
        "error",
        message,
        "Nothing: the next look follows in 0.001 s.",
      ]),
    );
    assert.equal(printed, "");
  });

  it("says it to a program on a line of its own", async () => {
    const { printed } = await watch([throttled], true);
    const { type, error } = JSON.parse(printed) as { type: string; error: { code: string; class: string } };
    assert.deepEqual([type, error.code, error.class], ["error", "E_AWS", "throttle"]);
  });

  for (const lasting of [new SpotError("E_CREDENTIALS", "expired"), new SpotError("E_NOT_FOUND", "no nodes")]) {
    it(`ends by what no other look mends: ${lasting.code}`, async () => {
      const { ended, seen } = await watch(["fine", lasting, "fine"]);
      assert.equal(ended, lasting);
      assert.equal(seen, 2);
    });
  }

  it("does not tell what a call failed with because the user stopped", async () => {
    const stop = new AbortController();
    const told: FleetEvent[] = [];
    const look = () => {
      stop.abort(new SpotError("E_INTERRUPTED", "stopped"));
      return Promise.reject(silent);
    };
    const context = { options: {}, terminal: {} } as unknown as CommandContext;
    await assert.rejects(
      watching(context, {
        reporter: { emit: (event) => told.push(event), confirm: () => Promise.resolve(false) },
        everyMs: 1,
        signal: stop.signal,
        look,
      }),
      { name: "E_INTERRUPTED" },
    );
    assert.deepEqual(told, []);
  });
});
