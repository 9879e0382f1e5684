import assert from "node:assert/strict";
import { costOf } from "../../../../../automation/operations/inspect/cost";
import type { ListedNode } from "../../../../../automation/operations/inspect/list";

const HOUR_MS = 3_600_000;
const LAUNCHED = Date.parse("2030-01-01T00:00:00Z");
const prices = new Map([["us-west-2", { "us-west-2a t3.small": [{ at: LAUNCHED - HOUR_MS, price: 0.5 }] }]]);
const node = (change: Partial<ListedNode>): ListedNode => ({
  name: "us-west-2-0",
  instanceId: "i-1",
  region: "us-west-2",
  availabilityZone: "us-west-2a",
  instanceType: "t3.small",
  market: "spot",
  state: "running",
  address: null,
  launchedAt: "2030-01-01T00:00:00Z",
  recorded: true,
  ...change,
});

describe("what one node costs", () => {
  for (const [what, change, hourly, soFar] of [
    ["that runs", {}, 0.5, 1],
    ["that AWS did not tell of", { state: "unknown" }, null, null],
    ["on demand", { market: "on-demand" }, null, null],
    ["of a type without a price", { instanceType: "t3.large" }, null, null],
    ["that is stopped, whoever knows since when", { state: "stopped" }, 0, null],
    ["that AWS no longer shows", { state: "gone" }, 0, null],
    ["that has ended", { state: "terminated", stateReason: "User initiated (2030-01-01 01:00:00 GMT)" }, 0, 0.5],
  ] as [string, Partial<ListedNode>, number | null, number | null][])
    it(`is told of a node ${what}`, () => {
      const cost = costOf(node(change), prices, LAUNCHED + 2 * HOUR_MS);
      assert.deepEqual([cost.hourly, cost.soFar], [hourly, soFar]);
    });
});
