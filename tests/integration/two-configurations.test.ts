import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { lastConfigText } from "../../fleet/config/last-config";
import { FIRST_RUN_MS } from "../support/sandbox";
import { launchStranger } from "../support/stranger";
import { hasTmux, TestTerminal } from "../support/terminal";
import { Workbench, type Outcome } from "../support/workbench";
import { CleanUp } from "../support/clean-up";

/** Every command that changes a fleet, with what it cannot do without. */
const CHANGING = [
  ["up"],
  ["down", "--json"],
  ["replace", "us-west-2-0"],
  ["repair"],
  ["recover", "--fleet-id", "0123456789abcdef"],
  ["allow-me"],
  ["cleanup-vpcs"],
];

const ASKED = /E_CONFIG_OTHER: stack sandbox was last changed with/;

/** The error that a run with --json ends with, in words. */
function jsonError(stdout: string): string {
  const { error } = JSON.parse(stdout.trim().split("\n").at(-1)!) as { error: { code: string; message: string } };
  return `${error.code}: ${error.message}`;
}

/** A copy of the program in a folder of its own, with its own config.yaml, as a second clone of the project is. */
class Checkout {
  readonly root: string;
  readonly configFile: string;
  readonly stackFile: string;

  constructor(
    private readonly bench: Workbench,
    name: string,
    counts: Record<string, number>,
  ) {
    this.root = path.join(bench.dir, name);
    this.configFile = path.join(this.root, "config.yaml");
    this.stackFile = path.join(this.root, "Pulumi.sandbox.yaml");
    mkdirSync(this.root);
    const copied = ["Pulumi.yaml", "package.json", "instance", "sandbox", "dist"];
    for (const part of copied)
      cpSync(path.join(bench.root, part), path.join(this.root, part), {
        recursive: true,
        filter: (from) => !from.startsWith(path.join(bench.root, "dist/tests")),
      });
    symlinkSync(path.join(bench.root, "node_modules"), path.join(this.root, "node_modules"));
    bench.config(counts);
    cpSync(bench.configFile, this.configFile);
  }

  get command(): [string, ...string[]] {
    return [process.execPath, path.join(this.root, "dist/cli/main.js")];
  }

  spot(...[name, ...rest]: string[]): Promise<Outcome> {
    return this.bench.spot([name!, "--sandbox=api", ...rest], { plain: true, command: this.command });
  }
}

