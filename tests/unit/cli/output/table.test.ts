import assert from "node:assert/strict";
import { Chalk } from "chalk";
import { stripVTControlCharacters } from "node:util";
import { seenLength, tableText, widthOf, wrapped } from "../../../../cli/output/table";
import { verificationText } from "../../../../cli/output/verification";
import { phases, type CheckStatus } from "../../../../fleet/checks";
import type { CheckResult, NodeVerification } from "../../../../automation/verify/result";

const HEAD = ["NODE", "STATE", "WHY"];
const WHY = "Server.SpotInstanceTermination: Spot instance termination, which AWS announced two minutes before";
const ROW = ["us-west-2-0", "interruption pending", WHY];
const wordsOf = (text: string): string[] => stripVTControlCharacters(text).split(/\s+/).filter(Boolean);

describe("a table", () => {
  it("is as wide as it is where nobody reads it", () => {
    assert.equal(widthOf({}), Infinity);
    assert.equal(widthOf({ isTTY: true, columns: 100 }), 100);
    assert.equal(widthOf({ isTTY: true }), 80);
    assert.equal(
      tableText(HEAD, [ROW], Infinity),
      `NODE         STATE                 WHY\nus-west-2-0  interruption pending  ${WHY}`,
    );
  });

  for (const width of [120, 80, 64, 40, 20])
    it(`breaks no word at ${width} columns, loses none, and keeps to the width unless a word is longer`, () => {
      const lines = tableText(HEAD, [ROW, ROW], width).split("\n");
      assert.deepEqual(
        lines.filter((line) => line.length > width && line.trim().includes(" ")),
        [],
      );
      const seen = wordsOf(lines.join(" "));
      for (const word of wordsOf(ROW.join(" ")))
        assert.equal(seen.filter((one) => one === word).length % 2, 0, `${word} is in both rows as often`);
      for (const word of wordsOf(ROW.join(" "))) assert.ok(seen.includes(word), word);
    });

  it("lets long cells go on below, and keeps short ones in one line", () => {
    const [head, first, second] = tableText(HEAD, [ROW], 80).split("\n");
    assert.equal(head, "NODE         STATE                 WHY");
    assert.match(first!, /^us-west-2-0 {2}interruption pending {2}Server\.SpotInstanceTermination: Spot instance$/);
    assert.match(second!, /^ {35}termination, which/);
  });

  it("becomes a paragraph a row where even that is too wide, without what is empty", () => {
    assert.equal(
      tableText(["NODE", "MARKET", "STATE"], [["us-west-2-0", "", "interruption pending"]], 30),
      "NODE: us-west-2-0\n  STATE: interruption pending",
    );
  });

  it("takes a colour for nothing", () => {
    const red = new Chalk({ level: 1 }).red("interruption pending");
    assert.equal(seenLength(red), 20);
    assert.equal(
      stripVTControlCharacters(tableText(["STATE"], [[red]], 20)),
      tableText(["STATE"], [["interruption pending"]], 20),
    );
  });
});

describe("the table of a verification", () => {
  const result = (phase: CheckResult["phase"], status: CheckStatus): CheckResult => ({
    id: "A1",
    title: "a check",
    phase,
    status,
    milliseconds: 1,
  });
  const nodes = ["us-west-2-0", "ap-southeast-2-10"].map(
    (node): NodeVerification =>
      ({
        node,
        outcome: "verified",
        milliseconds: 12_345,
        isVerified: true,
        results: phases.map((phase) => result(phase, "ok")),
      }) as NodeVerification,
  );

  for (const columns of [80, 100, 200])
    it(`breaks no word at ${columns} columns`, () => {
      const text = verificationText({ stdout: { isTTY: true, columns }, env: { NO_COLOR: "1" } }, { nodes } as never);
      assert.deepEqual(
        text.split("\n").filter((line) => line.length > columns),
        [],
      );
      for (const phase of phases) assert.match(text, new RegExp(`\\b${phase.toUpperCase()}\\b`));
    });
});

describe("a text", () => {
  it("goes on in the next line between words alone", () => {
    assert.equal(wrapped("left out: region; see all", 18, "  "), "left out: region;\n  see all");
    assert.equal(wrapped("short", 80), "short");
  });
});
