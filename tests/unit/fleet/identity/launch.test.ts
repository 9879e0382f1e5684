import assert from "node:assert/strict";
import { hostKeyToken } from "../../../../fleet/identity/generation";
import { generationTag, LAUNCH, launchesOf, newLaunch, parseGenerationTag } from "../../../../fleet/identity/launch";
import { parsePins } from "../../../../fleet/plan/stack-config";
import { nodeTags } from "../../../../fleet/identity/tags";

const LAUNCHES = ["0123456789abcdef", "fedcba9876543210"] as const;
const GENERATION = "00112233445566ff";

describe("the launches of a fleet's slots", () => {
  const count = (): (() => string) => {
    let made = 0;
    return () => `${made++}`.repeat(16);
  };

  it("are kept for what stays, new for what is to be made, and none for who is in no slot", () => {
    const staying = [
      { name: "a-0", launch: LAUNCHES[0] },
      { name: "gone", launch: LAUNCHES[1] },
    ];
    assert.deepEqual(launchesOf(["a-0", "a-1", "b-0"], staying, count()), {
      "a-0": LAUNCHES[0],
      "a-1": "0".repeat(16),
      "b-0": "1".repeat(16),
    });
  });

  it("are none for nodes of an earlier version, as long as they stay", () => {
    assert.deepEqual(launchesOf(["a-0", "a-1"], [{ name: "a-0" }, { name: "a-1" }], count()), {});
    assert.deepEqual(launchesOf(["a-0", "a-1"], [{ name: "a-0" }], count()), { "a-1": "0".repeat(16) });
  });

  it("are never the same twice", () => {
    const minted = Array.from({ length: 1000 }, newLaunch);
    assert.equal(new Set(minted).size, 1000);
    for (const launch of minted) assert.match(launch, LAUNCH);
  });
});

describe("the tag of what an instance was made as", () => {
  it("is read as it was written, and says nothing of a launch where an earlier version wrote it", () => {
    for (const launch of [undefined, ...LAUNCHES]) {
      const read = parseGenerationTag(generationTag(GENERATION, launch));
      assert.deepEqual([read.generation, read.launch], [GENERATION, launch]);
    }
    assert.equal(generationTag(GENERATION, undefined), GENERATION);
  });

  it("with anything else behind it is no generation of ours: the node differs and is replaced", () => {
    for (const value of ["", `${GENERATION}-`, `${GENERATION}-0123`, `${GENERATION}-${LAUNCHES[0].toUpperCase()}`])
      assert.deepEqual(parseGenerationTag(value), { generation: value });
  });

  it("takes no more room among the tags than before", () => {
    const owner = { lineage: "l", stack: "s", extra: {} };
    assert.deepEqual(
      Object.keys(nodeTags(owner, "a-0", GENERATION, LAUNCHES[0])),
      Object.keys(nodeTags(owner, "a-0", GENERATION, undefined)),
    );
  });
});

describe("a host key token", () => {
  const SECRET = "5f".repeat(32);
  const NODE = { name: "us-west-2-0", generation: "0123456789abcdef" };

  it("is, without a launch, what the version before launches made of slot and generation", () => {
    assert.equal(hostKeyToken(SECRET, NODE), "22a160d895fc906aed02161b53d95af4fbe027b82d4c989cbe48cdce6bb2572b");
  });

  it("is another one for another slot, generation, launch or fleet, and the same for the same", () => {
    const holders = [
      NODE,
      { ...NODE, name: "us-west-2-1" },
      { ...NODE, generation: GENERATION },
      ...LAUNCHES.map((launch) => ({ ...NODE, launch })),
    ];
    const tokens = [...holders.map((holder) => hostKeyToken(SECRET, holder)), hostKeyToken("6f".repeat(32), NODE)];
    assert.equal(new Set(tokens).size, tokens.length);
    for (const token of tokens) assert.match(token, /^[0-9a-f]{64}$/);
    assert.deepEqual(
      holders.map((holder) => hostKeyToken(SECRET, { ...holder })),
      tokens.slice(0, -1),
    );
  });
});

describe("pins", () => {
  const written = { version: 1, regions: {}, nodes: {}, unplaced: {}, ssh: { allow: [], callers: [], publicKey: "" } };

  it("of an earlier version have no launches, and are whole", () =>
    assert.deepEqual(parsePins(written), { ...written, launches: {} }));
  it("with a launch that nobody minted are none", () =>
    assert.equal(parsePins({ ...written, launches: { "a-0": "first" } }), undefined));
});
