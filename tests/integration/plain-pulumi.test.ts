import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { StateResource } from "../../automation/engine/state";
import { stateFilesOf } from "../../automation/engine/state-files";
import { AwsType, isOfAws } from "../../fleet/aws/resource-types";
import { Tag } from "../../fleet/model";
import { RECORD, STASH_TYPE } from "../../fleet/plan/stack-config";
import { FIRST_RUN_MS } from "../support/sandbox";
import { Workbench, type Outcome } from "../support/workbench";

const [WEST, EAST] = ["us-west-2", "us-east-1"];
const REFUSED = { action: "DescribeInstanceTypes", effect: { error: { code: "InternalError", status: 500 } } };

/** What somebody gets who changes config.yaml and goes on with `pulumi` alone, and then with `spot` again. */
describe("plain Pulumi on a fleet that spot made", function () {
  this.timeout(FIRST_RUN_MS * 2);
  const bench = new Workbench();
  after(() => bench[Symbol.asyncDispose]());

  const configure = (
    counts: Record<string, number>,
    types: string,
    { allow = "203.0.113.0/24", network = "create" } = {},
  ): void =>
    bench.config(counts, {
      top: [`network: ${network}`, "ssh:", `  allow: [${allow}]`],
      region: [`machine_type: ${types}`],
    });
  const done = (outcome: Outcome, code: number | number[] = 0): string => {
    const said = outcome.stdout + outcome.stderr;
    assert.ok([code].flat().includes(outcome.code!), `${outcome.code}: ${said}`);
    return said;
  };
  const up = async (...more: string[]): Promise<string> =>
    done(await bench.pulumi("up", "--yes", "--skip-preview", ...more));
  const spot = async (...args: string[]): Promise<string> => done(await bench.spot(args), [0, 9]);
  /** Machine type and instance of each node. */
  const nodes = async (): Promise<Record<string, [type: string, id: string]>> =>
    Object.fromEntries(
      (await bench.live([WEST, EAST])).instances
        .map(({ Tags, InstanceType, InstanceId }): [string, [string, string]] => [
          Tags?.find(({ Key }) => Key === Tag.node)?.Value ?? "?",
          [InstanceType!, InstanceId!],
        ])
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  const types = async (): Promise<Record<string, string>> =>
    Object.fromEntries(Object.entries(await nodes()).map(([name, [type]]) => [name, type]));
  const recorded = (): StateResource[] => stateFilesOf(`file://${bench.home}/backend`, bench.stack)!.read()!.resources;
  const decisions = (): string[] =>
    recorded()
      .flatMap(({ type, name }) => (type === STASH_TYPE && name !== RECORD ? [name] : []))
      .sort();

  before(async () => {
    configure({ [WEST]: 1 }, "t3.medium");
    await spot("up");
  });

  it("makes the nodes and the region that the configuration has more", async () => {
    const before = await nodes();
    configure({ [WEST]: 2, [EAST]: 1 }, "[t3.medium, t3a.medium]");
    const preview = done(await bench.pulumi("preview"));
    assert.match(preview, /aws:ec2:Instance us-west-2-1-spot create/);
    assert.deepEqual(await nodes(), before);
    await up();
    const { "us-west-2-0": first, ...others } = await nodes();
    assert.deepEqual(first, before["us-west-2-0"]);
    assert.deepEqual(Object.keys(others), ["us-east-1-0", "us-west-2-1"]);
    assert.deepEqual(decisions(), ["us-east-1-0", "us-west-2-1"]);
  });

  it("decides once: what fits is kept, whatever is preferred by now", async () => {
    const before = await nodes();
    configure({ [WEST]: 2, [EAST]: 1 }, "[t3a.medium, t3.medium]");
    await up("--expect-no-changes");
    assert.deepEqual(await nodes(), before);
  });

  it("replaces what no longer fits, what it decided itself and what spot did, and keeps that too", async () => {
    const before = await nodes();
    configure({ [WEST]: 2, [EAST]: 1 }, "t3a.medium");
    await up();
    const after = await nodes();
    assert.deepEqual(Object.values(await types()), ["t3a.medium", "t3a.medium", "t3a.medium"]);
    for (const [name, [, id]] of Object.entries(before)) assert.notEqual(after[name]![1], id);
    await up("--expect-no-changes");
    assert.deepEqual(await nodes(), after);
  });

  it("ends nothing when AWS does not answer in a later run", async () => {
    const before = await nodes();
    await bench.control("POST", "faults", [{ ...REFUSED, region: WEST }]);
    try {
      const failed = done(await bench.pulumi("up", "--yes", "--skip-preview"), 1);
      assert.match(failed, /us-west-2: /);
    } finally {
      await bench.control("DELETE", "faults");
    }
    assert.deepEqual(await nodes(), before);
    await up("--expect-no-changes");
  });

  it("leaves nothing to be done to the nodes for spot, which takes the decisions over", async () => {
    const before = await nodes();
    const { changes } = JSON.parse(await spot("preview", "--json")) as { changes: { kind: string }[] };
    assert.deepEqual(
      changes.map(({ kind }) => kind),
      ["same", "same", "same"],
    );
    assert.match(await spot("up"), /^Nothing to change/m);
    assert.deepEqual(await nodes(), before);
    assert.deepEqual(decisions(), []);
    assert.match(readFileSync(bench.stackFile, "utf8"), /us-west-2-1/);
    done(await bench.pulumi("preview", "--expect-no-changes"));
  });

  it("stays in the region that it concerns when something cannot be decided, and ends nothing there", async () => {
    const before = await nodes();
    configure({ [WEST]: 3, [EAST]: 2 }, "t3a.medium");
    await bench.control("POST", "faults", [{ ...REFUSED, region: EAST }]);
    try {
      const failed = done(await bench.pulumi("up", "--yes", "--skip-preview"), 1);
      assert.match(failed, /us-east-1: /);
      assert.doesNotMatch(failed, /us-west-2: /);
    } finally {
      await bench.control("DELETE", "faults");
    }
    const after = await nodes();
    for (const [name, node] of Object.entries(before)) assert.deepEqual(after[name], node);
    assert.deepEqual(Object.keys(after), ["us-east-1-0", "us-west-2-0", "us-west-2-1", "us-west-2-2"]);
    await up();
    assert.equal(Object.keys(await nodes()).length, 5);
  });

  it("gives up the nodes, and the network of a region, that the configuration has no more", async () => {
    configure({ [WEST]: 1 }, "t3a.medium");
    await up();
    assert.deepEqual(Object.keys(await nodes()), ["us-west-2-0"]);
    assert.deepEqual(
      recorded().filter(({ type, inputs }) => isOfAws(type) && inputs.region === EAST),
      [],
    );
    assert.match(await spot("up"), /^Nothing to change/m);
  });

  it("opens the port to an address that is configured, and asks for none that `auto` stands for", async () => {
    configure({ [WEST]: 1 }, "t3a.medium", { allow: "203.0.113.0/24, 198.51.100.7/32" });
    await up();
    assert.match(await spot("preview"), /^Nothing to change/m);
    configure({ [WEST]: 1 }, "t3a.medium", { allow: "auto" });
    const refused = done(await bench.pulumi("up", "--yes", "--skip-preview"), 1);
    assert.match(refused, /E_NETWORK/);
    assert.match(refused, /allow: \[203\.0\.113\.7\/32\]/);
    await spot("up");
    done(await bench.pulumi("preview", "--expect-no-changes"));
  });

  it("moves to another network, and spot finds it there", async () => {
    configure({ [WEST]: 1 }, "t3a.medium", { network: "default" });
    await up();
    assert.deepEqual(
      recorded().filter(({ type }) => type === AwsType.vpc),
      [],
    );
    const before = await nodes();
    assert.match(await spot("up"), /^Nothing to change/m);
    assert.deepEqual(await nodes(), before);
  });

  it("is ended by spot with the decisions that it has not taken over", async () => {
    configure({ [WEST]: 2 }, "t3a.medium", { network: "default" });
    await up();
    assert.deepEqual(decisions(), ["us-west-2-1"]);
    assert.match(await spot("down"), /Proven: all \d+ objects of the fleet are gone/);
  });
});
