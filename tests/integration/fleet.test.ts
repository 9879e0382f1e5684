import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { stateOf } from "../../automation/engine/state";
import { stateFilesOf } from "../../automation/engine/state-files";
import { Workbench, type Outcome } from "../support/workbench";
import { FIRST_RUN_MS, until } from "../support/sandbox";

const CREATED = /^\[(i-[0-9a-f]{17}) @ (198\.1[89]\.\d+\.\d+)\] SUCCESS: Created$/gm;

/** Without colours, each created node is one line of exactly this form. */
const created = ({ stderr }: Outcome): string[] => [...stderr.matchAll(CREATED)].map(([, id]) => id!);

interface PlanChange {
  name: string;
  kind: string;
  reason?: string;
}

function result(outcome: Outcome): {
  exitCode: number;
  changed: PlanChange[];
  untouched: string[];
  failures: { class: string; message: string; next: string }[];
  nodes: { name: string; instanceId: string; state: string }[];
} {
  const lines = outcome.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string });
  const last = lines.find(({ type }) => type === "result");
  assert.ok(last, `no result in ${outcome.stdout}${outcome.stderr}`);
  return last as never;
}

describe("the fleet on the real engine, against the emulated AWS", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  beforeEach(() => (bench = new Workbench()));
  afterEach(() => bench[Symbol.asyncDispose]());

  const names = async () => (await bench.nodes()).map(({ name }) => name).sort();
  const ids = async () => Object.fromEntries((await bench.nodes()).map(({ name, instanceId }) => [name, instanceId]));

  it("creates, does nothing the second time, agrees with plain pulumi, and goes without a trace", async () => {
    const first = await bench.spot(["up"]);
    assert.equal(first.code, 9, first.stderr);
    assert.equal(created(first).length, 3, first.stderr);
    assert.match(first.stdout, /NOT VERIFIED/);
    const { instances, vpcs } = await bench.live();
    assert.deepEqual(instances.map(({ InstanceId }) => InstanceId).sort(), created(first).sort());
    assert.ok(instances.every(({ InstanceLifecycle }) => InstanceLifecycle === "spot"));
    assert.equal(vpcs.length, 3);

    await bench.control("DELETE", "calls");
    const second = await bench.spot(["up"]);
    assert.equal(second.code, 9, second.stderr);
    assert.match(second.stdout, /Nothing to change: 3 nodes/);
    assert.deepEqual(created(second), []);
    const writing = Object.entries(await bench.control<Record<string, Record<string, number>>>("GET", "calls"))
      .flatMap(([, actions]) => Object.keys(actions))
      .filter((action) => !/^(Describe|Get)/.test(action));
    assert.deepEqual(writing, []);

    const env = await bench.spot(["env"]);
    assert.equal(env.code, 0, env.stderr);
    const plain = (command: string) =>
      execFileSync("sh", ["-c", `${env.stdout}\n${command}`], { cwd: bench.root, encoding: "utf8", stdio: "pipe" });
    assert.match(plain("pulumi preview --expect-no-changes --non-interactive"), /unchanged/);
    assert.match(plain("pulumi up --yes --expect-no-changes --non-interactive"), /unchanged/);
    const exported = stateOf(JSON.parse(plain(`pulumi stack export --stack ${bench.stack}`)));
    assert.equal(exported.nodes.length, 3);
    assert.deepEqual(
      stateFilesOf(`file://${bench.home}/backend`, bench.stack)?.read(),
      exported,
      "what is read without the engine is what it exports",
    );

    const preview = JSON.parse((await bench.spot(["preview", "--json"])).stdout) as { changes: PlanChange[] };
    assert.deepEqual(
      preview.changes.map(({ kind }) => kind),
      ["same", "same", "same"],
    );

    rmSync(bench.configFile);
    const down = await bench.start(["down", "--sandbox=api", "--stack", bench.stack], { plain: true }).done;
    assert.equal(down.code, 0, down.stderr + down.stdout);
    assert.match(down.stdout, /Proven: all \d+ objects of the fleet are gone/);
    assert.equal(existsSync(bench.stackFile), false);
    await assert.rejects(bench.sandbox(), /not running/);
  });

  it("adds and removes exactly the nodes whose count changed", async () => {
    bench.config({ "us-west-2": 1, "us-east-1": 1 });
    await bench.spot(["up"]);
    const before = await ids();

    bench.config({ "us-west-2": 2, "us-east-1": 1 });
    const grown = await bench.spot(["up"]);
    assert.equal(created(grown).length, 1, grown.stderr);
    const after = await ids();
    assert.deepEqual(Object.keys(after), ["us-east-1-0", "us-west-2-0", "us-west-2-1"]);
    assert.equal(after["us-west-2-0"], before["us-west-2-0"]);

    bench.config({ "us-west-2": 2 });
    const shrunk = result(await bench.spot(["up", "--json"]));
    assert.deepEqual(
      shrunk.changed.map(({ name, kind }) => [name, kind]),
      [["us-east-1-0", "delete"]],
    );
    assert.deepEqual(await names(), ["us-west-2-0", "us-west-2-1"]);
    const { instances, vpcs } = await bench.live();
    assert.equal(instances.length, 2);
    assert.equal(vpcs.length, 1, "the network of a region without nodes goes too");
  });

  it("rolls a changed payload over the fleet, one node away at a time, the canary first", async () => {
    const files = path.join(bench.dir, "payload");
    mkdirSync(files);
    writeFileSync(path.join(files, "a.txt"), "one");
    bench.config({ "us-west-2": 3 }, { aws: [`files_directory: ${JSON.stringify(files)}`] });
    await bench.spot(["up"]);
    const before = await ids();

    writeFileSync(path.join(files, "a.txt"), "two");
    const rolled = await bench.spot(["up", "--json"]);
    const events = rolled.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; phase?: string; node?: { name: string } });
    const order = events.filter(({ type }) => type === "node").map(({ phase, node }) => `${phase} ${node!.name}`);
    assert.deepEqual(
      order,
      ["us-west-2-0", "us-west-2-1", "us-west-2-2"].flatMap((name) => [
        `ending ${name}`,
        `deleted ${name}`,
        `created ${name}`,
      ]),
    );
    const after = await ids();
    assert.deepEqual(Object.keys(after), Object.keys(before));
    assert.ok(Object.keys(after).every((name) => after[name] !== before[name]));
    assert.equal((await bench.live()).instances.length, 3);
  });

  it("goes on in the other regions when one has no capacity, and makes only what is missing the next time", async () => {
    await bench.spot(["sandbox", "status"]);
    bench.config({ "us-west-2": 1 });
    await bench.spot(["up"]);
    await bench.control("POST", "faults", [
      {
        action: "RunInstances",
        region: "us-east-1",
        effect: { error: { code: "InsufficientInstanceCapacity", message: "no capacity", status: 500 } },
      },
    ]);

    bench.config();
    const partial = await bench.spot(["up", "--json"]);
    assert.equal(partial.code, 4, partial.stdout);
    const { failures } = result(partial);
    assert.equal(failures.length, 1);
    assert.equal(failures[0]!.class, "capacity");
    assert.match(failures[0]!.message, /us-east-1-0.*InsufficientInstanceCapacity/);
    assert.deepEqual(await names(), ["eu-west-1-0", "us-west-2-0"]);

    await bench.control("DELETE", "faults");
    const again = await bench.spot(["up"]);
    assert.equal(again.code, 9, again.stderr);
    assert.equal(created(again).length, 1);
    assert.equal((await bench.live()).instances.length, 3);
  });

  it("answers with 6 when no region has capacity, and down still leaves nothing", async () => {
    bench.config({ "us-west-2": 1 });
    const starting = bench.start(["preview"]);
    await starting.done;
    await bench.control("POST", "faults", [
      {
        action: "RunInstances",
        effect: { error: { code: "InsufficientInstanceCapacity", message: "none", status: 500 } },
      },
    ]);
    const outcome = await bench.spot(["up"]);
    assert.equal(outcome.code, 6, outcome.stderr);
    assert.match(outcome.stderr, /ERROR: node us-west-2-0 could not be created: InsufficientInstanceCapacity/);
    assert.match(outcome.stderr, /next: {2}\S/);
    const down = await bench.spot(["down"]);
    assert.equal(down.code, 0, down.stdout);
  });

  it("changes nothing when the derived files are gone", async () => {
    bench.config({ "us-west-2": 2 });
    await bench.spot(["up"]);
    const before = await ids();
    const salt = /^encryptionsalt:.*$/m.exec(readFileSync(bench.stackFile, "utf8"))![0];
    writeFileSync(bench.stackFile, `${salt}\n`);
    rmSync(path.join(bench.home, "scratch"), { recursive: true });

    const again = await bench.spot(["up"]);
    assert.match(again.stdout, /Nothing to change: 2 nodes/, again.stderr);
    assert.deepEqual(await ids(), before);
    rmSync(bench.stackFile);
    assert.match((await bench.spot(["up"])).stdout, /Nothing to change: 2 nodes/);
    assert.deepEqual(await ids(), before);
  });

  it("never touches the instances of another backend's stack of the same name", async () => {
    bench.config({ "us-west-2": 1 });
    await bench.spot(["up"]);
    const mine = await ids();
    // Another user's place: its own backend and keys, the same stack name, the same account.
    const places = ["backend", "keys"].map((name) => path.join(bench.home, name));
    for (const place of places) renameSync(place, `${place}.mine`);
    renameSync(bench.stackFile, path.join(bench.dir, "stack.mine"));

    await bench.spot(["up"]);
    const theirs = await ids();
    assert.notEqual(theirs["us-west-2-0"], mine["us-west-2-0"]);
    assert.equal((await bench.live()).instances.length, 2);
    const down = await bench.spot(["down"]);
    assert.equal(down.code, 0, down.stderr);
    assert.deepEqual(
      (await bench.live()).instances.map(({ InstanceId }) => InstanceId),
      [mine["us-west-2-0"]],
    );

    for (const place of places) {
      rmSync(place, { recursive: true, force: true });
      cpSync(`${place}.mine`, place, { recursive: true });
    }
    renameSync(path.join(bench.dir, "stack.mine"), bench.stackFile);
    assert.deepEqual(await ids(), mine);
  });

  it("refuses a sandbox command on a stack of AWS, and the reverse", async () => {
    bench.config({ "us-west-2": 1 });
    writeFileSync(bench.stackFile, "config:\n  spot-deployer:lineage: 0123456789abcdef\n");
    const onReal = await bench.spot(["up"]);
    assert.equal(onReal.code, 1, onReal.stderr);
    assert.match(onReal.stderr, /E_STACK_MISMATCH: stack \S+ belongs to AWS, this command is for the sandbox/);
    assert.deepEqual((await bench.live()).instances, []);

    writeFileSync(
      bench.stackFile,
      "config:\n  spot-deployer:lineage: 0123456789abcdef\n  spot-deployer:endpoint: http://127.0.0.1:1\n",
    );
    const onSandbox = await bench.start(["list", "--stack", bench.stack], { plain: true }).done;
    assert.equal(onSandbox.code, 1, onSandbox.stderr);
    assert.match(
      onSandbox.stderr,
      /E_STACK_MISMATCH: stack \S+ belongs to the sandbox at http:\/\/127\.0\.0\.1:1, this command is for AWS/,
    );
  });

  it("makes an instance again that ended without us, in the same slot", async () => {
    bench.config({ "us-west-2": 2 });
    await bench.spot(["up"]);
    const before = await ids();
    execFileSync(process.execPath, ["-e", TERMINATE, (await bench.sandbox()).endpoint, before["us-west-2-1"]!], {
      cwd: bench.root,
    });
    await until("the instance ended", async () => (await bench.nodes()).some(({ state }) => state === "terminated"));
    const again = await bench.spot(["up"]);
    assert.match(
      again.stderr,
      new RegExp(`us-west-2-1\\] WARNING: its instance ${before["us-west-2-1"]} in us-west-2 is gone`),
    );
    const after = await ids();
    assert.equal(after["us-west-2-0"], before["us-west-2-0"]);
    assert.notEqual(after["us-west-2-1"], before["us-west-2-1"]);
    assert.equal((await bench.live()).instances.length, 2);
  });
});

/** Ends an instance behind the tool's back. */
const TERMINATE = `
  const { EC2Client, TerminateInstancesCommand } = require("@aws-sdk/client-ec2");
  const client = new EC2Client({ region: "us-west-2", endpoint: process.argv[1], credentials: { accessKeyId: "sandbox", secretAccessKey: "sandbox" } });
  client.send(new TerminateInstancesCommand({ InstanceIds: [process.argv[2]] }));
`;
