import assert from "node:assert/strict";
import { parseFaults } from "../../../../sandbox/gateway/fault-schema";
import { Faults, type CallFacts, type FaultRule } from "../../../../sandbox/gateway/faults";

const launch: CallFacts = {
  action: "RunInstances",
  region: "us-west-2",
  availabilityZone: "us-west-2a",
  instanceType: "t3.medium",
};
const drop = { drop: true } as const;

function hits(rule: Omit<FaultRule, "when" | "effect">, calls: CallFacts[]): boolean[] {
  const faults = new Faults();
  faults.add([{ ...rule, when: "before", effect: drop }]);
  return calls.map((call) => faults.meet(call, 0).length > 0);
}

const times = (count: number, call = launch): CallFacts[] => Array.from({ length: count }, () => call);

describe("fault rules", () => {
  it("meet the action that they name and no other", () => {
    assert.deepEqual(hits({ action: "RunInstances" }, [launch, { ...launch, action: "DescribeVpcs" }]), [true, false]);
  });

  it("meet every action with *", () => {
    assert.deepEqual(hits({ action: "*" }, [{ action: "DescribeVpcs", region: "eu-west-1" }]), [true]);
  });

  for (const [name, other] of [
    ["region", "eu-west-1"],
    ["availabilityZone", "us-west-2b"],
    ["instanceType", "m7g.large"],
  ] as const) {
    it(`are narrowed by ${name}`, () => {
      assert.deepEqual(hits({ action: "RunInstances", [name]: launch[name] }, [launch, { ...launch, [name]: other }]), [
        true,
        false,
      ]);
    });
  }

  it("do not meet a call whose zone is unknown when they name one", () => {
    assert.deepEqual(
      hits({ action: "RunInstances", availabilityZone: "us-west-2a" }, [
        { action: "RunInstances", region: "us-west-2" },
      ]),
      [false],
    );
  });

  it("meet only calls that come after one of the action that they follow", () => {
    const look = { ...launch, action: "DescribeInstances" };
    assert.deepEqual(hits({ action: "*", follows: "RunInstances" }, [look, launch, look, launch]), [
      false,
      false,
      true,
      true,
    ]);
    assert.deepEqual(
      hits({ action: "DescribeInstances", follows: "RunInstances", nth: 2 }, [look, launch, look, look]),
      [false, false, false, true],
    );
  });

  it("hit the nth call alone", () => {
    assert.deepEqual(hits({ action: "*", nth: 2 }, times(4)), [false, true, false, false]);
  });

  it("hit so many calls from the nth on", () => {
    assert.deepEqual(hits({ action: "*", nth: 2, times: 2 }, times(5)), [false, true, true, false, false]);
  });

  it("hit for a while, from the first call that is hit", () => {
    const faults = new Faults();
    faults.add([{ action: "*", nth: 2, forMs: 1_000, when: "before", effect: drop }]);
    const at = [0, 5_000, 5_001, 5_999, 6_000, 9_000];
    assert.deepEqual(
      at.map((now) => faults.meet(launch, now).length > 0),
      [false, true, true, true, false, false],
    );
  });

  it("hit the first calls when only times is given", () => {
    assert.deepEqual(hits({ action: "*", times: 2 }, times(4)), [true, true, false, false]);
  });

  it("count only calls that they concern", () => {
    const other = { ...launch, region: "eu-west-1" };
    assert.deepEqual(hits({ action: "*", region: "us-west-2", nth: 2 }, [launch, other, launch]), [false, false, true]);
  });

  it("draw the same calls for the same seed, in about the share asked for", () => {
    const drawn = hits({ action: "*", probability: 0.3, seed: 7 }, times(1_000));
    assert.deepEqual(drawn, hits({ action: "*", probability: 0.3, seed: 7 }, times(1_000)));
    assert.notDeepEqual(drawn, hits({ action: "*", probability: 0.3, seed: 8 }, times(1_000)));
    const share = drawn.filter(Boolean).length / 1_000;
    assert.ok(share > 0.25 && share < 0.35, `share ${share}`);
  });

  it("tell what they have seen and hit, and are gone after clear", () => {
    const faults = new Faults();
    assert.deepEqual(faults.add([{ action: "*", nth: 2, when: "after", effect: drop }]), ["fault-1"]);
    faults.meet(launch, 0);
    faults.meet(launch, 0);
    faults.meet(launch, 0);
    assert.deepEqual(
      faults.list().map(({ id, seen, hit }) => ({ id, seen, hit })),
      [{ id: "fault-1", seen: 3, hit: 1 }],
    );
    faults.clear();
    assert.deepEqual(faults.meet(launch, 0), []);
  });

  it("are over for those that they hold up when they are taken away, and not for those that come later", () => {
    const faults = new Faults();
    const { over } = faults;
    assert.equal(over.aborted, false);
    faults.clear();
    assert.deepEqual([over.aborted, faults.over.aborted], [true, false]);
  });
});

describe("reading fault rules", () => {
  it("takes one rule or a list, before unless said otherwise", () => {
    const rule = { action: "RunInstances", effect: { delayMs: 5 } };
    assert.deepEqual(parseFaults(rule), [{ ...rule, when: "before" }]);
    assert.equal(parseFaults([rule, { ...rule, when: "after" }])[1]?.when, "after");
  });

  it("refuses unknown keys and effects, naming them", () => {
    assert.throws(() => parseFaults({ action: "*", effect: drop, nht: 2 }), /nht/);
    assert.throws(() => parseFaults({ action: "*", effect: { explode: true } }), /effect/);
    assert.throws(() => parseFaults({ effect: drop }), /action/);
  });
});
