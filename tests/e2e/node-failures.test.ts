import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { describeHosts } from "../support/describe-hosts";
import { FleetBench, idsWith } from "../support/fleet-bench";
import { until } from "../support/sandbox";

const PROGRAM = path.join(packageRoot(), "tests/support/bacalhau-stand-in.py");

/** A unit that multi-user.target starts. */
const unit = (lines: string): string => `[Service]\n${lines}\n[Install]\nWantedBy=multi-user.target\n`;

describeHosts("a node that cannot be deployed as it should", () => {
  const bench = new FleetBench();
  after(() => bench[Symbol.asyncDispose]());
  beforeEach(() => rmSync(path.join(bench.files, "systemd"), { recursive: true, force: true }));

  const bacalhau = (program: string): string[] => ["bacalhau:", "  version: 1.6.0", `  ${program}`];

  /** The one failure of an `up`. */
  async function failure(): Promise<string> {
    const { outcome, document } = await bench.up();
    assert.notEqual(outcome.code, 0, outcome.stdout);
    assert.equal(document.verified, false);
    assert.equal(document.failures.length, 1, JSON.stringify(document.failures));
    assert.ok(document.failures[0]?.next);
    return document.failures[0]?.message ?? "";
  }

  /** As `failure`, and does something to the new host between its launch and its deployment. */
  async function failureAfter(command: string): Promise<string> {
    const alive = async (): Promise<string[]> => (await bench.live().catch(() => ({ instances: [] }))).instances.map(({ InstanceId }) => InstanceId ?? "");
    const known = await alive();
    const failing = failure();
    const id = await until("a new instance exists", async () => (await alive()).find((one) => !known.includes(one)), 60_000);
    await until("its host runs", () => bench.host(id).run(command).then(() => true, () => false), 30_000);
    return failing;
  }

  it("names the unit of the user's that orders itself in a circle (L5)", async () => {
    bench.fleet({ "us-west-2": 1 });
    bench.file("systemd/late.service", `[Unit]\nAfter=cloud-init.target\n${unit("ExecStart=/bin/sleep infinity")}`);
    assert.match(await failure(), /^node us-west-2-0: .*step units: late\.service: After=cloud-init\.target with WantedBy=multi-user\.target is an ordering cycle$/);
  });

  it("names the unit of the user's that systemd rejects (L9)", async () => {
    bench.fleet({ "us-west-2": 1 });
    bench.file("systemd/mistyped.service", unit("Type=simpel\nExecStart=/bin/sleep infinity"));
    assert.match(await failure(), /^node us-west-2-0: .*step units: .*mistyped\.service:2: Failed to parse service type, ignoring: simpel$/);
  });

  it("names the reboot that cannot be started (L17)", async () => {
    bench.fleet({ "us-west-2": 1 });
    const dropIn = "/run/systemd/system/spot-reboot.service.d";
    const message = await failureAfter(`mkdir -p ${dropIn} && printf '[Unit]\\nRefuseManualStart=yes\\n' > ${dropIn}/refuse.conf`);
    assert.match(message, /^node us-west-2-0: .*its reboot, which could not be started/);
  });

  it("waits for a cloud-init that takes its time before it uploads (L1, L14)", async () => {
    await bench.spot(["down"]);
    bench.fleet({ "us-west-2": 1 });
    const dropIn = "/run/systemd/system/cloud-final.service.d";
    const coming = bench.up();
    const id = await until("the instance exists", async () => (await bench.live().catch(() => ({ instances: [] }))).instances[0]?.InstanceId, 60_000);
    await until("its host runs", () => bench.host(id).run(`mkdir -p ${dropIn} && printf '[Service]\\nExecStartPre=/bin/sleep 10\\n' > ${dropIn}/slow.conf && systemctl daemon-reload`).then(() => true, () => false), 30_000);
    const { outcome, events } = await coming;
    assert.equal(outcome.code, 0, outcome.stdout);
    const waits = events.flatMap((event) => (event.type === "waiting" ? [event.reason] : []));
    assert.ok(waits.some((reason) => reason.startsWith("cloud-init")), waits.join("; "));
    // The tests after this one break a node before it is deployed, and a healthy one would not be made anew.
    assert.equal((await bench.spot(["down"])).code, 0);
  });

  it("names the file that is not what was uploaded (L12)", async () => {
    const meddle = "[Service]\\nExecStartPre=/bin/sh -c 'echo x >> /opt/uploaded_files/scripts/sensor.py'\\n";
    const message = await failureAfter(`mkdir -p /etc/systemd/system/spot-deploy.service.d && printf "${meddle}" > /etc/systemd/system/spot-deploy.service.d/meddle.conf`);
    assert.match(message, /^node us-west-2-0: .*step verify-manifest: scripts\/sensor\.py: \d+ bytes, not \d+$/);
  });

  it("says that the disk is full when a program does not fit", async () => {
    const large = path.join(bench.dir, "large");
    writeFileSync(large, Buffer.concat([readFileSync(PROGRAM), Buffer.alloc(400_000, "#")]));
    bench.fleet({ "us-west-2": 1 }, bacalhau(`binary: ${JSON.stringify(large)}`));
    const message = await failureAfter("mount -t tmpfs -o size=100k none /usr/local/bin");
    assert.match(message, /^node us-west-2-0: .*step workload-binaries: OSError: \[Errno 28\] No space left on device/);
  });

  it("says that the disk is full when the upload does not fit, and leaves nothing half done", async () => {
    bench.fleet({ "us-west-2": 1 });
    bench.file("large.bin", Buffer.alloc(3_000_000, "x"));
    const message = await failureAfter("mkdir -p /opt/uploaded_files && mount -t tmpfs -o size=1m none /opt/uploaded_files");
    assert.match(message, /^node us-west-2-0: The upload did not arrive whole: OSError: \[Errno 28\] No space left on device/);
    const [node] = await bench.nodes();
    assert.equal(await bench.host(node?.instanceId ?? "").run("ls -A /opt/uploaded_files"), "");
    rmSync(path.join(bench.files, "large.bin"));
  });

  it("is verified with work that is done once, and not with a unit that fails, which is named (L6)", async () => {
    bench.fleet({ "us-west-2": 1 });
    bench.file("systemd/once.service", unit("Type=oneshot\nExecStart=/bin/true"));
    const { outcome } = await bench.up();
    assert.equal(outcome.code, 0, outcome.stdout);

    bench.file("systemd/fails.service", unit("ExecStart=/bin/sh -c 'exit 3'"));
    const { outcome: bad, document } = await bench.up();
    assert.equal(bad.code, 5, bad.stdout);
    const checked = document.verification?.nodes[0]?.results.find(({ id }) => id === "H6");
    assert.equal(checked?.status, "failed");
    assert.equal(checked?.actual, "fails.service: failed (failed), exit-code");
  });

  it("names the unit of the user's that hangs in its start: on the node, and in the verification", async () => {
    bench.fleet({ "us-west-2": 1 });
    bench.file("systemd/hangs.service", unit("Type=oneshot\nExecStart=/bin/sleep infinity"));
    const { outcome, document } = await bench.up();
    assert.equal(outcome.code, 5, outcome.stdout);
    const [verified] = document.verification?.nodes ?? [];
    assert.ok(verified);
    assert.deepEqual({ failed: idsWith("failed", verified), warning: idsWith("warning", verified), skipped: idsWith("skipped", verified) }, { failed: ["H6"], warning: ["C1"], skipped: [] });
    const [boot, own] = ["C1", "H6"].map((id) => verified.results.find((result) => result.id === id));
    assert.equal(boot?.actual, "running; the boot waits for hangs.service");
    assert.equal(own?.actual, "hangs.service: activating (start), success");
    assert.match(own?.cause ?? "", /^hangs\.service hangs in its start/);

    const host = bench.host(verified.instanceId);
    const said = "STEP own-units: failed: hangs.service: still starting after 90 s (activating, start)\n";
    await until("the node names it too", async () => (await host.run("cat /opt/startup.log")).endsWith(said), 120_000);
    assert.equal((JSON.parse(await host.run("cat /var/lib/spot-deployer/steps-own-units/01-own-units.json")) as { status: string }).status, "failed");
    assert.equal(await host.run("systemctl is-failed spot-own-units.service"), "failed\n");
  });
});
