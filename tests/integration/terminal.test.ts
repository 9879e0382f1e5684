import assert from "node:assert/strict";
import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { hasTmux, TestTerminal } from "../support/terminal";

const REPLAY = path.join(packageRoot(), "dist/tests/support/replay-main.js");

describe("the live view in a real terminal", function () {
  this.timeout(60_000);
  let terminal: TestTerminal | undefined;
  before(function () {
    if (!hasTmux()) this.skip();
  });
  afterEach(() => terminal?.[Symbol.dispose]());

  const replay = (count: number, stepMs: number, size: { columns: number; rows: number }, env: NodeJS.ProcessEnv = {}): TestTerminal =>
    (terminal = new TestTerminal([process.execPath, REPLAY, String(count), String(stepMs)], { ...size, cwd: packageRoot(), env: { PATH: process.env.PATH, ...env } }));

  for (const columns of [80, 200]) {
    it(`shows 3 nodes at ${columns} columns, one line each, and leaves the result and one line`, async () => {
      const t = replay(3, 400, { columns, rows: 24 });
      const seen = await t.shows(/3 uploaded/);
      for (const name of ["af-south-1-0", "ap-east-1-0", "ap-east-2-0"]) assert.equal(seen.filter((line) => line.startsWith(name)).length, 1, seen.join("\n"));
      if (columns === 200) assert.ok(seen.some((line) => line.includes("i-00000000000000000 @ 198.18.0.0")));
      assert.equal(await t.ended(), 0);
      const left = t.screen().filter((line) => line !== "");
      assert.deepEqual(left.slice(0, 1), ["[spot] WARNING: a warning that stays"]);
      assert.match(left[1]!, /^up: 3 nodes: 3 verified after 0:0\d$/);
      assert.equal(left[2], "RESULT");
      assert.equal(left.length, 3, left.join("\n"));
    });

    it(`shows nodes and phases as a matrix while checks run, at ${columns} columns`, async () => {
      const t = replay(3, 400, { columns, rows: 24 });
      const seen = await t.shows(/checks 2 of 3/);
      const head = seen.find((line) => (columns === 200 ? /^ +cloud files$/ : /^ +A D$/).test(line)) ?? assert.fail(seen.join("\n"));
      const [first, second] = columns === 200 ? [head.indexOf("cloud"), head.indexOf("files")] : [head.indexOf("A"), head.indexOf("D")];
      const rows = seen.filter((line) => line.includes("checks 2 of 3"));
      assert.deepEqual(rows.map((line) => [line[first!], line[second!]]), rows.map(() => ["✓", "…"]));
      assert.equal(await t.ended(), 0);
    });

    it(`folds 200 nodes to regions at ${columns} columns`, async () => {
      const t = replay(200, 300, { columns, rows: 24 });
      const seen = await t.shows(/200 nodes: 200 deploying/);
      assert.match(seen.join("\n"), /^af-south-1 +34 deploying/m);
      assert.ok(seen.length <= 24);
      assert.equal(await t.ended(), 0);
      assert.ok(!/deploying/.test(t.everything()), "nothing of the frames is left in the scrollback");
    });
  }

  // What a lower window pushes into the scrollback no program can take back; the screen itself must be right.
  it("survives resizing in mid-run: one frame on the screen, none when it is over", async () => {
    const t = replay(12, 500, { columns: 120, rows: 30 });
    await t.shows(/12 created/);
    t.resize(60, 20);
    const narrow = await t.shows(/12 uploaded/);
    assert.equal(narrow.filter((line) => line.startsWith("up  ")).length, 1, narrow.join("\n"));
    assert.ok(narrow.every((line) => line.length <= 60));
    t.resize(160, 12);
    const wide = await t.shows(/12 deploying/);
    assert.equal(wide.filter((line) => line.startsWith("up  ")).length, 1, wide.join("\n"));
    assert.equal(await t.ended(), 0);
    const left = t.screen().filter((line) => line !== "");
    assert.match(left.join("\n"), /^up: 12 nodes: 12 verified after 0:0\d\nRESULT$/m);
    assert.ok(!left.some((line) => line.startsWith("up  ")), left.join("\n"));
  });

  it("ends at Ctrl-C with the warning, the result and the cursor", async () => {
    const t = replay(3, 1000, { columns: 80, rows: 24 });
    await t.shows(/3 created/);
    t.type("C-c");
    assert.equal(await t.ended(), 130);
    assert.match(t.everything(), /\[spot\] WARNING: interrupted soft/);
    assert.match(t.everything(), /RESULT/);
  });

  it("colours, and does not with NO_COLOR (L33)", async () => {
    const coloured = replay(3, 400, { columns: 80, rows: 24 });
    await coloured.shows(/3 created/);
    assert.match(coloured.coloured(), /\u001b\[3[0-9]m/);
    coloured[Symbol.dispose]();
    const plain = replay(3, 400, { columns: 80, rows: 24 }, { NO_COLOR: "1" });
    await plain.shows(/3 created/);
    assert.doesNotMatch(plain.coloured(), /\u001b\[[34][0-9]m/);
  });
});
