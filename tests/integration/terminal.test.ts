import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { FIRST_RUN_MS } from "../support/sandbox";
import { hasTmux, TestTerminal } from "../support/terminal";

const REPLAY = path.join(packageRoot(), "dist/tests/support/replay-main.js");

describe("the live view in a real terminal", function () {
  this.timeout(FIRST_RUN_MS);
  let holds: string;
  let terminal: TestTerminal | undefined;
  before(function () {
    if (!hasTmux()) this.skip();
  });
  beforeEach(() => (holds = mkdtempSync(path.join(os.tmpdir(), "spot-replay-"))));
  afterEach(() => {
    terminal?.[Symbol.dispose]();
    rmSync(holds, { recursive: true, force: true });
  });

  /** The replay goes on from each of the steps `held` when it is let go: a busy machine may look at the screen too late. */
  const replay = (
    count: number,
    held: string[],
    size: { columns: number; rows: number },
    env: NodeJS.ProcessEnv = {},
  ): TestTerminal => {
    for (const step of held) writeFileSync(path.join(holds, step), "");
    return (terminal = new TestTerminal([process.execPath, REPLAY, String(count), "100", holds], {
      ...size,
      cwd: packageRoot(),
      env: { PATH: process.env.PATH, ...env },
    }));
  };
  const letGo = (step: string): void => rmSync(path.join(holds, step));
  const starting = (screen: string[], start: string): number => screen.filter((line) => line.startsWith(start)).length;

  for (const columns of [80, 200]) {
    it(`shows 3 nodes at ${columns} columns, one line each, and leaves the result and one line`, async () => {
      const t = replay(3, ["uploaded"], { columns, rows: 24 });
      await t.shows(/3 uploaded/);
      await t.becomes("one line for each node", (screen) =>
        ["af-south-1-0", "ap-east-1-0", "ap-east-2-0"].every((name) => starting(screen, name) === 1),
      );
      if (columns === 200) await t.shows(/i-00000000000000000 @ 198\.18\.0\.0/);
      letGo("uploaded");
      assert.equal(await t.ended(), 0);
      const left = t.screen().filter((line) => line !== "");
      assert.deepEqual(left.slice(0, 1), ["[spot] WARNING: a warning that stays"]);
      assert.match(left[1]!, /^up: 3 nodes: 3 verified after \d:\d\d$/);
      assert.equal(left[2], "RESULT");
      assert.equal(left.length, 3, left.join("\n"));
    });

    it(`shows nodes and phases as a matrix while checks run, at ${columns} columns`, async () => {
      const t = replay(3, ["D1"], { columns, rows: 24 });
      const seen = await t.becomes(
        "checks of each node",
        (screen) => screen.filter((line) => line.includes("checks 2 of 3")).length === 3,
      );
      letGo("D1");
      const head =
        seen.find((line) => (columns === 200 ? /^ +cloud files$/ : /^ +A D$/).test(line)) ??
        assert.fail(seen.join("\n"));
      const [first, second] =
        columns === 200 ? [head.indexOf("cloud"), head.indexOf("files")] : [head.indexOf("A"), head.indexOf("D")];
      const rows = seen.filter((line) => line.includes("checks 2 of 3"));
      assert.deepEqual(
        rows.map((line) => [line[first], line[second]]),
        rows.map(() => ["✓", "…"]),
      );
      assert.equal(await t.ended(), 0);
    });

    it(`folds 200 nodes to regions at ${columns} columns`, async () => {
      const t = replay(200, ["deploying"], { columns, rows: 24 });
      const seen = await t.shows(/200 nodes: 200 deploying[^]*^af-south-1 +34 deploying/m);
      assert.ok(seen.length <= 24);
      letGo("deploying");
      assert.equal(await t.ended(), 0);
      assert.ok(!/deploying/.test(t.everything()), "nothing of the frames is left in the scrollback");
    });
  }

  // What a lower window pushes into the scrollback no program can take back; the screen itself must be right.
  it("survives resizing in mid-run: one frame on the screen, none when it is over", async () => {
    const t = replay(12, ["created", "uploaded", "deploying"], { columns: 120, rows: 30 });
    await t.shows(/12 created/);
    t.resize(60, 20);
    letGo("created");
    await t.shows(/12 uploaded/);
    await t.becomes(
      "one narrow frame",
      (screen) => starting(screen, "up  ") === 1 && screen.every((line) => line.length <= 60),
    );
    t.resize(160, 12);
    letGo("uploaded");
    await t.shows(/12 deploying/);
    await t.becomes("one frame", (screen) => starting(screen, "up  ") === 1);
    letGo("deploying");
    assert.equal(await t.ended(), 0);
    const left = t.screen().filter((line) => line !== "");
    assert.match(left.join("\n"), /^up: 12 nodes: 12 verified after \d:\d\d\nRESULT$/m);
    assert.ok(!left.some((line) => line.startsWith("up  ")), left.join("\n"));
  });

  it("ends at Ctrl-C with the warning, the result and the cursor", async () => {
    const t = replay(3, ["created"], { columns: 80, rows: 24 });
    await t.shows(/3 created/);
    t.type("C-c");
    assert.equal(await t.ended(), 130);
    assert.match(t.everything(), /\[spot\] WARNING: interrupted soft/);
    assert.match(t.everything(), /RESULT/);
  });

  it("colours, and does not with NO_COLOR (L33)", async () => {
    const coloured = replay(3, ["created"], { columns: 80, rows: 24 });
    await coloured.shows(/3 created/);
    assert.match(coloured.coloured(), /\u001b\[3[0-9]m/);
    coloured[Symbol.dispose]();
    const plain = replay(3, ["created"], { columns: 80, rows: 24 }, { NO_COLOR: "1" });
    await plain.shows(/3 created/);
    assert.doesNotMatch(plain.coloured(), /\u001b\[[34][0-9]m/);
  });
});
