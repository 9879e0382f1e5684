import assert from "node:assert/strict";
import { InstanceMonitor } from "../../../../../automation/operations/nodes/instance-monitor";
import type { Instance } from "../../../../../cloud/resources/inventory";
import { isSpotError, SpotError } from "../../../../../fleet/errors";

const instance = (InstanceId: string, Name: "running" | "terminated", Message?: string): Instance => ({
  InstanceId,
  State: { Name },
  ...(Message ? { StateReason: { Message } } : {}),
});
const ref = (instanceId: string, region = "us-west-2") => ({ instanceId, region });

/** Work that ends only when it is told that the instance is gone. */
const untilGone = (gone: AbortSignal): Promise<never> =>
  new Promise((_, reject) => gone.addEventListener("abort", () => reject(new Error("aborted")), { once: true }));

describe("watching instances that are set up", () => {
  it("ends the work on one that ended, with the cloud's reason, and lets the others go on", async () => {
    const asked: string[] = [];
    const watch = new InstanceMonitor((region) => {
      asked.push(region);
      return Promise.resolve([
        instance("i-1", "terminated", "Server.SpotInstanceTermination: no capacity"),
        instance("i-2", "running"),
      ]);
    }, 1);
    let isOver = false;
    const other = watch.guard(ref("i-2"), async (gone) => {
      while (!isOver) await new Promise((resolve) => setTimeout(resolve, 1));
      return gone.aborted;
    });
    await assert.rejects(watch.guard(ref("i-1"), untilGone), (error: unknown) => {
      assert.ok(isSpotError(error));
      assert.deepEqual([error.code, error.cause], ["E_INSTANCE_GONE", "Server.SpotInstanceTermination: no capacity"]);
      return true;
    });
    isOver = true;
    assert.equal(await other, false);
    assert.deepEqual([...new Set(asked)], ["us-west-2"], "one call for all instances of a region");
  });

  it("does not take a region that fails, or an instance that is not listed yet, for an end", async () => {
    let looks = 0;
    const watch = new InstanceMonitor((region) => {
      looks += 1;
      return region === "eu-west-1" ? Promise.reject(new Error("throttled")) : Promise.resolve([]);
    }, 1);
    const work = async (gone: AbortSignal) => {
      while (looks < 4) await new Promise((resolve) => setTimeout(resolve, 1));
      return gone.aborted;
    };
    assert.deepEqual(await Promise.all([watch.guard(ref("i-1"), work), watch.guard(ref("i-2", "eu-west-1"), work)]), [
      false,
      false,
    ]);
  });

  it("asks after a lost connection whether the instance ended, which EC2 may show a moment later", async function () {
    this.timeout(60_000);
    let looks = 0;
    const lost = () => Promise.reject(new SpotError("E_SSH", "The connection was lost."));
    // The last looks come a tenth of it apart, and are over long before the next usual one, also on a busy machine.
    const everyMs = 5_000;
    const endsAt = (look: number) =>
      new InstanceMonitor(
        () => Promise.resolve([instance("i-1", ++looks >= look ? "terminated" : "running")]),
        everyMs,
      );
    await assert.rejects(
      endsAt(3).guard(ref("i-1"), lost),
      (error: unknown) => isSpotError(error) && error.code === "E_INSTANCE_GONE",
    );
    looks = 0;
    await assert.rejects(endsAt(Infinity).guard(ref("i-1"), lost), /The connection was lost/);
    assert.equal(looks, 4, "and not for ever");
  });

  it("asks after a deployment that was ended, for a shutdown ends it too", async () => {
    const ended = () =>
      Promise.reject(
        new SpotError(
          "E_DEPLOYMENT",
          "The deployment failed at spot-deploy.service ended in the middle, at step units",
        ),
      );
    const watch = new InstanceMonitor(
      () => Promise.resolve([instance("i-1", "terminated", "Client.UserInitiatedShutdown")]),
      60 * 60_000,
    );
    await assert.rejects(
      watch.guard(ref("i-1"), ended),
      (error: unknown) => isSpotError(error) && error.code === "E_INSTANCE_GONE",
    );
  });

  it("asks nothing once the work is over, and throws what the work throws", async () => {
    let looks = 0;
    const watch = new InstanceMonitor(() => ((looks += 1), Promise.resolve([])), 1);
    await assert.rejects(
      watch.guard(ref("i-1"), () => Promise.reject(new Error("its own"))),
      /its own/,
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(looks, 0);
  });
});
