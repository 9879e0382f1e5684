import { withSteps } from "../../../../cli/output/steps";
import { again, spot } from "../../../../fleet/steps";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import type { StateNode } from "../../../../automation/engine/state";
import { debugBundle } from "../../../../automation/operations/inspect/debug";
import { neverInterrupted } from "../../../../automation/session/interrupts";
import { fleetAccess, type FleetAccess } from "../../../../automation/operations/nodes/fleet-access";
import { verifyNodes } from "../../../../automation/operations/nodes/verify-nodes";
import { verificationReport } from "../../../../automation/verify/report";
import type { VerifyTarget } from "../../../../automation/verify/runner";
import type { Check, NodeExpectation } from "../../../../fleet/checks";
import { hostKeyToken } from "../../../../fleet/identity/generation";

/** Nothing in them looks like a secret: only who knows them can hide them. */
const FLEET_SECRET = "seven grey herons";
const WORKLOAD_TOKEN = "zebra-crossing-41";
const NODE = {
  name: "us-west-2-0",
  instanceId: "i-0a",
  generation: "g1",
  pin: { pool: { region: "us-west-2" } },
} as StateNode;
const HOST_KEY_TOKEN = hostKeyToken(FLEET_SECRET, NODE);

describe("the fleet's own secrets", () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "spot-secrets-"));
    writeFileSync(path.join(dir, "token"), `${WORKLOAD_TOKEN}\n`);
    writeFileSync(path.join(dir, "key"), "");
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  /** A node whose programs, and whose console, tell everything that they know. */
  const babble = `herons: ${FLEET_SECRET}; proof by ${HOST_KEY_TOKEN}; joined with ${WORKLOAD_TOKEN}.`;

  function accessOf(tokenFile: string | undefined): FleetAccess {
    const cloud = { ec2: () => ({ send: () => Promise.resolve({ Output: Buffer.from(babble).toString("base64") }) }) };
    const session = {
      cloud,
      lineage: "l",
      target: { scratch: dir, stack: "s" },
      reporter: { emit: () => undefined },
      interrupts: neverInterrupted(),
    } as unknown as FleetAccess["session"];
    const definition = {
      config: tokenFile === undefined ? {} : { bacalhau: { tokenFile } },
    } as FleetAccess["definition"];
    const connection = {
      isOpen: true,
      run: () => Promise.resolve({ code: 0, stdout: babble, stderr: babble }),
      close: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const target: VerifyTarget = {
      ref: { name: NODE.name, region: "us-west-2", instanceId: NODE.instanceId },
      expectation: { units: { installed: {}, enabled: [], workloads: [], own: [] } } as unknown as NodeExpectation,
      cloud: { unanswered: babble },
      connect: () => Promise.resolve(connection),
    };
    const access = fleetAccess({
      session,
      definition,
      ssh: { allow: [], callers: [], publicKey: "" },
      fleetSecret: FLEET_SECRET,
      privateKeyPath: path.join(dir, "key"),
    });
    return { ...access, targets: () => Promise.resolve([target]) };
  }

  const telling: Check = {
    id: "X1",
    title: "tells",
    phase: "files",
    where: "node",
    needs: [],
    severity: "fail",
    deadlineMs: 1000,
    cause: babble,
    next: babble,
    step: spot("logs", babble),
    command: () => `echo ${WORKLOAD_TOKEN}`,
    judge: ({ stdout }) => ({ ok: false, expected: babble, actual: stdout }),
  };

  function assertHidden(text: string): void {
    for (const secret of [FLEET_SECRET, HOST_KEY_TOKEN, WORKLOAD_TOKEN])
      assert.ok(!text.includes(secret), `shows ${secret}: ${text}`);
    assert.match(text, /joined with \*\*\*/);
  }

  it("are those of the nodes asked for, and the workload's token as its file holds it", () => {
    assert.deepEqual(accessOf(path.join(dir, "token")).secretsOf([NODE]), [
      FLEET_SECRET,
      HOST_KEY_TOKEN,
      WORKLOAD_TOKEN,
    ]);
    assert.deepEqual(accessOf(undefined).secretsOf([NODE]), [FLEET_SECRET, HOST_KEY_TOKEN]);
  });

  it("are in no report, whichever part of a result holds them", async () => {
    const access = accessOf(path.join(dir, "token"));
    const told: string[] = [];
    const verification = await verifyNodes(access, [NODE], {
      checks: [telling],
      onResult: (_, result) => told.push(JSON.stringify(result)),
    });
    assertHidden(JSON.stringify(verificationReport(verification, { stack: "s", at: new Date(0) })));
    assertHidden(told.join());
  });

  it("are in no file of a debug bundle", async () => {
    const access = accessOf(path.join(dir, "token"));
    const { archive, summary } = await debugBundle(access, NODE, {
      checks: [telling],
      at: new Date(0),
      asTyped: (found) => found,
    });
    assertHidden(summary);
    const files = gunzipSync(archive).toString();
    for (const name of ["cloud/facts.json", "cloud/console.txt", "verification.json", "logs/deployment.log"])
      assert.ok(files.includes(name), name);
    assertHidden(files);
  });

  it("are hidden in the steps of a debug bundle, which are typed as they lead to this fleet", async () => {
    const access = accessOf(path.join(dir, "token"));
    const { archive, summary } = await debugBundle(access, NODE, {
      checks: [telling, { ...telling, id: "X2", step: again() }],
      at: new Date(0),
      asTyped: (found) => withSteps(found, { command: "debug", args: [NODE.name], options: { stack: "s" } }),
    });
    assert.match(summary, /^step: npx spot logs .*joined with \*\*\*.*--stack=s$/m);
    assert.match(summary, /^step: npx spot debug us-west-2-0$/m);
    assert.match(gunzipSync(archive).toString(), /"command": "debug",\s+"args": \[\s+"us-west-2-0"/);
  });
});
