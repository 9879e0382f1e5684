import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { bringUp, type BringUpDeps } from "../../../../automation/ssh/bring-up";
import type { CommandResult, NodeConnection, RunOptions } from "../../../../automation/ssh/connection";
import { openDialPolicy } from "../../../../automation/ssh/dial";
import { lifeOf, type NodeRecords } from "../../../../automation/ssh/records";
import { isSpotError, SpotError } from "../../../../fleet/errors";
import type { FleetEvent } from "../../../../fleet/report/events";
import { manifestOf } from "../../../../fleet/node/payload";

const content = readFileSync(__filename);
const payload = {
  manifest: manifestOf([
    {
      path: "a.js",
      type: "file",
      mode: "0644",
      size: content.length,
      sha256: createHash("sha256").update(content).digest("hex"),
    },
  ]),
  sources: new Map([["a.js", __filename]]),
  size: content.length,
};
const digest = payload.manifest.digest;

type Change = Partial<Omit<NodeRecords, "cloudInit" | "deployment">> & {
  cloudInit?: Partial<NodeRecords["cloudInit"]>;
  deployment?: Partial<NodeRecords["deployment"]>;
};
const records = ({ cloudInit, deployment, ...rest }: Change = {}): NodeRecords => ({
  bootId: "boot-1",
  payloadDigest: null,
  cloudInit: { isDone: true, stage: null, errors: [], ...cloudInit },
  deployment: { isActive: false, steps: [], result: null, complete: null, ...deployment },
  ...rest,
});
const booting = records({ cloudInit: { isDone: false, stage: "modules-final" } });
const fresh = records();
const uploaded = records({ payloadDigest: digest });
const working = records({
  payloadDigest: digest,
  deployment: { isActive: true, steps: [{ name: "units", status: "running", detail: "" }] },
});
const complete = records({
  payloadDigest: digest,
  deployment: { complete: { digest, bootId: "boot-1" }, result: "success" },
});
const rebooted = { ...complete, bootId: "boot-2" };
const failed = records({
  payloadDigest: digest,
  deployment: { steps: [{ name: "units", status: "failed", detail: "sensor.service: bad" }], result: "exit-code" },
});
const lost = new SpotError("E_SSH", "The connection was lost.");

describe("where a node stands, by its records", () => {
  const cases: Array<[string, NodeRecords, string, RegExp?]> = [
    ["cloud-init at work", booting, "booting", /cloud-init \(modules-final\)/],
    [
      "cloud-init with an error",
      records({ cloudInit: { errors: ["no such package", "more"] } }),
      "failed",
      /cloud-init: no such package$/,
    ],
    ["nothing uploaded", fresh, "fresh"],
    ["another payload uploaded, not deployed", records({ payloadDigest: "other" }), "fresh"],
    ["our payload uploaded", uploaded, "uploaded"],
    ["deployment at work", working, "deploying", /step units/],
    ["a failed step", failed, "failed", /step units: sensor.service: bad/],
    [
      "a failed step, its unit still ending",
      { ...failed, deployment: { ...failed.deployment, isActive: true } },
      "failed",
      /step units/,
    ],
    [
      "a deployment killed before its end",
      records({ deployment: { steps: [{ name: "units", status: "running", detail: "" }] } }),
      "failed",
      /in the middle, at step units/,
    ],
    [
      "a deployment that timed out",
      records({ deployment: { steps: [], result: "timeout" } }),
      "failed",
      /ended: timeout/,
    ],
    ["complete, not rebooted", complete, "rebooting"],
    ["complete and rebooted", rebooted, "rebooted"],
    [
      "complete with another payload",
      records({ deployment: { complete: { digest: "other", bootId: "x" } } }),
      "failed",
      /another payload/,
    ],
  ];
  for (const [title, given, state, words] of cases) {
    it(`${title}: ${state}`, () => {
      const life = lifeOf(given, digest);
      assert.equal(life.state, state);
      if (words) assert.match("reason" in life ? life.reason : "waitingFor" in life ? life.waitingFor : "", words);
    });
  }
});

/** A node's own ways: how long its upload takes, and whether logins after the first find nobody for a while. */
interface Ways {
  uploadMs?: number;
  isSilent?: boolean;
}

