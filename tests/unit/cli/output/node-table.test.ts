import assert from "node:assert/strict";
import { nodeTable, tableShape, type PricedNode } from "../../../../cli/output/node-table";

const node = (cost?: PricedNode["cost"]): PricedNode => ({
  name: "ap-southeast-2-10",
  instanceId: "i-0123456789abcdef0",
  region: "ap-southeast-2",
  availabilityZone: "ap-southeast-2a",
  instanceType: "m7g.2xlarge",
  market: "on-demand",
  state: "running",
  address: "203.113.100.100",
  launchedAt: "2030-01-01T00:00:00Z",
  recorded: true,
  ...(cost ? { cost } : {}),
});
const priced = node({ hourly: 0.0147, onDemandHourly: 0.0416, soFar: 12.5 });
const NOW = Date.parse("2030-01-02T03:00:00Z");

const on = (columns: number | undefined): Parameters<typeof nodeTable>[0] => ({
  stdout: { isTTY: columns !== undefined, columns },
  env: { NO_COLOR: "1" },
});
const linesOf = (text: string): string[] => text.split("\n");

describe("the table of nodes", () => {
  it("shows all standard columns where there is room, and where nobody looks", () => {
    for (const columns of [200, undefined]) {
      const [head, row, ...more] = linesOf(nodeTable(on(columns), [priced], tableShape({}), NOW));
      assert.deepEqual(head!.split(/ {2,}/), [
        "NODE",
        "INSTANCE",
        "REGION",
        "AZ",
        "TYPE",
        "MARKET",
        "STATE",
        "ADDRESS",
        "AGE",
        "$/H",
        "SO FAR",
      ]);
      assert.match(row!, /ap-southeast-2-10 {2}i-0123456789abcdef0 .* 1d 3h/);
      assert.deepEqual(more, []);
    }
  });

  for (const width of [80, 100, 120]) {
    it(`keeps to ${width} columns of a terminal, and says what is left out`, () => {
      const lines = linesOf(
        nodeTable(
          on(width),
          [node(), priced].map((one) => ({
            ...one,
            availabilityZone: "us-west-2a",
            name: "us-west-2-10",
            region: "us-west-2",
          })),
          tableShape({}),
          NOW,
        ),
      );
      assert.deepEqual(
        lines.filter((line) => line.length > width),
        [],
      );
      for (const head of ["NODE", "INSTANCE", "STATE", "ADDRESS", "AGE"]) assert.ok(lines[0]!.includes(head), head);
      assert.match(lines.at(-1)!, /^left out: region.*`list --columns all` shows them$/);
    });
  }

  it("shows the columns that were asked for, however narrow the terminal is", () => {
    const [head, ...rows] = linesOf(nodeTable(on(20), [priced], tableShape({ columns: "name,region,market" }), NOW));
    assert.deepEqual([head!.split(/ {2,}/), rows.length], [["NODE", "REGION", "MARKET"], 1]);
  });

  it("says in the state's column what becomes of a node, in whole words at 80 columns", () => {
    const spotRequest = { id: "sir-1", state: "active", status: "marked-for-termination" };
    const interrupted: PricedNode = { ...priced, market: "spot", spotRequest, interruptionPending: true };
    for (const width of [80, 200]) {
      const lines = linesOf(nodeTable(on(width), [interrupted], tableShape({}), NOW));
      assert.match(lines[1]!, /^ap-southeast-2-10 {2}i-0123456789abcdef0 .*interruption pending {2}203\.113\.100\.100/);
      assert.deepEqual(
        lines.filter((line) => line.length > width),
        [],
      );
    }
    const [, row] = linesOf(nodeTable(on(200), [interrupted], tableShape({ columns: "name,request,state" }), NOW));
    assert.equal(row, "ap-southeast-2-10  marked-for-termination  interruption pending");
  });
});
