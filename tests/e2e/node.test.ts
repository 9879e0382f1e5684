import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { describeHosts } from "../support/describe-hosts";
import { assertOnlyFails, FleetBench } from "../support/fleet-bench";
import type { InsideHost } from "../support/inside-host";
import { until } from "../support/sandbox";

const NODES = ["eu-west-1-0", "us-east-1-0", "us-west-2-0"];
const WORKLOADS = ["bacalhau.service", "sensor.service", "spot-interruption.service", "mine.service"];
/** The stand-in's: a cluster of its own on each node. */
const ORCHESTRATOR = "127.0.0.1:4222";
const PROGRAM = path.join(packageRoot(), "tests/support/bacalhau-stand-in.py");
const TOKEN = "t0ken-of-the-cluster";
const REPORT = "/var/lib/spot-deployer/spot-deploy.result.json";
const IDENTITY = "/opt/sensor/config/node_identity.json";

const bootId = (host: InsideHost): Promise<string> => host.run("cat /proc/sys/kernel/random/boot_id");
const rows = async (host: InsideHost): Promise<number> =>
  Number(
    await host.run(
      `python3 -c 'import sqlite3; print(sqlite3.connect("file:/opt/sensor/data/sensor_data.db?mode=ro", uri=True).execute("SELECT count(*) FROM sensor_readings").fetchone()[0])'`,
    ),
  );

async function rebooted(host: InsideHost): Promise<void> {
  const before = await bootId(host);
  await host.run("systemctl --no-block reboot");
  await until("the host booted again", async () => (await bootId(host).catch(() => before)) !== before, 180_000);
}

/** The lines of every text file below a folder that hold a text. */
function filesWith(text: string, folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => readFileSync(file).includes(text));
}

/** The user's files as a person might keep them. */
function awkwardTree(bench: FleetBench): void {
  const at = (name: string): string => path.join(bench.files, name);
  for (const folder of ["a/b/c/d", "empty/deep", "with space", "日本"]) mkdirSync(at(folder), { recursive: true });
  bench.file("a/b/c/d/deep.txt", "deep\n");
  bench.file(".env", "DOT=1\n");
  bench.file(".hidden/.dot", "");
  bench.file("with space/a 'quoted' \"name\" $HOME;.txt", "quoted\n");
  bench.file("日本/ü \u{1f600}.txt", "unicode\n");
  bench.file("-leading-dash", "dash\n");
  bench.file("bin/run", "#!/bin/sh\necho ran\n");
  chmodSync(at("bin/run"), 0o700);
  symlinkSync("bin/run", at("link"));
  symlinkSync("../a", at("with space/folder"));
  symlinkSync("nowhere", at("dangling"));
}