describe("two configurations on one default stack (O8)", function () {
  this.timeout(FIRST_RUN_MS);
  const cleanUp = new CleanUp();
  let bench: Workbench;
  let [one, other]: Checkout[] = [];
  before(async () => {
    bench = cleanUp.use(new Workbench());
    one = new Checkout(bench, "one", { "us-west-2": 1 });
    other = new Checkout(bench, "other", { "us-east-1": 1 });
    const up = await one.spot("up", "--yes");
    assert.equal(up.code, 9, up.stderr);
  });
  after(() => cleanUp.run());

  const memory = () => path.join(bench.home, "backend/.pulumi/stacks/spot-deployer/sandbox.json.last-config");
  const remembered = () => (JSON.parse(readFileSync(memory(), "utf8")) as { configFile: string }).configFile;
  const live = async () => (await bench.live()).instances.map(({ InstanceId }) => InstanceId!).sort();
  /** What another folder's command must leave as it is. */
  const everything = async () => ({
    live: await live(),
    state: readFileSync(memory().replace(".last-config", ""), "utf8"),
    memory: remembered(),
    settings: existsSync(other!.stackFile),
  });

  it("the second `up --yes` ends nothing: exit code 2, and three ways on that are named", async () => {
    const before = await live();
    assert.equal(before.length, 1);
    const { code, stdout, stderr } = await other!.spot("up", "--yes");
    assert.deepEqual(await live(), before, stdout + stderr);
    assert.equal(code, 2, stdout + stderr);
    assert.ok(
      stderr.includes(
        `E_CONFIG_OTHER: stack sandbox was last changed with ${one!.configFile}; this is ${other!.configFile}`,
      ),
      stderr,
    );
    assert.match(
      stderr,
      /cause: +no stack is named[^]*next: +Nothing was changed\. .*--stack NEW\. .*--config .*--take-over\./,
    );
    assert.equal(statSync(memory()).mode & 0o777, 0o600);
  });

  it("are asked about by every command that changes, which changes nothing", async () => {
    const before = await everything();
    for (const args of CHANGING) {
      const { code, stdout, stderr } = await other!.spot(...args, "--yes");
      const told = args.includes("--json") ? jsonError(stdout) : stderr;
      assert.match(told, ASKED, `${args.join(" ")}: ${stdout}`);
      assert.equal(code, 2, args.join(" "));
    }
    assert.deepEqual(await everything(), before);
    // With --take-over each comes as far as it would without another configuration; `recover`, `up`, `down` and `cleanup-vpcs`: below.
    for (const [args, says] of [
      [["replace", "us-west-2-9"], /E_USAGE/],
      [["repair", "us-west-2-9"], /E_USAGE/],
      [["allow-me"], /may log in already/],
    ] as const) {
      const { stdout, stderr } = await other!.spot(...args, "--yes", "--take-over");
      assert.match(stdout + stderr, says);
      assert.doesNotMatch(stderr, ASKED);
    }
    assert.deepEqual(await everything(), before, "what changed nothing took nothing over");
  });

  it("are told of by commands that read", async () => {
    const before = await everything();
    for (const args of [["preview"], ["down", "--dry-run"]]) {
      const { code, stdout, stderr } = await other!.spot(...args);
      assert.equal(code, 0, stdout + stderr);
      assert.match(
        stderr,
        /\[config\] WARNING: stack sandbox was last changed with .*one\/config\.yaml; this is .*other\/config\.yaml/,
      );
    }
    assert.doesNotMatch((await one!.spot("preview")).stderr, /WARNING/);
    assert.deepEqual(await everything(), before);
  });

  it("are no matter to a fleet of an earlier version: its next command records the path and asks nothing", async () => {
    rmSync(memory());
    const { code, stderr } = await one!.spot("recover");
    assert.equal(code, 0, stderr);
    assert.equal(remembered(), one!.configFile);
  });

  it("a stack that was chosen is not asked about, on the command line or in config.yaml", async () => {
    const chosen = await other!.spot("recover", "--stack", "sandbox");
    assert.equal(chosen.code, 0, chosen.stderr);
    assert.equal(remembered(), other!.configFile);
    const text = readFileSync(one!.configFile, "utf8");
    writeFileSync(one!.configFile, `stack: sandbox\n${text}`);
    const named = await one!.spot("recover");
    writeFileSync(one!.configFile, text);
    assert.equal(named.code, 0, named.stderr);
    assert.equal(remembered(), one!.configFile);
  });

  it("a person is asked, whatever --yes says, and no answer is a no", async function () {
    if (!hasTmux()) return this.skip();
    for (const [key, code] of [
      ["Enter", 2],
      ["y", 0],
    ] as const) {
      using terminal = new TestTerminal([...other!.command, "recover", "--sandbox=api", "--yes", "--plain"], {
        columns: 300,
        rows: 40,
        cwd: other!.root,
        env: { ...bench.env, CI: undefined },
      });
      await terminal.shows(/Take the stack over, with what is in it\? \[y\/N\]/);
      terminal.type(...new Set([key, "Enter"]));
      assert.equal(await terminal.ended(), code, terminal.everything());
      assert.equal(remembered(), (code === 0 ? other! : one!).configFile);
    }
  });

  it("--take-over goes on: `up`, `down` and `cleanup-vpcs` of the other configuration, and with the stack the memory goes", async () => {
    writeFileSync(memory(), lastConfigText(other!.configFile));
    const up = await one!.spot("up", "--take-over");
    assert.equal(up.code, 9, up.stderr);
    assert.match(up.stdout, /Nothing to change: 1 node/);
    assert.equal(remembered(), one!.configFile);

    // Somebody else's instance: the sandbox, with all that is kept for it, stays.
    await launchStranger(await bench.sandbox(), "us-west-2");
    const down = await other!.spot("down", "--take-over");
    assert.equal(down.code, 0, down.stdout + down.stderr);
    assert.match(down.stdout, /Proven: all/);
    assert.deepEqual([existsSync(memory()), existsSync(path.dirname(memory()))], [false, true]);

    writeFileSync(memory(), lastConfigText(one!.configFile));
    const cleanup = await other!.spot("cleanup-vpcs", "--take-over");
    assert.equal(cleanup.code, 0, cleanup.stdout + cleanup.stderr);
  });
});
