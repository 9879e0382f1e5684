import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { providerVersion } from "../../automation/target/provider";
import { stopSandbox } from "../../sandbox/control";
import { FIRST_RUN_MS } from "../support/sandbox";
import { Workbench } from "../support/workbench";

const PROVIDER_VERSION = providerVersion();

describe("a provider in the user's plugin folder", function () {
  this.timeout(FIRST_RUN_MS);
  let bench: Workbench;
  let home: string;
  let program: string;
  let started: string;

  before(() => {
    bench = new Workbench();
    bench.config({ "us-west-2": 1 });
    home = path.join(bench.dir, "a sandbox");
    started = path.join(bench.dir, "started");
    program = path.join(bench.dir, `.pulumi/plugins/resource-aws-v${PROVIDER_VERSION}/pulumi-resource-aws`);
    mkdirSync(path.dirname(program), { recursive: true });
    // By another name it is the stand-in, and says that it was started.
    const standIn = path.join(bench.root, "sandbox/provider/bin/pulumi-resource-aws");
    install(`echo started >> '${started}'\nexec '${standIn}' "$@"`);
  });
  afterEach(() => stopSandbox(home));
  after(() => bench[Symbol.asyncDispose]());

  function install(script: string): void {
    writeFileSync(program, `#!/bin/sh\n${script}\n`);
    chmodSync(program, 0o755);
  }

  const spot = (args: string[], provider = "") =>
    bench.spot(args, {
      plain: args[0] === "sandbox",
      env: { SPOT_SANDBOX_HOME: home, SPOT_SANDBOX_PROVIDER: provider, PULUMI_HOME: "" },
    });
  const status = async (): Promise<object> =>
    (JSON.parse((await spot(["sandbox", "status", "--json"])).stdout) as { provider: object }).provider;

  it("serves a sandbox for as long as it runs, and everything that tells of it says so", async () => {
    const up = await spot(["up", "--json"]);
    assert.equal(up.code, 9, up.stdout + up.stderr);
    const official = { kind: "official", version: PROVIDER_VERSION };
    const result = JSON.parse(up.stdout.trimEnd().split("\n").at(-1)!) as { provider: object };
    assert.deepEqual(result.provider, official);
    assert.ok(existsSync(started), "it was started");
    assert.deepEqual(await status(), { ...official, folder: path.dirname(program) });
    const said = await spot(["sandbox", "status"]);
    assert.match(
      said.stdout,
      new RegExp(`served by Pulumi's AWS provider ${PROVIDER_VERSION.replaceAll(".", "\\.")},`),
    );
    rmSync(started);
    const other = await spot(["up"], "stand-in");
    assert.equal(other.code, 1, other.stdout + other.stderr);
    assert.match(
      other.stderr,
      /ERROR E_SANDBOX_SETUP: The sandbox that runs here is served by Pulumi's AWS provider .*, and SPOT_SANDBOX_PROVIDER is stand-in/,
    );
    assert.ok(!existsSync(started), "nothing was run");
    const down = await spot(["down"]);
    assert.equal(down.code, 0, down.stdout + down.stderr);
  });

  it("does not where a setting forces the stand-in", async () => {
    rmSync(started, { force: true });
    const up = await spot(["up"], "stand-in");
    assert.equal(up.code, 9, up.stdout + up.stderr);
    assert.ok(!existsSync(started));
    assert.deepEqual(await status(), { kind: "stand-in", version: PROVIDER_VERSION });
    const wrong = await spot(["up"], "real");
    assert.equal(wrong.code, 2, wrong.stderr);
    assert.match(wrong.stderr, /ERROR E_USAGE: SPOT_SANDBOX_PROVIDER is real; it takes official or stand-in/);
  });

  it("is told of where it cannot be started, with a way out that works", async () => {
    install("echo 'GLIBC_2.99 not found' >&2\nexit 1");
    const up = await spot(["up"]);
    assert.equal(up.code, 1, up.stdout + up.stderr);
    assert.match(up.stderr, /^ERROR E_PROVIDER: Pulumi's AWS provider cannot be used$/m);
    assert.match(up.stderr, /GLIBC_2\.99 not found/);
    assert.match(
      up.stderr,
      /^ {2}next: {2}Install it anew \(`.* plugin install resource aws v\S+ --reinstall`\), or go on/m,
    );
    assert.equal((await spot(["sandbox", "down"])).code, 0);
    assert.equal((await spot(["up"], "stand-in")).code, 9);
  });
});
