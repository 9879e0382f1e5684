import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import module from "node:module";
import os from "node:os";
import path from "node:path";
import { spawnSync } from "node:child_process";
import { eventLine } from "../../tools/docs/event-schema";
import { pluralize } from "../../fleet/text/words";
import { packageRoot } from "../../project/package-root";
import { pasted } from "../support/aws-stand-in";
import { FIRST_RUN_MS, until } from "../support/sandbox";
import { hasTmux, TestTerminal } from "../support/terminal";
import { Workbench } from "../support/workbench";

const ESCAPES = /\u001b/;
const CLI = path.join(packageRoot(), "dist/cli/main.js");

/** Node keeps compiled code between runs since 22.8 (nodejs.org/api/module.html). */
const keepsCompiled = "enableCompileCache" in module;

describe("the real executable", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  before(() => (bench = new Workbench()));
  after(() => bench[Symbol.asyncDispose]());

  const logs = (): string[] => readdirSync(path.join(bench.home, "logs")).filter((name) => name.endsWith(".log"));

  it("writes one JSON event a line, each of the published shape, and nothing else", async () => {
    const { stdout, stderr, code } = await bench.spot(["up", "--json"]);
    assert.equal(code, 9, stdout + stderr);
    assert.equal(stderr, "");
    const lines = stdout.trimEnd().split("\n");
    for (const line of lines) {
      const parsed = eventLine.safeParse(JSON.parse(line));
      assert.ok(parsed.success, `${line}\n${parsed.error?.message}`);
    }
    assert.equal((JSON.parse(lines.at(-1)!) as { type: string }).type, "result");
  });

  it("keeps the full log of every run, without colours, and the record that `status` shows", async () => {
    const [log] = logs();
    const text = readFileSync(path.join(bench.home, "logs", log!), "utf8");
    assert.match(text, /^\S+Z spot up .*--json/);
    assert.match(text, /^\S+Z \[i-[0-9a-f]{17} @ 198\.1[89]\.\d+\.\d+\] SUCCESS: Created$/m);
    assert.match(text, /exit code 9 after/);
    assert.doesNotMatch(text, ESCAPES);
    const status = await bench.start(["status", "--sandbox=api"], { plain: true }).done;
    assert.match(status.stdout, /^up .*: ended with exit code 9, /);
    assert.match(status.stdout, /3 nodes: 3 created/);
    assert.ok(status.stdout.includes(log!));
  });

  it(`keeps its compiled code in the cache where Node can (here it ${keepsCompiled ? "can" : "cannot"}), and works without one that can be written`, async () => {
    const cache = path.join(bench.dir, "cache");
    const version = async (XDG_CACHE_HOME: string, more: NodeJS.ProcessEnv = {}) => {
      const { stdout, stderr, code } = await bench.start(["version"], {
        plain: true,
        env: { XDG_CACHE_HOME, NODE_COMPILE_CACHE: undefined, ...more },
      }).done;
      assert.deepEqual([code, stderr], [0, ""]);
      return stdout;
    };
    const said = await version(cache);
    const kept = (folder: string) => (existsSync(folder) ? readdirSync(folder, { recursive: true }).length : 0);
    assert.equal(kept(path.join(cache, "spot-deployer/compiled")) > 1, keepsCompiled);
    const own = path.join(bench.dir, "own");
    assert.equal(await version(cache, { NODE_COMPILE_CACHE: own }), said);
    assert.equal(kept(own) > 1, keepsCompiled, "the user's own place comes first");
    writeFileSync(path.join(bench.dir, "no-folder"), "");
    assert.equal(await version(path.join(bench.dir, "no-folder")), said);
  });

  it("is plain in a pipe: no escape sequence, no frame", async () => {
    const { stdout, stderr } = await bench.spot(["list"], { env: { NO_COLOR: undefined, CI: undefined } });
    assert.doesNotMatch(stdout + stderr, ESCAPES);
    assert.match(stdout, /^NODE +INSTANCE +REGION/);
  });

  it("lists by column, order and region, and from what was kept", async () => {
    const rows = async (...args: string[]) => {
      const { stdout, stderr, code } = await bench.spot(["list", ...args]);
      assert.equal(code, 0, stderr);
      return stdout.trimEnd().split("\n");
    };
    assert.deepEqual((await rows("--columns", "name,market"))[0], "NODE         MARKET");
    assert.deepEqual((await rows("--columns", "name", "--sort=-name")).slice(1, 4), [
      "us-west-2-0",
      "us-east-1-0",
      "eu-west-1-0",
    ]);
    assert.deepEqual((await rows("--columns", "name", "--region", "us-east-1")).slice(1, 2), ["us-east-1-0"]);
    assert.match((await rows())[1]!, /\$0\.0\d{3} +\$0\.\d{4}$/, "price per hour and cost so far");
    await bench.control("DELETE", "calls");
    assert.match((await rows("--cached"))[0]!, /^As of 20/);
    assert.deepEqual(await bench.control("GET", "calls"), {}, "--cached asks nobody");
    await rows();
    const calls = await bench.control<Record<string, Record<string, number>>>("GET", "calls");
    const looks = {
      DescribeInstances: 1,
      DescribeSpotInstanceRequests: 1,
      DescribeInternetGateways: 1,
      DescribeRouteTables: 1,
      DescribeSecurityGroupRules: 1,
    };
    for (const region of ["us-west-2", "us-east-1"])
      assert.deepEqual(
        calls[region],
        looks,
        "prices are kept for an hour, and what was changed outside takes three calls whatever the number of nodes",
      );
    assert.deepEqual(
      calls["eu-west-1"],
      { ...looks, GetCallerIdentity: 1 },
      "one region is asked whose the credentials are",
    );
  });

  it("`list --watch` looks again until Ctrl-C", async () => {
    await bench.control("DELETE", "calls");
    const looks = async () =>
      (await bench.control<Record<string, Record<string, number>>>("GET", "calls"))["us-west-2"]?.DescribeInstances ??
      0;
    const watching = bench.start(["list", "--watch", "--columns", "name,state"]);
    // The third look begins when the second is shown.
    await until("it looked three times", async () => (await looks()) >= 3);
    // As many as one call is tried: of the look that this hits, the other regions are shown.
    await bench.control("POST", "faults", {
      action: "DescribeInstances",
      region: "us-east-1",
      times: 4,
      effect: { error: { code: "RequestLimitExceeded", status: 503 } },
    });
    await watching.printed(/\[us-east-1\] ERROR: .*RequestLimitExceeded/);
    const throttled = await looks();
    await until("it went on", async () => (await looks()) > throttled);
    process.kill(watching.child.pid!, "SIGINT");
    const { stdout, stderr, code } = await watching.done;
    assert.equal(code, 130, stderr);
    assert.ok(stdout.split("us-west-2-0").length > 2, stdout);
    assert.match(stdout, /us-east-1-0 +unknown/);
    assert.match(stderr, /E_INTERRUPTED: .*it changes nothing/);
  });

  it("tells what the fleet costs", async () => {
    const { stdout } = await bench.spot(["cost", "--json"]);
    const { nodes, total } = JSON.parse(stdout) as {
      nodes: { hourly: number; onDemandHourly: number; soFar: number }[];
      total: { hourly: number; savedHourly: number; unknown: number };
    };
    assert.equal(nodes.length, 3);
    for (const { hourly, onDemandHourly, soFar } of nodes)
      assert.ok(hourly > 0.005 && onDemandHourly > hourly && soFar > 0 && soFar < hourly);
    assert.ok(Math.abs(total.hourly - nodes.reduce((sum, { hourly }) => sum + hourly, 0)) < 1e-9);
    assert.equal(total.unknown, 0);
  });

  it("--quiet leaves the result, --verbose adds debug messages, --log-file names the log", async () => {
    bench.config({ "us-west-2": 2, "us-east-1": 1, "eu-west-1": 1 });
    const file = path.join(bench.dir, "my.log");
    const quiet = await bench.spot(["up", "--quiet", "--log-file", file]);
    assert.equal(quiet.stderr, "");
    assert.match(quiet.stdout, /NOT VERIFIED/);
    assert.match(readFileSync(file, "utf8"), /SUCCESS: Created/);
    const loud = await bench.spot(["up"]);
    assert.match(loud.stderr, /INFO: account/);
  });

  it("shows commands that ask the sandbox when they are pasted, whatever the shell is set up for", async () => {
    await bench.control("PUT", "quotas", { code: "L-34B43A08", value: 0, region: "us-east-1" });
    const { stdout } = await bench.spot(["check"]);
    await bench.control("PUT", "quotas", { code: "L-34B43A08", value: 256, region: "us-east-1" });
    const [, command = ""] = /Ask for a higher quota \(`([^`]+)`\)/.exec(stdout) ?? [];
    const [call] = pasted(command, bench.dir);
    assert.deepEqual(
      [call?.key, call?.args.slice(0, 3)],
      ["sandbox", ["--endpoint-url", (await bench.sandbox()).endpoint, "service-quotas"]],
      stdout,
    );
  });

  it("lets a new address in, and only that: `allow-me`", async () => {
    bench.config({ "us-west-2": 1 }, { top: ["ssh: {allow: [198.51.100.0/24]}"] });
    assert.equal((await bench.spot(["up", "--yes"])).code, 9);
    const refused = await bench.spot(["allow-me"]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /Add `auto`/);
    const before = await bench.nodes();
    // Whatever else the configuration asks for by now: it is the nodes that stand which are to let the caller in.
    bench.config({ "us-east-1": 1 }, { top: ["ssh: {allow: [203.0.113.0/24, auto]}"] });
    const allowed = await bench.spot(["allow-me"]);
    assert.equal(allowed.code, 0, allowed.stderr);
    assert.match(allowed.stdout, /198\.\d+\.\d+\.\d+\/32 may log in now, in us-west-2/);
    bench.config({ "us-west-2": 1 }, { top: ["ssh: {allow: [198.51.100.0/24, auto]}"] });
    assert.match((await bench.spot(["allow-me"])).stdout, /may log in already/);
    assert.deepEqual(
      (await bench.nodes()).map(({ instanceId }) => instanceId),
      before.map(({ instanceId }) => instanceId),
    );
    const preview = JSON.parse((await bench.spot(["preview", "--json"])).stdout) as { changes: { kind: string }[] };
    assert.deepEqual(
      preview.changes.map(({ kind }) => kind),
      ["same"],
    );
  });

  it("`import` shows what a predecessor's file names, and ends it only after a yes", async () => {
    const { instances } = await bench.live();
    const entries = [
      ...instances.map(({ InstanceId, Placement }) => ({
        instance_id: InstanceId,
        region: Placement!.AvailabilityZone!.slice(0, -1),
        public_ip: null,
      })),
      { instance_id: "i-00000000000000000", region: "us-east-1" },
    ];
    const file = path.join(bench.dir, "instances.json");
    writeFileSync(file, JSON.stringify(entries));
    const read = (...args: string[]) => bench.start(["import", file, "--sandbox=api", ...args], { plain: true }).done;
    const asked = await read();
    assert.match(
      asked.stdout,
      new RegExp(
        `i-0{17} +us-east-1 +- +gone[^]*Still there and left as it was: ${pluralize(instances.length, "instance")};`,
      ),
    );
    assert.equal((await bench.live()).instances.length, instances.length);
    const ended = JSON.parse((await read("--yes", "--json")).stdout) as { ended: string[] };
    assert.deepEqual(ended.ended.sort(), instances.map(({ InstanceId }) => InstanceId).sort());
    assert.deepEqual(
      (await bench.live()).instances.filter(({ State }) => State?.Name === "running"),
      [],
    );
  });

  it("shows a live view of `up` and `down` in a terminal, plain lines with --plain, and tells the log of neither", async function () {
    if (!hasTmux()) this.skip();
    const env = { ...bench.env, CI: undefined, NO_COLOR: undefined };
    const run = (...args: string[]) =>
      new TestTerminal(
        [process.execPath, CLI, ...args, "--sandbox=api", "--stack", bench.stack, "--config", bench.configFile],
        { columns: 120, rows: 40, cwd: bench.root, env },
      );
    bench.config({ "us-west-2": 2 });
    using live = run("up");
    await live.shows(/^up {2}\d:\d\d/m);
    assert.equal(await live.ended(FIRST_RUN_MS), 9);
    assert.match(live.everything(), /up: 2 nodes: .*created after/);
    using plain = run("up", "--plain");
    assert.equal(await plain.ended(FIRST_RUN_MS), 9);
    assert.match(plain.everything(), /^\[spot\] INFO: account/m);
    using down = run("down");
    assert.equal(await down.ended(FIRST_RUN_MS), 0);
    assert.match(down.everything(), /down: 2 nodes: 2 deleted after/);
    assert.match(down.everything(), /Proven: all \d+ objects/);
    for (const terminal of [live, plain, down])
      assert.doesNotMatch(terminal.everything(), /Warning/, "Node's own warnings are no news to a user");
  });

  it("says what to do where a command needs hosts and there are none", async () => {
    await bench.spot(["up"]);
    for (const args of [["exec", "--", "true"], ["logs", "us-west-2-0"], ["ssh", "us-west-2-0"], ["verify"]]) {
      const { stderr, code } = await bench.spot(args);
      assert.notEqual(code, 0);
      assert.match(
        stderr,
        /E_SANDBOX_SETUP: no hosts stand behind the nodes of this sandbox \(--sandbox=api\): there is nothing to log in to/,
        args[0],
      );
      assert.match(stderr, /next: {2}Run `npm run down -- --sandbox=api`, then `npm run up -- --sandbox`/);
    }
  });
});

describe("commands that need neither AWS nor a stack", function () {
  this.timeout(60_000);
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "spot cli "))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const spot = (...args: string[]) =>
    spawnSync(process.execPath, [CLI, ...args], {
      cwd: dir,
      encoding: "utf8",
      env: { PATH: process.env.PATH, HOME: dir, TZ: "Europe/Dublin", AWS_ENDPOINT_URL: "http://127.0.0.1:1" },
    });

  it("setup --defaults writes a file that is valid, and never over another one unasked", () => {
    const first = spot("setup", "--defaults", "--config", "config.yaml");
    assert.equal(first.status, 0, first.stderr);
    assert.match(
      first.stderr,
      /^Regions proposed by the time zone Europe\/Dublin/m,
      "another endpoint is not AWS's: nothing is measured",
    );
    const text = readFileSync(path.join(dir, "config.yaml"), "utf8");
    assert.match(text, /eu-west-1:/, "regions near the clock's zone");
    assert.match(spot("setup", "--defaults", "--config", "config.yaml").stdout, /is so already/);
    writeFileSync(path.join(dir, "config.yaml"), "mine: true\n");
    const kept = spot("setup", "--defaults", "--config", "config.yaml");
    assert.equal(kept.status, 130);
    assert.match(kept.stderr, /^- mine: true$/m, "the difference is shown");
    assert.equal(readFileSync(path.join(dir, "config.yaml"), "utf8"), "mine: true\n");
    assert.equal(spot("setup", "--defaults", "--yes", "--config", "config.yaml").status, 0);
    assert.equal(readFileSync(path.join(dir, "config.yaml"), "utf8"), text);
  });

  it("setup asks, corrects, shows and writes in a terminal; Ctrl-C writes nothing", async function () {
    if (!hasTmux()) this.skip();
    const open = () =>
      new TestTerminal([process.execPath, CLI, "setup", "--config", "c.yaml"], {
        columns: 160,
        rows: 40,
        cwd: dir,
        env: { PATH: process.env.PATH, HOME: dir, AWS_ENDPOINT_URL: "http://127.0.0.1:1" },
      });
    using broken = open();
    await broken.shows(/Regions.*:/);
    broken.type("C-c");
    assert.equal(await broken.ended(), 130);
    assert.ok(!existsSync(path.join(dir, "c.yaml")));
    using terminal = open();
    await terminal.shows(/Regions.*:/);
    terminal.type("us-wets-2", "Enter");
    await terminal.shows(/us-wets-2 is not a region \(did you mean us-west-2\?\)/);
    terminal.type("us-west-2", "Enter");
    await terminal.shows(/Nodes in all/);
    terminal.type("5", "Enter");
    await terminal.shows(/Machine type/);
    terminal.type("t3medium", "Enter");
    await terminal.shows(/did you mean t3\.medium/);
    terminal.type("Enter");
    await terminal.shows(/private key/);
    terminal.type("Enter");
    await terminal.shows(/Write it\?/);
    terminal.type("Enter");
    assert.equal(await terminal.ended(), 0);
    assert.match(readFileSync(path.join(dir, "c.yaml"), "utf8"), /total_instances: 5[^]*us-west-2:/);
  });

  it("says what is wrong with a predecessor's state file", () => {
    assert.match(spot("import", "none.json").stderr, /E_CONFIG_MISSING/);
    writeFileSync(path.join(dir, "bad.json"), '[{"instance_id": "i-1", "region": "mars"}]');
    assert.match(spot("import", "bad.json").stderr, /entry 1: instance i-1, region mars/);
  });

  it("errors have the same fields as JSON", () => {
    const { stdout, status } = spot("up", "--json", "--config", "missing.yaml");
    assert.equal(status, 2);
    const line = JSON.parse(stdout) as { type: string; error: Record<string, string> };
    assert.ok(eventLine.safeParse(line).success, stdout);
    assert.deepEqual(Object.keys(line.error).sort(), ["cause", "class", "code", "message", "next", "step"]);
  });

  it("an unexpected error names the log, which has its stack; the terminal has it with --debug only", () => {
    const script = `
      process.argv = [process.argv[0], ${JSON.stringify(CLI)}, ...process.argv.slice(1)];
      const config = require(${JSON.stringify(path.join(packageRoot(), "dist/project/config-file.js"))});
      config.readConfig = () => { throw new TypeError("boom"); };
      require(${JSON.stringify(CLI)});`;
    const run = (...args: string[]) =>
      spawnSync(process.execPath, ["-e", script, "--", "up", "--sandbox=api", ...args], {
        encoding: "utf8",
        env: { PATH: process.env.PATH, HOME: dir, SPOT_SANDBOX_HOME: path.join(dir, "sandbox") },
      });
    const { stderr, status } = run();
    assert.equal(status, 1, stderr);
    const [, log] = /Report it with the log (\S.*\.log)\./.exec(stderr) ?? [];
    assert.ok(log, stderr);
    assert.match(readFileSync(log, "utf8"), /TypeError: boom\n\s+at /);
    assert.doesNotMatch(stderr, /\n\s+at /);
    assert.match(run("--debug").stderr, /\n\s+at .*\/cli\/[\w/-]+\.ts:\d+/);
  });
});
