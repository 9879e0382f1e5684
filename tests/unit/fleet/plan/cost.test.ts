import assert from "node:assert/strict";
import { dollars, fleetCost, forecastText, sumText, type NodeCost } from "../../../../fleet/plan/cost";

const cost = (hourly: number | null, soFar: number | null, onDemandHourly: number | null = null): NodeCost => ({
  hourly,
  onDemandHourly,
  soFar,
});
const UNKNOWN = cost(null, null);

describe("what a fleet costs", () => {
  it("is the sum of what is known, and says of how many nodes it is not", () => {
    assert.deepEqual(fleetCost([cost(0.25, 1, 1), cost(0.5, 2), UNKNOWN]), {
      hourly: 0.75,
      soFar: 3,
      savedHourly: 0.75,
      unknown: 1,
      unknownSoFar: 1,
    });
  });

  it("is not known when it is known of no node: never nothing", () => {
    const { hourly, soFar, savedHourly, unknown } = fleetCost([UNKNOWN, UNKNOWN]);
    assert.deepEqual([hourly, soFar, savedHourly, unknown], [null, null, null, 2]);
    assert.equal(fleetCost([UNKNOWN, cost(0, 0.5)]).hourly, null, "the others have ended");
  });

  it("is nothing without nodes, and for nodes that have ended", () => {
    assert.deepEqual([fleetCost([]).hourly, fleetCost([]).soFar], [0, 0]);
    const { hourly, soFar, unknown, unknownSoFar } = fleetCost([cost(0, 0.5, 1), cost(0, null)]);
    assert.deepEqual([hourly, soFar, unknown, unknownSoFar], [0, 0.5, 0, 1]);
  });

  it("is told with what it may be more than", () => {
    assert.deepEqual(
      [sumText(0.5, 0), sumText(0.5, 1), sumText(null, 2), dollars(0), dollars(12.5)],
      ["$0.5000", "at least $0.5000", "unknown", "$0.00", "$12.50"],
    );
  });
});

describe("what a fleet will cost", () => {
  const spot = (hourly: number | null) => ({ market: "spot" as const, hourly });
  const onDemand = { market: "on-demand" as const, hourly: null };
  for (const [what, nodes, words] of [
    [
      "spot nodes",
      [spot(0.25), spot(0.25)],
      "2 nodes; $0.5000 an hour at the present spot prices, $365.00 a month; storage and traffic not counted",
    ],
    [
      "one on demand among them",
      [spot(0.5), onDemand],
      "2 nodes; at least $0.5000 an hour at the present spot prices, at least $365.00 a month; not known is the price of 1 on demand (https://aws.amazon.com/ec2/pricing/on-demand/); storage and traffic not counted",
    ],
    [
      "nodes on demand alone",
      [onDemand],
      "1 node; not known is the price of 1 on demand (https://aws.amazon.com/ec2/pricing/on-demand/); storage and traffic not counted",
    ],
    [
      "a spot price that AWS did not tell",
      [spot(0.5), spot(null)],
      "2 nodes; at least $0.5000 an hour at the present spot prices, at least $365.00 a month; not known is the price of 1 whose spot price AWS did not tell; storage and traffic not counted",
    ],
    ["no prices at all", [spot(null)], undefined],
    ["no nodes", [], undefined],
  ] as const)
    it(`is told of ${what}`, () => assert.equal(forecastText(nodes), words));
});