describeHosts("what runs on a node", () => {
  const bench = new FleetBench();
  const hosts = new Map<string, InsideHost>();
  const host = (name = "us-west-2-0"): InsideHost => hosts.get(name) ?? assert.fail(name);

  before(() => {
    awkwardTree(bench);
    bench.file(
      "systemd/mine.service",
      "[Service]\nExecStart=/opt/uploaded_files/files/bin/mine\n[Install]\nWantedBy=multi-user.target\n",
    );
    bench.file("bin/mine", "#!/bin/sh\nexec sleep infinity\n");
    chmodSync(path.join(bench.files, "bin/mine"), 0o755);
    bench.file(
      "systemd/orchestrator.service",
      "[Service]\nExecStart=/usr/local/bin/bacalhau orchestrator\n[Install]\nWantedBy=multi-user.target\n",
    );
    bench.file("on-interruption.d/10-save", '#!/bin/sh\necho "$SPOT_EVENT $SPOT_ACTION" >> /var/lib/saved\n');
    const token = path.join(bench.dir, "token");
    writeFileSync(token, `${TOKEN}\n`, { mode: 0o600 });
    bench.fleet({ "us-west-2": 1, "us-east-1": 1, "eu-west-1": 1 }, [
      "bacalhau:",
      "  version: 1.6.0",
      `  binary: ${JSON.stringify(PROGRAM)}`,
      `  orchestrators: [nats://${ORCHESTRATOR}]`,
      `  api: http://${ORCHESTRATOR}`,
      `  token_file: ${JSON.stringify(token)}`,
      "  labels: {team: sensors}",
      "  allowed_paths: [/opt/sensor/data]",
    ]);
  });
  after(() => bench[Symbol.asyncDispose]());

  it("comes up with Bacalhau, the user's unit and every kind of file, verified", async () => {
    const { outcome, document } = await bench.up();
    assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr);
    const results = document.verification?.nodes.map(({ results }) =>
      results
        .filter(({ id }) => ["D2", "F7", "H1", "H2", "H3", "H4", "H6"].includes(id))
        .map(({ id, status }) => `${id} ${status}`),
    );
    assert.deepEqual(
      results,
      NODES.map(() => ["D2 ok", "H3 ok", "F7 ok", "H2 ok", "H1 ok", "H4 ok", "H6 ok"]),
    );
    for (const [name, id] of Object.entries(await bench.ids())) hosts.set(name, bench.host(id));

    const uploaded = await host().run(
      "cd /opt/uploaded_files/files && find . -mindepth 1 -printf '%P %y %m %l\\n' | sort",
    );
    for (const line of [
      "empty/deep d 755 ",
      ".hidden/.dot f 644 ",
      "bin/run f 755 ",
      "link l 777 bin/run",
      "dangling l 777 nowhere",
      "日本/ü \u{1f600}.txt f 644 ",
      "with space/a 'quoted' \"name\" $HOME;.txt f 644 ",
    ]) {
      assert.ok(uploaded.split("\n").includes(line), `${line} is not in\n${uploaded}`);
    }
    assert.equal(await host().run("/opt/uploaded_files/files/link"), "ran\n");
  });

  it("gives Bacalhau the configuration that it joins with (L20)", async () => {
    const config = JSON.parse(await host().run("cat /bacalhau_node/config.yaml")) as Record<string, unknown>;
    const { instanceId } = (await bench.nodes()).find(({ name }) => name === "us-west-2-0")!;
    assert.deepEqual(config["Compute"], {
      Enabled: true,
      Orchestrators: [`nats://${ORCHESTRATOR}`],
      Auth: { Token: TOKEN },
      AllowListedLocalPaths: ["/opt/sensor/data"],
    });
    const labels = config["Labels"] as Record<string, string>;
    assert.deepEqual([labels["team"], labels["instance_id"], labels["node"]], ["sensors", instanceId, "us-west-2-0"]);
    const member = JSON.parse(await host().run("cat /bacalhau_data/member.json")) as { NodeID: string };
    assert.equal(member.NodeID, instanceId);
  });

  it("keeps the token where only root and the uploading user read it, and nowhere else", async () => {
    const found = await host().run(
      `grep -rlF ${TOKEN} /etc /opt /var /run /bacalhau_node /bacalhau_data 2>/dev/null | sort | xargs stat -c '%n %U %a'`,
    );
    assert.equal(
      found,
      "/bacalhau_node/config.yaml root 600\n/etc/spot-deployer/bacalhau-token root 600\n/opt/uploaded_files/config/bacalhau-token ubuntu 600\n",
    );
    assert.equal(await host().run(`journalctl --no-pager | grep -cF ${TOKEN}; true`), "0\n");
    const { stdout, stderr } = await bench.spot(["verify", "--json"]);
    assert.ok(!`${stdout}${stderr}`.includes(TOKEN));
    assert.ok(!readFileSync(bench.stackFile, "utf8").includes(TOKEN));
    // The hosts' own disks are the nodes', with much that cannot be read from outside, such as their kernel's files;
    // everything else of the sandbox is the client's and the cloud's.
    const others = readdirSync(bench.home, { withFileTypes: true }).filter(
      (entry) => entry.isDirectory() && entry.name !== "hosts",
    );
    assert.ok(others.length > 2, "there are the backend, keys and logs");
    const kept = others.flatMap(({ name }) => filesWith(TOKEN, path.join(bench.home, name)));
    // The payload that `--rollback-on-failure` goes back to (docs/recovery.md), for its owner's eyes only.
    const [content, ...elsewhere] = kept;
    assert.match(content ?? "", /\/\.spot-deployer\/[^/]+\/verified\/content\/[0-9a-f]{64}$/);
    assert.deepEqual(elsewhere, []);
    const modes = [content!, path.dirname(content!)].map((file) => statSync(file).mode & 0o777);
    assert.deepEqual(modes, [0o600, 0o700]);
  });

  it("comes back by itself after each of two further reboots (L6, L7)", async () => {
    const identities = await Promise.all(NODES.map((name) => host(name).run(`cat ${IDENTITY}`)));
    for (const time of ["first", "second"]) {
      const before = await Promise.all(NODES.map((name) => rows(host(name))));
      await Promise.all(NODES.map((name) => rebooted(host(name))));
      for (const [n, name] of NODES.entries()) {
        await until(
          `${name}: rows grow after the ${time} reboot`,
          async () => (await rows(host(name))) > before[n]! + 4,
          180_000,
        );
        const units = await host(name).run(`systemctl show -p ActiveState,NRestarts ${WORKLOADS.join(" ")}`);
        assert.equal(units.trim(), WORKLOADS.map(() => "NRestarts=0\nActiveState=active").join("\n\n"), name);
        assert.equal(await host(name).run(`cat ${IDENTITY}`), identities[n]);
      }
      const { code, report } = await bench.verify();
      assert.equal(
        code,
        0,
        JSON.stringify(report.nodes.flatMap(({ results }) => results.filter(({ status }) => status !== "ok"))),
      );
    }
  });

  it("refuses a second deployment with another payload, and keeps the word of the first", async () => {
    const before = await host().run(`cat ${REPORT} /opt/deployment.log`);
    await host().run("cp -a /opt/uploaded_files /opt/kept && echo '# other' >> /opt/uploaded_files/scripts/sensor.py");
    await host().run(`python3 -B - <<'X'
import json, hashlib, sys
sys.path.insert(0, "/opt/uploaded_files/scripts")
from manifest import digest_of
path = "/opt/uploaded_files/manifest.json"
manifest = json.load(open(path))
content = open("/opt/uploaded_files/scripts/sensor.py", "rb").read()
entry = next(entry for entry in manifest["entries"] if entry["path"] == "scripts/sensor.py")
entry.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
manifest["digest"] = digest_of(manifest["entries"])
json.dump(manifest, open(path, "w"))
X`);
    const status = await host().run(
      "systemctl start spot-deploy.service 2>/dev/null; systemctl show -p ExecMainStatus --value spot-deploy.service",
    );
    assert.equal(status, "3\n");
    assert.match(
      await host().run("journalctl -u spot-deploy.service -o cat --no-pager -b"),
      /refused: deployed with payload .* replace the node/,
    );
    assert.equal(await host().run(`cat ${REPORT} /opt/deployment.log`), before);
    await host().run(
      "rm -r /opt/uploaded_files && mv /opt/kept /opt/uploaded_files && systemctl reset-failed spot-deploy.service",
    );
    assert.equal((await bench.verify("--only", "D*,E*")).code, 0);
  });

  it("says which directory is missing when one is taken away (L2)", async () => {
    await host().run("mv /opt/sensor/logs /opt/sensor/gone");
    try {
      const told = await host().run("python3 -B /opt/uploaded_files/scripts/deploy_services.py --check; true");
      assert.match(told, /^directories: not done: \/opt\/sensor\/logs: missing$/m);
      const { report } = await bench.verify("--node", "us-west-2-0");
      assertOnlyFails(report.nodes[0]!, "D4", /\/opt\/sensor\/logs: missing/);
    } finally {
      await host().run("mv /opt/sensor/gone /opt/sensor/logs");
    }
  });

  for (const [what, service, reason] of [
    [
      "answers 401",
      "lambda handler: handler.reply(401, b'<html>Unauthorized</html>')",
      /no session token: the metadata service answered 401/,
    ],
    [
      "answers 404",
      "lambda handler: handler.reply(200, b't') if handler.command == 'PUT' else handler.reply(404, b'<html>Not Found</html>')",
      /meta-data\/instance-id: the metadata service has no value/,
    ],
    [
      "answers garbage",
      "lambda handler: handler.reply(200, b't') if handler.command == 'PUT' else handler.reply(200, b'<html>Welcome</html>')",
      /not an instance id: '<html>Welcome<\/html>'/,
    ],
    [
      "answers too slowly",
      "lambda handler: (time.sleep(5), handler.reply(200, b't'))",
      /the metadata service is out of reach: timed out/,
    ],
  ] as const) {
    it(`fails the startup's step \`metadata\` when the metadata service ${what} (L21)`, async () => {
      const identity = await host().run(`cat ${IDENTITY}`);
      await host().run(`cat > /run/service.py <<'X'
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def reply(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        (${service})(self)
    do_PUT = do_GET
    def log_message(self, *values):
        pass
ThreadingHTTPServer(("127.0.0.1", 8099), Handler).serve_forever()
X
systemd-run --quiet --unit=false-metadata /usr/bin/python3 /run/service.py
until ss -Hltn 'sport = :8099' | grep -q .; do sleep 0.1; done
mkdir -p /run/systemd/system/bacalhau-startup.service.d
cat > /run/systemd/system/bacalhau-startup.service.d/false.conf <<'X'
[Service]
Environment=AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:8099
ExecStart=
ExecStart=/usr/bin/python3 -B -c "import sys; sys.path.insert(0, '/opt/uploaded_files/scripts'); import node, startup; from pathlib import Path; sys.exit(0 if startup.Startup(node.Root(Path('/')), metadata_seconds=4).runner.run_all() else 1)"
X
systemctl daemon-reload; systemctl restart bacalhau-startup.service; true`);
      try {
        const { report } = await bench.verify("--node", "us-west-2-0", "--only", "F5,F6");
        const [startup, steps] = ["F5", "F6"].map((id) => report.nodes[0]!.results.find((result) => result.id === id)!);
        assert.deepEqual([startup!.status, steps!.status], ["failed", "failed"]);
        assert.match(steps!.actual ?? "", reason);
        assert.match(steps!.actual ?? "", /^metadata: failed: .*; identity: pending/);
        assert.equal(await host().run(`cat ${IDENTITY}`), identity, "no identity is made of it");
        assert.equal(
          await host().run("systemctl is-active sensor.service; true"),
          "inactive\n",
          "what depends on it does not run",
        );
      } finally {
        await host().run(
          "rm -r /run/systemd/system/bacalhau-startup.service.d; systemctl stop false-metadata; systemctl daemon-reload; systemctl reset-failed; systemctl restart bacalhau-startup sensor bacalhau",
        );
      }
    });
  }

  it("runs the hooks on a rebalance recommendation and goes on running", async () => {
    const outcome = await bench.start(["sandbox", "rebalance", "us-east-1-0"], { plain: true }).done;
    assert.equal(outcome.code, 0, outcome.stderr);
    const saved = await until("the hook ran", () =>
      host("us-east-1-0")
        .run("cat /var/lib/saved")
        .catch(() => undefined),
    );
    assert.equal(saved, "rebalance rebalance\n");
    assert.equal(await host("us-east-1-0").run("systemctl is-active sensor.service"), "active\n");
    const { report } = await bench.verify("--only", "K4");
    assert.deepEqual(
      report.nodes.map(({ node, results, isVerified }) => [
        node,
        isVerified,
        results.find(({ id }) => id === "K4")?.status,
      ]),
      NODES.map((name) => [name, true, name === "us-east-1-0" ? "warning" : "ok"]).sort(),
    );
  });

  it("runs the hooks and stops the workloads on the interruption notice, then its host ends", async () => {
    const east = host("us-east-1-0");
    const { instanceId } = (await bench.nodes()).find(({ name }) => name === "us-east-1-0")!;
    const outcome = await bench.start(["sandbox", "interrupt", "us-east-1-0", "--seconds", "60"], { plain: true }).done;
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.match(
      outcome.stdout,
      new RegExp(`us-east-1-0 \\(${instanceId}\\) has its interruption notice and ends at 20`),
    );
    await until("the workloads are stopped", async () =>
      /^inactive$/m.test(await east.run("systemctl is-active sensor.service; true")),
    );
    assert.match(await east.run("cat /var/lib/saved"), /^interruption terminate$/m);
    const log = await east.run("journalctl -b -u spot-interruption.service -o cat --no-pager");
    const order = [
      "hook 10-save: exit code 0",
      "mine.service: stopped",
      "bacalhau.service: stopped",
      "sensor.service: stopped",
    ].map((line) => log.indexOf(line));
    assert.ok(
      order.every((place, n) => place > (order[n - 1] ?? 0)),
      log,
    );
    const { state } = await until(
      "the host ends",
      async () =>
        (await bench.nodes()).find(
          (node) => node.name === "us-east-1-0" && node.state !== "running" && node.state !== "shutting-down",
        ),
      180_000,
    );
    assert.equal(state, "terminated");
  });

  it("names a node that does not run, and what there is", async () => {
    const outcome = await bench.start(["sandbox", "interrupt", "us-east-1-7"], { plain: true }).done;
    assert.notEqual(outcome.code, 0);
    assert.match(
      outcome.stderr,
      /E_NOT_FOUND: no node us-east-1-7 runs in the sandbox[^]*There are: eu-west-1-0, us-west-2-0\./,
    );
    const wrong = await bench.start(["sandbox", "interrupt", "us-west-2-0", "--seconds", "soon"], { plain: true }).done;
    assert.equal(wrong.code, 2, wrong.stderr);
  });
});
