import assert from "node:assert/strict";
import fc from "fast-check";
import {
  candidatesOf,
  isIn,
  nextPool,
  patternOf,
  type Candidate,
  type PoolPattern,
  type TypeOffer,
} from "../../../../fleet/aws/pools";
import type { Pool } from "../../../../fleet/model";

const REGION = "us-west-2";
const zone = (letter: string): string => `${REGION}${letter}`;
const type = (name: string, prices: Record<string, number>): TypeOffer => ({
  name,
  ami: `ami-${name}`,
  vcpus: 2,
  zones: ["a", "b", "c"].map(zone),
  prices: Object.fromEntries(Object.entries(prices).map(([letter, price]) => [zone(letter), price])),
});
const first = type("t3.medium", { a: 0.03, b: 0.01, c: 0.02 });
const second = type("t3a.medium", { a: 0.005, b: 0.005, c: 0.005 });
const names = (candidates: readonly Candidate[]): string[] =>
  candidates.map(({ pool }) => `${pool.market} ${pool.instanceType} ${pool.availabilityZone.slice(-1)}`);
const none = { closed: [], avoided: [], taken: [] };

describe("pools", () => {
  it("come by market, then in the configuration's order of types, then by price", () => {
    assert.deepEqual(names(candidatesOf(REGION, [first, second], ["spot", "on-demand"], undefined)).slice(0, 7), [
      "spot t3.medium b",
      "spot t3.medium c",
      "spot t3.medium a",
      "spot t3a.medium a",
      "spot t3a.medium b",
      "spot t3a.medium c",
      "on-demand t3.medium a",
    ]);
  });

  it("above the price limit are none, for spot alone", () => {
    assert.deepEqual(names(candidatesOf(REGION, [first], ["spot", "on-demand"], 0.015)), [
      "spot t3.medium b",
      "on-demand t3.medium a",
      "on-demand t3.medium b",
      "on-demand t3.medium c",
    ]);
  });

  it("spread nodes over the zones before they look at the price", () => {
    const candidates = candidatesOf(REGION, [first], ["spot"], undefined);
    const taken: Pool[] = [];
    for (let i = 0; i < 6; i += 1) taken.push(nextPool(candidates, { ...none, taken })!.pool);
    assert.deepEqual(
      taken.map(({ availabilityZone }) => availabilityZone.slice(-1)),
      ["b", "c", "a", "b", "c", "a"],
    );
  });

  it("closed a moment ago are taken only when nothing else is left", () => {
    const candidates = candidatesOf(REGION, [first], ["spot"], undefined);
    const avoided = [patternOf(candidates[0]!.pool, "pool")];
    assert.equal(nextPool(candidates, { ...none, avoided })!.pool.availabilityZone, zone("c"));
    assert.equal(nextPool(candidates.slice(0, 1), { ...none, avoided })!.pool.availabilityZone, zone("b"));
  });

  for (const [scope, left] of [
    ["pool", 11],
    ["zone", 8],
    ["market", 6],
  ] as const) {
    it(`leave ${left} of 12 when AWS closes the ${scope}`, () => {
      const candidates = candidatesOf(REGION, [first, second], ["spot", "on-demand"], undefined);
      const closed = [patternOf(candidates[0]!.pool, scope)];
      assert.equal(candidates.filter(({ pool }) => !isIn(pool, closed)).length, left);
    });
  }

  it("are each tried once, and then there is none (any order of refusals)", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("pool", "zone", "market"), { minLength: 12, maxLength: 12 }), (scopes) => {
        const candidates = candidatesOf(REGION, [first, second], ["spot", "on-demand"], undefined);
        const closed: PoolPattern[] = [];
        const tried = new Set<string>();
        for (const scope of scopes) {
          const next = nextPool(candidates, { ...none, closed });
          if (!next) return;
          assert.ok(!tried.has(names([next])[0]!), "a pool is tried twice");
          tried.add(names([next])[0]!);
          closed.push(patternOf(next.pool, scope));
        }
        assert.equal(nextPool(candidates, { ...none, closed }), undefined);
      }),
    );
  });
});
