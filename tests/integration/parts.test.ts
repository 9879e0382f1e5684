import assert from "node:assert/strict";
import { EC2Client, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import { clientOf, FIRST_RUN_MS, until } from "../support/sandbox";
import { Workbench } from "../support/workbench";

describe("a part of the fleet: down, replace, repair", function () {
  this.timeout(FIRST_RUN_MS * 2);
  let bench: Workbench;
  beforeEach(async () => {
    bench = new Workbench();
    bench.config({ "us-west-2": 2, "us-east-1": 1 });
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
  });
  afterEach(() => bench[Symbol.asyncDispose]());

  const ids = async () => Object.fromEntries((await bench.nodes()).map(({ name, instanceId }) => [name, instanceId]));
  const live = async () => (await bench.live()).instances.map(({ InstanceId }) => InstanceId!).sort();

  it("shows what `down` would end and ends nothing", async () => {
    const before = await live();
    const plan = await bench.spot(["down", "--dry-run"]);
    assert.equal(plan.code, 0, plan.stderr);
    for (const id of before) assert.match(plan.stdout, new RegExp(`instance +us-\\S+ +${id}`));
    assert.match(plan.stdout, /nothing was changed/);
    const part = await bench.spot(["down", "us-east-*", "--dry-run", "--json"]);
    const { found } = JSON.parse(part.stdout) as { found: { kind: string; region: string }[] };
    assert.deepEqual(found.map(({ kind, region }) => `${kind} ${region}`), ["instance us-east-1", "volume us-east-1"]);
    assert.deepEqual(await live(), before);
  });

  it("ends a node, then a region, then the rest, each with its proof", async () => {
    const before = await ids();
    const wrong = await bench.spot(["down", "us-west-2-7"]);
    assert.equal(wrong.code, 2);
    const elsewhere = await bench.spot(["down", "--region", "eu-west-1"]);
    assert.equal(elsewhere.code, 2, elsewhere.stderr);

    const node = await bench.spot(["down", "us-west-2-1"]);
    assert.equal(node.code, 0, node.stdout + node.stderr);
    assert.match(node.stdout, /Proven: all 2 objects of that part/);
    assert.deepEqual(await live(), [before["us-east-1-0"], before["us-west-2-0"]].sort());

    const region = await bench.spot(["down", "--region", "us-west-2"]);
    assert.equal(region.code, 0, region.stdout + region.stderr);
    assert.deepEqual(await live(), [before["us-east-1-0"]]);
    assert.equal((await bench.live()).vpcs.length, 1);
    assert.deepEqual(Object.keys(await ids()), ["us-east-1-0"]);

    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
    assert.equal((await live()).length, 3);
    assert.equal((await ids())["us-east-1-0"], before["us-east-1-0"]);
    assert.equal((await bench.spot(["down"])).code, 0);
  });

  it("replaces the node that is named and no other, whatever else the configuration asks for", async () => {
    const before = await ids();
    bench.config({ "us-west-2": 3, "us-east-1": 0 });
    const wrong = await bench.spot(["replace", "us-west-2-2"]);
    assert.equal(wrong.code, 2, "it was never there");
    bench.config({ "us-west-2": 3, "us-east-1": 1 });
    const replaced = await bench.spot(["replace", "us-west-2-0"]);
    assert.equal(replaced.code, 9, replaced.stderr);
    assert.match(replaced.stderr, /replace us-west-2-0 .*asked for/);
    const after = await ids();
    assert.deepEqual(Object.keys(after), Object.keys(before));
    assert.notEqual(after["us-west-2-0"], before["us-west-2-0"]);
    for (const name of ["us-west-2-1", "us-east-1-0"]) assert.equal(after[name], before[name]);
    assert.deepEqual(await live(), Object.values(after).sort());
  });

  it("shows why an instance ended, and repairs it in the same slot and nothing else", async () => {
    const before = await ids();
    const client = new EC2Client(clientOf(await bench.sandbox(), "us-west-2"));
    await client.send(new TerminateInstancesCommand({ InstanceIds: [before["us-west-2-1"]!] }));
    client.destroy();
    await until("it is ended", async () => (await bench.nodes()).some(({ state }) => state === "terminated"));
    const list = await bench.spot(["list"]);
    assert.match(list.stdout, new RegExp(`us-west-2-1: ${before["us-west-2-1"]} is terminated: Client.UserInitiatedShutdown`));

    bench.config({ "us-west-2": 4, "us-east-1": 1 });
    const repaired = await bench.spot(["repair"]);
    assert.equal(repaired.code, 9, repaired.stderr);
    const after = await ids();
    assert.deepEqual(Object.keys(after), Object.keys(before));
    assert.notEqual(after["us-west-2-1"], before["us-west-2-1"]);
    for (const name of ["us-west-2-0", "us-east-1-0"]) assert.equal(after[name], before[name]);
    assert.deepEqual(await live(), Object.values(after).sort());
  });
});
