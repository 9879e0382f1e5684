import assert from "node:assert/strict";
import type { ListedNode } from "../../automation/operations/inspect/list";
import { FIRST_RUN_MS, until } from "../support/sandbox";
import { Workbench } from "../support/workbench";

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
});
