import assert from "node:assert/strict";
import type { FleetCost, NodeCost } from "../../fleet/plan/cost";
import type { ListedNode } from "../../automation/operations/inspect/list";
import { FIRST_RUN_MS, HELD, until } from "../support/sandbox";
import { descendants, kill, Workbench } from "../support/workbench";

describe("what `list` tells of nodes that do not simply run", function () {
  this.timeout(FIRST_RUN_MS * 2);
  const bench = new Workbench();
  const [INTERRUPTED, STEADY] = ["us-west-2-0", "us-east-1-0"];
  before(async () => {
    bench.config({ "us-west-2": 1, "us-east-1": 1 });
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
  });
  after(() => bench[Symbol.asyncDispose]());
  afterEach(() => bench.control("DELETE", "faults"));

  const nodeOf = async (name: string): Promise<ListedNode> =>
    (await bench.nodes()).find((node) => node.name === name) ?? assert.fail(`no ${name} in the list`);

  it("an interruption that is pending, with the spot request and its status", async () => {
    const { instanceId, spotRequest } = await nodeOf(INTERRUPTED);
    assert.deepEqual([spotRequest?.state, spotRequest?.status], ["active", "fulfilled"]);
    await bench.control("POST", "notices", { instanceId, kind: "interruption", seconds: 3_600 });

    const marked = await nodeOf(INTERRUPTED);
    assert.deepEqual(
      [marked.state, marked.interruptionPending, marked.spotRequest],
      ["running", true, { id: spotRequest?.id, state: "active", status: "marked-for-termination" }],
    );
    assert.equal((await nodeOf(STEADY)).interruptionPending, undefined);
    const { stdout } = await bench.spot(["list"]);
    assert.match(stdout, /^us-west-2-0 .* interruption pending /m);
    assert.match(
      stdout,
      /^us-west-2-0: interruption pending: AWS ends it within two minutes \(marked-for-termination\)\./m,
    );
    assert.match(stdout, /^us-east-1-0 .* running /m);
  });

  it("that it does not know of interruptions where AWS does not tell, and all the rest", async () => {
    await bench.control("POST", "faults", {
      action: "DescribeSpotInstanceRequests",
      region: "us-east-1",
      effect: { error: { code: "UnauthorizedOperation", status: 403, message: "You are not authorized" } },
    });
    const { stdout, stderr, code } = await bench.spot(["list"]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^us-east-1-0 .* running /m);
    assert.match(
      stderr,
      /^\[us-east-1\] WARNING: whether interruptions are pending is not known: .*UnauthorizedOperation/m,
    );
    assert.equal((await nodeOf(STEADY)).spotRequest, null);
  });

  it("that what a node costs is not known where its region does not answer, and is no 0.00", async () => {
    await bench.control("POST", "faults", {
      action: "DescribeInstances",
      region: STEADY.replace(/-\d+$/, ""),
      effect: { error: { code: "UnauthorizedOperation", status: 403, message: "You are not authorized" } },
    });
    const list = await bench.spot(["list"]);
    assert.match(list.stdout, /^us-east-1-0 .* unknown .* unknown +unknown$/m);
    assert.match(list.stdout, /^at least \$0\.\d{4} an hour, .* so far; .*; what 1 node costs is not known$/m);
    assert.doesNotMatch(list.stdout, /\$0\.00\b/);
    const cost = await bench.spot(["cost"]);
    assert.match(cost.stdout, /^The fleet: at least \$0\.\d{4} an hour.*; the price of 1 node is not known/m);
    assert.match(cost.stdout, /^us-east-1-0 .* unknown +unknown +\S+ +- +unknown$/m);
    const { nodes, total } = JSON.parse((await bench.spot(["cost", "--json"])).stdout) as {
      nodes: (NodeCost & { name: string })[];
      total: FleetCost;
    };
    const unknown = nodes.find(({ name }) => name === STEADY);
    assert.deepEqual([unknown?.hourly, unknown?.soFar, total.unknown], [null, null, 1]);
  });

  it("that it is known of no node, where none of them is known", async () => {
    await bench.control("POST", "faults", {
      action: "DescribeInstances",
      effect: { error: { code: "UnauthorizedOperation", status: 403, message: "You are not authorized" } },
    });
    const { stdout } = await bench.spot(["cost"]);
    assert.match(stdout, /^What the fleet costs is not known: the price of 2 nodes is not known/m);
    const { total } = JSON.parse((await bench.spot(["cost", "--json"])).stdout) as { total: FleetCost };
    assert.deepEqual([total.hourly, total.soFar, total.savedHourly, total.unknown], [null, null, null, 2]);
    assert.doesNotMatch((await bench.spot(["list"])).stdout, /\$/);
  });

  it("why AWS took an instance back, once it has", async () => {
    const { instanceId } = await nodeOf(INTERRUPTED);
    await bench.control("POST", "notices", { instanceId, kind: "interruption", seconds: 0 });
    const ended = await until("it has ended", async () => {
      const node = await nodeOf(INTERRUPTED);
      return node.state === "terminated" ? node : undefined;
    });
    assert.deepEqual(
      [ended.interruptionPending, ended.spotRequest?.state, ended.spotRequest?.status],
      [undefined, "closed", "instance-terminated-no-capacity"],
    );
    const { stdout } = await bench.spot(["list"]);
    assert.match(
      stdout,
      /^us-west-2-0: .* is terminated: .*; AWS takes its capacity back\. `repair` makes it again\.$/m,
    );
  });

  it("what the fleet costs now, where a node was launched on demand for want of spot capacity", async () => {
    bench.config({ "us-west-2": 1, "us-east-1": 1, "eu-west-1": 1 }, { top: ["market: spot-then-on-demand"] });
    await bench.control("PUT", "quotas", { code: "L-34B43A08", value: 0, region: "eu-west-1" });
    const { stderr, stdout } = await bench.spot(["up"]);
    assert.match(
      stderr,
      /\[cost\] INFO: the fleet costs now: 3 nodes; at least \$0\.\d{4} an hour .*; not known is the price of 1 on demand/,
      stdout,
    );
  });
});

