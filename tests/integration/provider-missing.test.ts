import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { obtainPulumiCli } from "../../automation/engine/pulumi-cli";
import { FIRST_RUN_MS, testCacheDir, testProvider } from "../support/sandbox";
import { Workbench, type Outcome } from "../support/workbench";
import { sandboxStatus, stopSandbox } from "../../sandbox/control";

/** Where the sandbox puts its provider for the engine to find. */
const STAND_IN = "sandbox/provider/bin";

describe("an engine without its provider", function () {
  this.timeout(FIRST_RUN_MS);
  let bench: Workbench;
  let real: { command: string; binDir: string };
  before(async function () {
    bench = new Workbench();
    if (testProvider !== "stand-in") this.skip();
    bench.config({ "us-west-2": 1 });
    real = await obtainPulumiCli({ cacheDir: testCacheDir, env: bench.env, report: () => undefined });
  });
  after(() => bench[Symbol.asyncDispose]());

  const executable = (file: string, lines: string[]): void => {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, ["#!/bin/sh", ...lines, ""].join("\n"));
    chmodSync(file, 0o755);
  };

  /** `up` with the real engine, which sees a machine that is altered by these lines and has no stand-in provider. */
  const up = (name: string, altered: string[]): Promise<Outcome> => {
    const command = path.join(bench.dir, name, "pulumi");
    executable(command, [
      `PATH=$(printf %s "$PATH" | sed 's,[^:]*${STAND_IN}:,,g')`,
      ...altered,
      "export PATH",
      `exec '${real.command}' "$@"`,
    ]);
    // Its language host is looked for beside it.
    for (const other of readdirSync(real.binDir))
      if (other !== "pulumi") symlinkSync(path.join(real.binDir, other), path.join(bench.dir, name, other));
    return bench.spot(["up"], { env: { PULUMI_CLI: command } });
  };

  const isToldAtOnce = ({ code, stdout, stderr }: Outcome, cause: RegExp): void => {
    assert.equal(code, 1, stdout + stderr);
    assert.match(stderr, /^ERROR E_PROVIDER: Pulumi's AWS provider cannot be used$/m);
    assert.match(stderr, cause);
    assert.match(stderr, /^ {2}next: {2}Restore sandbox\/provider/m);
    assert.doesNotMatch(stderr, /tried again/);
    assert.doesNotMatch(stdout, /see the ERROR lines above/);
  };

  it("says so at once where there is none", async () => {
    isToldAtOnce(await up("none", []), /cause: no resource plugin 'pulumi-resource-aws' found/);
  });

  it("says why none can be downloaded", async () => {
    const offline = [
      "unset PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION",
      "export HTTPS_PROXY=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1",
    ];
    isToldAtOnce(
      await up("offline", offline),
      /cause: Could not automatically download and install resource plugin[^]*error downloading provider: .*127\.0\.0\.1:1: connect: connection refused/,
    );
  });

  it("says what one that cannot be started wrote", async () => {
    const folder = path.join(bench.dir, "broken bin");
    executable(path.join(folder, "pulumi-resource-aws"), ["echo 'GLIBC_2.99 not found' >&2", "exit 1"]);
    isToldAtOnce(await up("broken", [`PATH='${folder}':$PATH`]), /cause: Detected that [^]*GLIBC_2\.99 not found/);
  });

  it("is another matter than a provider that refuses a resource before any operation: that is told of the resource", async () => {
    const folder = path.join(bench.dir, "refusing bin");
    const refusing = path.join(folder, "main.js");
    executable(path.join(folder, "pulumi-resource-aws"), [`exec '${process.execPath}' '${refusing}' "$@"`]);
    writeFileSync(
      refusing,
      `
      const { main } = require(${JSON.stringify(path.join(bench.root, "node_modules/@pulumi/pulumi/provider"))});
      const check = async (urn, olds, inputs) => ({ inputs, failures: [{ property: "tags", reason: "api error InvalidParameterValue: no such tag" }] });
      main({ version: "7.48.0", check }, process.argv.slice(2));
    `,
    );
    const { stdout, stderr } = await up("refusing", [`PATH='${folder}':$PATH`]);
    assert.match(
      stderr,
      /^\[spot\] ERROR: Vpc us-west-2 could not be created: InvalidParameterValue\n {4}cause: .*no such tag/m,
      stderr,
    );
    assert.match(stdout, /1 failed; see the ERROR lines above/);
  });

  it("leaves nothing that keeps the next run from its work", async () => {
    const { code, stderr } = await bench.spot(["up"]);
    assert.equal(code, 9, stderr);
    assert.equal((await bench.live()).instances.length, 1);
  });
});

describe("a sandbox whose user has another provider under the official one's name", function () {
  this.timeout(FIRST_RUN_MS);
  let bench: Workbench;
  before(() => {
    bench = new Workbench();
    bench.config({ "us-west-2": 1 });
  });
  after(async () => {
    await stopSandbox(home());
    await bench[Symbol.asyncDispose]();
  });

  /** Of a sandbox that no other test takes over: it has the wrong provider. */
  const home = () => path.join(bench.dir, "sandbox");

  it("makes nothing with it, and says what it is", async () => {
    const file = path.join(bench.dir, ".pulumi/plugins/resource-aws-v7.48.0/pulumi-resource-aws");
    const provider = path.join(bench.dir, "provider.js");
    const library = path.join(bench.root, "node_modules/@pulumi/pulumi/provider");
    writeFileSync(provider, `require(${JSON.stringify(library)}).main({ version: "6.83.0" }, process.argv.slice(2));`);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${provider}' "$@"\n`);
    chmodSync(file, 0o755);
    const { code, stdout, stderr } = await bench.spot(["up"], {
      env: { SPOT_SANDBOX_HOME: home(), SPOT_SANDBOX_PROVIDER: "official", PULUMI_HOME: undefined },
    });
    assert.equal(code, 1, stdout + stderr);
    assert.match(stderr, /^ERROR E_PROVIDER: Pulumi's AWS provider cannot be used$/m);
    assert.match(stderr, /cause: .*pulumi-resource-aws says that it is version 6\.83\.0; what is needed is 7\.48\.0/);
    assert.match(stderr, /next: {2}Install it anew/);
    assert.equal((await sandboxStatus(home()))?.instances, 0);
  });
});
