import assert from "node:assert/strict";
import fc from "fast-check";
import { countsOf } from "../../../../fleet/config";
import { awsRegionNames } from "../../../../fleet/aws/regions";
import { slotsOf } from "../../../../fleet/plan/slots";

const regions = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom(...awsRegionNames),
    machineTypes: fc.constant(["t3.medium"]),
    image: fc.constant("auto"),
    count: fc.nat(20),
  }),
  { selector: ({ name }) => name, minLength: 1, maxLength: 8 },
);
const names = (fleet: Parameters<typeof slotsOf>[0]["regions"]): string[] =>
  slotsOf({ regions: fleet }).map(({ name }) => name);

describe("slotsOf", () => {
  it("names nodes by region and ordinal from 0, in the configuration's order", () => {
    const fleet = [
      { name: "us-west-2", machineTypes: ["t3.medium"], image: "auto", count: 2 },
      { name: "eu-west-1", machineTypes: ["t3.medium"], image: "auto", count: 0 },
      { name: "sa-east-1", machineTypes: ["t3.medium"], image: "auto", count: 1 },
    ];
    assert.deepEqual(slotsOf({ regions: fleet }), [
      { name: "us-west-2-0", homeRegion: "us-west-2", ordinal: 0 },
      { name: "us-west-2-1", homeRegion: "us-west-2", ordinal: 1 },
      { name: "sa-east-1-0", homeRegion: "sa-east-1", ordinal: 0 },
    ]);
  });

  it("makes exactly as many as are asked for, each with a name of its own", () => {
    fc.assert(
      fc.property(regions, (fleet) => {
        const slots = names(fleet);
        assert.equal(
          slots.length,
          fleet.reduce((sum, { count }) => sum + count, 0),
        );
        assert.equal(new Set(slots).size, slots.length);
      }),
    );
  });

  it("never renames a node of another region", () => {
    fc.assert(
      fc.property(regions, fc.nat(), fc.nat(20), (fleet, which, count) => {
        const changed = fleet.map((region, i) => (i === which % fleet.length ? { ...region, count } : region));
        const others = (list: string[]): string[] =>
          list.filter((name) => !name.startsWith(`${fleet[which % fleet.length]?.name}-`));
        assert.deepEqual(others(names(changed)), others(names(fleet)));
      }),
    );
  });

  it("only adds when a region grows, and takes the last ones when it shrinks", () => {
    fc.assert(
      fc.property(regions, fc.nat(), fc.integer({ min: 1, max: 10 }), (fleet, which, more) => {
        const larger = fleet.map((region, i) =>
          i === which % fleet.length ? { ...region, count: region.count + more } : region,
        );
        const grown = new Set(names(larger));
        assert.ok(names(fleet).every((name) => grown.has(name)));
        assert.equal(grown.size, names(fleet).length + more);
      }),
    );
  });

  it("is the same whatever the order of the regions, but for the order", () => {
    fc.assert(
      fc.property(regions, (fleet) => assert.deepEqual(names([...fleet].reverse()).sort(), names(fleet).sort())),
    );
  });
});

describe("countsOf", () => {
  const own = fc.array(fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }), { minLength: 1, maxLength: 8 });
  const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

  it("keeps every own number, and makes the total exact where some region has none", () => {
    fc.assert(
      fc.property(own, fc.integer({ min: 1, max: 100 }), (given, total) => {
        const counts = countsOf(total, given);
        given.forEach((count, i) => count !== undefined && assert.equal(counts[i], count));
        const explicit = sum(given.map((count) => count ?? 0));
        assert.equal(sum(counts), given.includes(undefined) ? Math.max(total, explicit) : explicit);
      }),
    );
  });

  it("spreads evenly, and never gives a later region more than an earlier one", () => {
    fc.assert(
      fc.property(own, fc.integer({ min: 1, max: 100 }), (given, total) => {
        const spread = countsOf(total, given).filter((_, i) => given[i] === undefined);
        spread.forEach((count, i) =>
          assert.ok(i === 0 || ((spread[i - 1] as number) - count >= 0 && (spread[0] as number) - count <= 1)),
        );
      }),
    );
  });

  it("takes from no region when the total grows", () => {
    fc.assert(
      fc.property(own, fc.integer({ min: 1, max: 100 }), fc.nat(50), (given, total, more) => {
        const before = countsOf(total, given);
        countsOf(total + more, given).forEach((count, i) => assert.ok(count >= (before[i] as number)));
      }),
    );
  });
});