describe("`list` and `status` beside a run that is at work", function () {
  this.timeout(FIRST_RUN_MS * 2);
  const bench = new Workbench();
  const NODE = "us-west-2-0";
  const hold = (action: string, when = "before") =>
    bench.control("POST", "faults", { action, region: "us-west-2", when, effect: HELD });
  const letGo = () => bench.control("DELETE", "faults");
  let run: ReturnType<Workbench["start"]> | undefined;
  const replace = (): ReturnType<Workbench["start"]> => (run = bench.start(["replace", NODE]));
  const status = async (): Promise<string> =>
    (await bench.start(["status", "--sandbox=api"], { plain: true }).done).stdout;
  const rowOf = (text: string, name = NODE): string =>
    text.split("\n").find((line) => line.startsWith(`${name} `)) ?? assert.fail(`no ${name} in\n${text}`);
  const one = async (): Promise<ListedNode[]> => (await bench.nodes()).filter(({ name }) => name === NODE);

  before(async () => {
    bench.config({ "us-west-2": 1, "us-east-1": 1 });
    const up = await bench.spot(["up"]);
    assert.equal(up.code, 9, up.stderr);
  });
  afterEach(async () => {
    // A test that failed leaves no run at work for the next one to meet.
    await letGo();
    await run?.done;
  });
  after(() => bench[Symbol.asyncDispose]());

  it("names a node that is being replaced while it has no instance, and the new one while it is made", async () => {
    const [before] = await one();
    await hold("RunInstances");
    const run = replace();
    const awaited = await until("its instance is ended", async () =>
      (await one()).find(({ underWay }) => underWay === "replacing"),
    );
    assert.deepEqual(
      [awaited.underWay, awaited.state, awaited.instanceId, awaited.recorded],
      ["replacing", "terminated", before?.instanceId, true],
    );
    const list = await bench.spot(["list"]);
    assert.match(rowOf(list.stdout), / being replaced /);
    assert.doesNotMatch(list.stdout, /`repair`/, "what the run does needs no other");
    assert.match(rowOf(await status()), /replacing/);

    await letGo();
    assert.equal((await run.done).code, 9);
    const [after] = await one();
    assert.deepEqual([after?.underWay, after?.state], [undefined, "running"]);
    assert.match(rowOf(await status()), /created/);
  });

  it("advises nothing for an instance that the run is ending", async () => {
    await hold("TerminateInstances", "after");
    const run = replace();
    // AWS shuts it down first, for as long as that takes, and only then is it terminated.
    await until("it is ended", async () =>
      (await one()).some(({ underWay, state }) => underWay === "ending" && state === "terminated"),
    );
    assert.doesNotMatch((await bench.spot(["list"])).stdout, /`repair`/);
    await until("`status` says so", async () => /^us-west-2-0 +ending$/m.test(await status()));
    await letGo();
    assert.equal((await run.done).code, 9);
  });

  it("tells of a replacement that was broken off as of an instance that is gone, with the command that makes it again", async () => {
    await hold("RunInstances");
    const run = replace();
    await until("its instance is ended", async () => (await one()).some(({ underWay }) => underWay === "replacing"));
    for (const pid of [run.child.pid!, ...descendants(run.child.pid!)]) kill(pid);
    await run.done;
    await letGo();
    const [left] = await one();
    assert.deepEqual([left?.underWay, left?.state], [undefined, "terminated"]);
    const list = await bench.spot(["list"]);
    assert.match(rowOf(list.stdout), / terminated /);
    assert.match(list.stdout, /^us-west-2-0: .* is terminated.* `repair` makes it again\.$/m);
    const repaired = await bench.spot(["repair"]);
    assert.equal(repaired.code, 9, repaired.stderr);
    assert.deepEqual(
      (await bench.nodes()).map(({ name, state, recorded }) => [name, state, recorded]),
      [
        ["us-east-1-0", "running", true],
        [NODE, "running", true],
      ],
    );
  });
});