/** A node that shows these records, one after another (the last one for ever), on a clock that only waiting moves. */
function journey(
  shown: Array<NodeRecords | SpotError>,
  more: Partial<BringUpDeps> = {},
  { uploadMs = 0, isSilent = false }: Ways = {},
) {
  const events: FleetEvent[] = [];
  const done: string[] = [];
  let now = 0;
  let logins = 0;
  let open = 0;
  const answer = async (command: string, { stdin, onStdout }: RunOptions): Promise<CommandResult> => {
    if (command.startsWith("sudo -n systemctl start")) {
      done.push("start");
      return { code: 0, stdout: "", stderr: "" };
    }
    if (command.includes("tarfile")) {
      done.push("upload");
      now += uploadMs;
      onStdout?.(Buffer.from('{"state": "ready"}\n'));
      (stdin as Readable).resume();
      await once(stdin as Readable, "end");
      return { code: 0, stdout: '{"state": "ready"}\n{"state": "stored"}\n', stderr: "" };
    }
    const next = (shown.length > 1 ? shown.shift() : shown[0]) ?? assert.fail();
    if (next instanceof SpotError) throw next;
    return { code: 0, stdout: JSON.stringify(next), stderr: "" };
  };
  const deps: BringUpDeps = {
    knownHosts: {
      lookup: () => assert.fail(),
      pin: () => assert.fail(),
      forget: () => assert.fail(),
      file: () => assert.fail(),
    },
    dial: openDialPolicy(),
    reporter: { emit: (event) => void events.push(event), confirm: () => Promise.resolve(true) },
    wait: true,
    clock: { now: () => now, sleep: (ms) => Promise.resolve(void (now += ms)) },
    connect: ({ onWaiting }) => {
      logins += 1;
      if (isSilent && logins > 1) onWaiting?.("nothing listens on its SSH port yet");
      open += 1;
      const close = (): Promise<void> => Promise.resolve(void (open -= 1));
      const connection: NodeConnection = { isOpen: true, run: answer, close, [Symbol.asyncDispose]: close };
      return Promise.resolve(connection);
    },
    ...more,
  };
  const ref = { name: "us-west-2-0", region: "us-west-2", instanceId: "i-0a", address: "198.18.0.2" };
  return {
    run: () => bringUp({ ref, username: "ubuntu", privateKey: "", token: "", payload }, deps),
    done,
    said: () =>
      events.map((event) =>
        event.type === "waiting" ? event.reason : event.type === "node" ? `[${event.phase}]` : event.type,
      ),
    reached: () => events.flatMap((event) => (event.type === "node" ? event.message : [])),
    logins: () => logins,
    open: () => open,
  };
}
const failsWith = (code: string, words: RegExp) => (error: unknown) => {
  assert.ok(isSpotError(error));
  assert.equal(error.code, code);
  assert.match(`${error.message} ${String(error.cause)}`, words);
  return true;
};

describe("bringing a node up", () => {
  it("goes all the way, and says what it waits for once", async () => {
    const node = journey([
      booting,
      booting,
      fresh,
      uploaded,
      uploaded,
      working,
      working,
      working,
      complete,
      lost,
      rebooted,
    ]);
    assert.deepEqual(await node.run(), { state: "rebooted" });
    assert.deepEqual(node.done, ["upload", "start"]);
    assert.deepEqual(node.said(), [
      "cloud-init (modules-final)",
      "[uploaded]",
      "[deploying]",
      "step units",
      "its reboot",
      "[rebooted]",
    ]);
    assert.equal(node.open(), 0);
  });

  it("says in one word what was reached", async () => {
    const node = journey([fresh, uploaded, working, rebooted]);
    await node.run();
    assert.deepEqual(node.reached(), ["Uploaded", "Deployment started", "Rebooted"]);
  });

  it("tells the progress of an upload only when it takes long", async () => {
    const slow = journey([fresh, uploaded, working, rebooted], {}, { uploadMs: 5_000 });
    await slow.run();
    assert.deepEqual(slow.said().slice(0, 2), ["upload, 100 %", "[uploaded]"]);
    const quick = journey([fresh, uploaded, working, rebooted]);
    await quick.run();
    assert.equal(quick.said()[0], "[uploaded]");
  });

  it("takes a node that does not answer after its deployment for one that reboots", async () => {
    const node = journey([working, complete, rebooted], {}, { isSilent: true });
    await node.run();
    assert.deepEqual(node.said(), ["its reboot", "[rebooted]"]);
  });

  const resumes: Array<[string, Array<NodeRecords | SpotError>, string[]]> = [
    ["after its upload", [uploaded, working, rebooted], ["start"]],
    ["while its deployment runs", [working, working, rebooted], []],
    ["before its reboot", [complete, rebooted], []],
    ["when all is done", [rebooted], []],
  ];
  for (const [title, shown, done] of resumes) {
    it(`goes on ${title} and does nothing twice`, async () => {
      const node = journey(shown);
      assert.deepEqual(await node.run(), { state: "rebooted" });
      assert.deepEqual(node.done, done);
    });
  }

  it("costs a finished node one login and no word", async () => {
    const node = journey([rebooted]);
    await node.run();
    assert.equal(node.logins(), 1);
    assert.deepEqual(node.said(), []);
  });

  it("returns after the start when it shall not wait", async () => {
    const node = journey([uploaded, working], { wait: false });
    assert.deepEqual(await node.run(), { state: "deploying" });
    assert.deepEqual(node.done, ["start"]);
    assert.equal(node.open(), 0);
  });

  it("tells that a node found failed must be replaced, and touches nothing", async () => {
    const node = journey([failed]);
    assert.deepEqual(await node.run(), { state: "must-replace", reason: "step units: sensor.service: bad" });
    assert.deepEqual(node.done, []);
  });

  it("stops at the step that fails, instead of waiting for a reboot that will not come", async () => {
    const node = journey([uploaded, working, working, failed]);
    await assert.rejects(node.run(), failsWith("E_DEPLOYMENT", /step units: sensor.service: bad/));
    assert.equal(node.logins(), 3);
    assert.equal(node.open(), 0);
  });

  it("gives up at each deadline with what it waited for", async () => {
    await assert.rejects(
      journey([booting]).run(),
      failsWith("E_DEPLOYMENT", /cloud-init did not finish in time.*modules-final/),
    );
    await assert.rejects(journey([uploaded]).run(), failsWith("E_DEPLOYMENT", /did not start in time/));
    await assert.rejects(
      journey([complete]).run(),
      failsWith("E_DEPLOYMENT", /did not finish its deployment in time.*its reboot/),
    );
  });

  it("ends when the run is interrupted", async () => {
    const abort = new AbortController();
    const clock = {
      now: () => 0,
      sleep: () => {
        abort.abort();
        return Promise.resolve();
      },
    };
    await assert.rejects(journey([booting], { signal: abort.signal, clock }).run(), failsWith("E_INTERRUPTED", /i-0a/));
  });
});
