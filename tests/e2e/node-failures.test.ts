import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { describeHosts } from "../support/describe-hosts";
import { FleetBench, idsWith } from "../support/fleet-bench";
import { until } from "../support/sandbox";

const PROGRAM = path.join(packageRoot(), "tests/support/bacalhau-stand-in.py");

/** Where a node serves something to others. */
const PORT = 8000;

/** A unit that multi-user.target starts. */
const unit = (lines: string): string => `[Service]\n${lines}\n[Install]\nWantedBy=multi-user.target\n`;

describeHosts("a node that cannot be deployed as it should", () => {
  const bench = new FleetBench();
  after(() => bench[Symbol.asyncDispose]());
  beforeEach(() => rmSync(path.join(bench.files, "systemd"), { recursive: true, force: true }));
  const closing: (() => Promise<void>)[] = [];
  afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

  const bacalhau = (program: string): string[] => ["bacalhau:", "  version: 1.6.0", `  ${program}`];

  /** The one failure of an `up`. */
  async function failure(): Promise<string> {
    const { outcome, document } = await bench.up();
    assert.notEqual(outcome.code, 0, outcome.stdout);
    assert.equal(document.verified, false);
    assert.equal(document.failures.length, 1, JSON.stringify(document.failures));
    const [failure] = document.failures;
    assert.ok(failure?.next);
    return failure.message;
  }

  /** As `failure`, and does something to the new host between its launch and its deployment. */
  async function failureAfter(command: string): Promise<string> {
    const alive = async (): Promise<string[]> =>
      (await bench.live().catch(() => ({ instances: [] }))).instances.map(({ InstanceId }) => InstanceId ?? "");
    const known = await alive();
    const failing = failure();
    const id = await until("a new instance exists", async () => (await alive()).find((one) => !known.includes(one)));
    await until("its host runs", () =>
      bench
        .host(id)
        .run(command)
        .then(
          () => true,
          () => false,
        ),
    );
    return failing;
  }

  /** A node whose group lets everybody in at PORT until the test has ended. `serve` starts a server and waits for it. */
  async function serving(name: string): Promise<{
    address: string;
    run: (command: string) => Promise<string>;
    serve: (command: string) => Promise<void>;
  }> {
    const node = (await bench.nodes()).find((one) => one.name === name) ?? assert.fail(name);
    closing.push(await bench.openPort(node, PORT));
    const run = (command: string): Promise<string> => bench.host(node.instanceId).run(command);
    const serve = async (command: string): Promise<void> => {
      await run(command);
      await until("it serves", async () => (await run(`ss -Hltn 'sport = :${PORT}'`)) !== "");
    };
    return { address: node.address ?? assert.fail("no address"), run, serve };
  }

  it("names the unit of the user's that orders itself in a circle (L5)", async () => {
    bench.fleet({ "us-west-2": 1 });
    bench.file("systemd/late.service", `[Unit]\nAfter=cloud-init.target\n${unit("ExecStart=/bin/sleep infinity")}`);
    assert.match(
      await failure(),
      /^node us-west-2-0: .*step units: late\.service: After=cloud-init\.target with WantedBy=multi-user\.target is an ordering cycle$/,
    );
  });

  it("names the unit of the user's that systemd rejects (L9)", async () => {
    bench.fleet({ "us-west-2": 1 });
    bench.file("systemd/mistyped.service", unit("Type=simpel\nExecStart=/bin/sleep infinity"));
    assert.match(
      await failure(),
      /^node us-west-2-0: .*step units: .*mistyped\.service:2: Failed to parse service type, ignoring: simpel$/,
    );
  });

  it("names the unit of the user's that would run a folder, by way of a link (L11)", async () => {
    bench.fleet({ "us-west-2": 1 });
    bench.file("tool/run", "#!/bin/sh\n");
    symlinkSync("tool", path.join(bench.files, "current"));
    bench.file(
      "systemd/folder.service",
      unit("WorkingDirectory=/opt/uploaded_files/files/current\nExecStart=/opt/uploaded_files/files/current"),
    );
    assert.match(
      await failure(),
      /^node us-west-2-0: .*step units: folder\.service: ExecStart names \/opt\/uploaded_files\/files\/current, a folder: only a file can be run$/,
    );
  });

  it("names the unit of the user's whose program is in a home directory, and not on the node (L15)", async () => {
    bench.fleet({ "us-west-2": 1 });
    bench.file("systemd/tool.service", unit("ExecStart=/root/.local/bin/tool run"));
    assert.match(
      await failure(),
      /^node us-west-2-0: .*step units: .*tool\.service: Command \/root\/\.local\/bin\/tool is not executable: No such file or directory$/,
    );
  });

  it("names the script that has a syntax error, before anything of it runs (L8)", async () => {
    const scripts = path.join(bench.dir, "scripts");
    cpSync(path.join(packageRoot(), "instance/scripts"), scripts, { recursive: true });
    writeFileSync(path.join(scripts, "sensor.py"), "if True; then\n");
    bench.config(
      { "us-west-2": 1 },
      { aws: [`files_directory: ${JSON.stringify(bench.files)}`, `scripts_directory: ${JSON.stringify(scripts)}`] },
    );
    assert.match(
      await failure(),
      /^node us-west-2-0: .*step scripts: sensor\.py: invalid syntax \(.*sensor\.py, line 1\)$/,
    );
  });

  it("names the reboot that cannot be started (L17)", async () => {
    bench.fleet({ "us-west-2": 1 });
    const dropIn = "/run/systemd/system/spot-reboot.service.d";
    const message = await failureAfter(
      `mkdir -p ${dropIn} && printf '[Unit]\\nRefuseManualStart=yes\\n' > ${dropIn}/refuse.conf`,
    );
    assert.match(message, /^node us-west-2-0: .*its reboot, which could not be started/);
  });

  it("waits for a cloud-init that takes its time before it uploads (L1, L14)", async () => {
    await bench.spot(["down"]);
    bench.fleet({ "us-west-2": 1 });
    const dropIn = "/run/systemd/system/cloud-final.service.d";
    const coming = bench.up();
    const id = await until(
      "the instance exists",
      async () => (await bench.live().catch(() => ({ instances: [] }))).instances[0]?.InstanceId,
    );
    await until("its host runs", () =>
      bench
        .host(id)
        .run(
          `mkdir -p ${dropIn} && printf '[Service]\\nExecStartPre=/bin/sleep 10\\n' > ${dropIn}/slow.conf && systemctl daemon-reload`,
        )
        .then(
          () => true,
          () => false,
        ),
    );
    const { outcome, events } = await coming;
    assert.equal(outcome.code, 0, outcome.stdout);
    const waits = events.flatMap((event) => (event.type === "waiting" ? [event.reason] : []));
    assert.ok(
      waits.some((reason) => reason.startsWith("cloud-init")),
      waits.join("; "),
    );
    // The tests after this one break a node before it is deployed, and a healthy one would not be made anew.
    assert.equal((await bench.spot(["down"])).code, 0);
  });

  it("names the file that is not what was uploaded (L12)", async () => {
    const meddle = "[Service]\\nExecStartPre=/bin/sh -c 'echo x >> /opt/uploaded_files/scripts/sensor.py'\\n";
    const message = await failureAfter(
      `mkdir -p /etc/systemd/system/spot-deploy.service.d && printf "${meddle}" > /etc/systemd/system/spot-deploy.service.d/meddle.conf`,
    );
    assert.match(message, /^node us-west-2-0: .*step verify-manifest: scripts\/sensor\.py: \d+ bytes, not \d+$/);
  });

  it("says that the disk is full when a program does not fit", async () => {
    const large = path.join(bench.dir, "large");
    writeFileSync(large, Buffer.concat([readFileSync(PROGRAM), Buffer.alloc(400_000, "#")]));
    bench.fleet({ "us-west-2": 1 }, bacalhau(`binary: ${JSON.stringify(large)}`));
    const message = await failureAfter("mount -t tmpfs -o size=100k none /usr/local/bin");
    assert.match(message, /^node us-west-2-0: .*step workload-binaries: OSError: \[Errno 28\] No space left on device/);
  });

  it("says that the disk is full when the upload does not fit, and leaves nothing half done (L10)", async () => {
    bench.fleet({ "us-west-2": 1 });
    bench.file("large.bin", Buffer.alloc(3_000_000, "x"));
    const message = await failureAfter(
      "mkdir -p /opt/uploaded_files && mount -t tmpfs -o size=1m none /opt/uploaded_files",
    );
    assert.match(
      message,
      /^node us-west-2-0: The upload did not arrive whole: OSError: \[Errno 28\] No space left on device/,
    );
    const [node] = await bench.nodes();
    const host = bench.host(node?.instanceId ?? "");
    assert.equal(await host.run("ls -A /opt/uploaded_files"), "");
    assert.match(
      await host.run("cloud-init status"),
      /^status: done$/m,
      "the first boot does not wait for what comes after it",
    );
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
    assert.equal(checked.actual, "fails.service: failed (failed), exit-code");
  });

  it("names the unit of the user's that hangs in its start: on the node, and in the verification", async () => {
    bench.fleet({ "us-west-2": 1 });
    bench.file("systemd/hangs.service", unit("Type=oneshot\nExecStart=/bin/sleep infinity"));
    const { outcome, document } = await bench.up();
    assert.equal(outcome.code, 5, outcome.stdout);
    const [verified] = document.verification?.nodes ?? [];
    assert.ok(verified);
    assert.deepEqual(
      {
        failed: idsWith("failed", verified),
        warning: idsWith("warning", verified),
        skipped: idsWith("skipped", verified),
      },
      { failed: ["H6"], warning: ["C1"], skipped: [] },
    );
    const [boot, own] = ["C1", "H6"].map((id) => verified.results.find((result) => result.id === id));
    assert.equal(boot?.actual, "running; the boot waits for hangs.service");
    assert.equal(own?.actual, "hangs.service: activating (start), success");
    assert.match(own.cause ?? "", /^hangs\.service hangs in its start/);

    const host = bench.host(verified.instanceId);
    const said = "STEP own-units: failed: hangs.service: still starting after 90 s (activating, start)\n";
    await until("the node names it too", async () => (await host.run("cat /opt/startup.log")).endsWith(said), 120_000);
    assert.equal(
      (JSON.parse(await host.run("cat /var/lib/spot-deployer/steps-own-units/own-units.json")) as { status: string })
        .status,
      "failed",
    );
    assert.equal(await host.run("systemctl is-failed spot-own-units.service"), "failed\n");
  });

  it("takes a download only when it is what was pinned, and names an address that has none (L18)", async () => {
    bench.fleet({ "us-west-2": 1, "us-east-1": 1 });
    const first = await bench.up();
    assert.equal(first.outcome.code, 0, first.outcome.stdout);
    // What a roll has not come to yet serves what the canary downloads.
    const server = await serving("us-east-1-0");
    await server.serve(
      `mkdir /srv/www && cat > /srv/www/bacalhau <<'X'\n${readFileSync(PROGRAM, "utf8")}X\nsystemd-run --quiet python3 -m http.server ${PORT} --directory /srv/www`,
    );
    const download = (file: string, sha256: string): string[] =>
      bacalhau(`download: {amd64: {url: "http://${server.address}:${PORT}/${file}", sha256: "${sha256}"}}`);
    const sha256 = createHash("sha256").update(readFileSync(PROGRAM)).digest("hex");

    bench.fleet({ "us-west-2": 1, "us-east-1": 1 }, download("bacalhau", "0".repeat(64)));
    assert.match(
      await failure(),
      new RegExp(
        `^node us-west-2-0: .*step workload-binaries: http://${server.address}:${PORT}/bacalhau: sha256 is ${sha256}, not 0{64}$`,
      ),
    );
    bench.fleet({ "us-west-2": 1, "us-east-1": 1 }, download("none", sha256));
    assert.match(
      await failure(),
      /^node us-west-2-0: .*step workload-binaries: http:.*\/none: HTTP Error 404: File not found \(4 attempts\)$/,
    );
    await server.run("systemctl stop 'run-*.service'");
  });

  it("is taken off the orchestrator's list when it ends (L22)", async () => {
    const orchestrator = await serving("us-east-1-0");
    const { "us-west-2-0": ends } = await bench.ids();
    await orchestrator.serve(`cat > /run/orchestrator.py <<'X'
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
class Orchestrator(BaseHTTPRequestHandler):
    def answer(self, value):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())
    def do_GET(self):
        self.answer({"Nodes": [{"Info": {"NodeID": "n-1", "Labels": {"instance_id": "${ends}"}}}]})
    def do_PUT(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        with open("/run/asked", "a") as file:
            file.write(self.path + " " + json.loads(body)["Action"] + "\\n")
        self.answer({"Success": True})
HTTPServer(("", ${PORT}), Orchestrator).serve_forever()
X
systemd-run --quiet python3 /run/orchestrator.py`);
    bench.fleet({ "us-west-2": 1, "us-east-1": 1 }, [
      ...bacalhau(`binary: ${JSON.stringify(PROGRAM)}`),
      "  orchestrators: [nats://127.0.0.1:4222]",
      `  api: http://${orchestrator.address}:${PORT}`,
    ]);
    const { code, stdout, stderr } = await bench.spot(["down", "us-west-2-0"]);
    assert.equal(code, 0, stdout + stderr);
    assert.equal(await orchestrator.run("cat /run/asked"), "/api/v1/orchestrator/nodes/n-1 delete\n");
  });
});
