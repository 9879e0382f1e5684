import assert from "node:assert/strict";
import type { CheckStatus, Phase } from "../../../../../fleet/checks";
import type { NodeChange } from "../../../../../fleet/plan/changes";
import type { FleetEvent } from "../../../../../fleet/report/events";
import { clock, frame, lineText } from "../../../../../cli/output/live/frame";
import { lineFormatter, formatLine } from "../../../../../cli/output/lines";
import { advance, countText, emptyProgress, type Progress } from "../../../../../cli/output/progress";
import { Screen } from "../../../../../cli/output/live/screen";

const START = 1_000_000;
const ref = (i: number, region = "us-west-2") => ({
  name: `${region}-${i}`,
  region,
  instanceId: `i-${String(i).padStart(17, "0")}`,
  address: `198.18.0.${i % 250}`,
});

const check = (
  node: number,
  id: string,
  phase: Phase,
  status: CheckStatus,
  [done, total]: [number, number],
  [inDone, inTotal]: [number, number],
): FleetEvent => ({
  type: "check",
  node: ref(node),
  id,
  title: `title of ${id}`,
  phase,
  status,
  done,
  total,
  inPhase: { done: inDone, total: inTotal },
});

function after(events: FleetEvent[], progress: Progress = emptyProgress(START)): Progress {
  events.forEach((event, i) => advance(progress, event, START + i * 1000));
  return progress;
}

const lines = (
  progress: Progress,
  width: number,
  height: number,
  events = [] as Parameters<typeof frame>[0]["events"],
): string[] => frame({ title: "up", progress, events, now: START + 60_000, width, height }).map(lineText);

describe("the live view", () => {
  it("says of a node that is replaced that it is, and not that it is deleted", () => {
    const stages = (kind: "replace" | "delete", ...ended: string[]) => {
      const pin = {
        ami: "ami-1",
        pool: {
          region: "us-west-2",
          availabilityZone: "us-west-2a",
          instanceType: "t3.small",
          market: "spot" as const,
        },
      };
      const from = { name: ref(0).name, instanceId: "i-old", pin, generation: "a" };
      const to = { slot: { name: ref(0).name, homeRegion: "us-west-2" }, pin, generation: "b" };
      const change = { name: ref(0).name, kind, reason: "asked for", from, to } as NodeChange;
      const progress = after([{ type: "changes", stack: "s", account: "1", changes: [change], resources: [] }]);
      return ended.map((step) => {
        const [phase, instanceId] = step.split(" ") as ["ending" | "deleted" | "created", string];
        advance(
          progress,
          { type: "node", level: "info", node: { ...ref(0), instanceId }, phase, message: step },
          START,
        );
        return progress.nodes.get(ref(0).name)?.stage;
      });
    };
    assert.deepEqual(stages("replace", "ending i-old", "deleted i-old", "created i-new"), [
      "ending",
      "replacing",
      "created",
    ]);
    assert.deepEqual(stages("delete", "ending i-old", "deleted i-old"), ["ending", "deleted"]);
    // One that changes its market is another resource: it is made before the old one is ended.
    assert.deepEqual(stages("replace", "created i-new", "ending i-old", "deleted i-old"), [
      "created",
      "created",
      "created",
    ]);
  });

  it("follows a node from planned to verified, with the reason why it waits and its own time", () => {
    const progress = after([
      { type: "expected", nodes: [ref(0)] },
      { type: "node", level: "success", node: ref(0), phase: "created", message: "Created" },
      { type: "waiting", node: ref(0), reason: "nothing listens" },
    ]);
    assert.match(lines(progress, 80, 24)[2]!, /^us-west-2-0 {2}created {5}0:59 {2}waits: nothing listens$/);
    advance(
      progress,
      { type: "node", level: "success", node: ref(0), phase: "verified", message: "Verified" },
      START + 31_000,
    );
    assert.match(
      lines(progress, 80, 24)[2]!,
      /^us-west-2-0 {2}verified {4}0:30/,
      "the time stands still when it is done",
    );
    assert.equal(lines(progress, 80, 24)[1], "1 node: 1 verified");
  });

  it("shows checks as they come, and the node as failed with what did not hold", () => {
    const progress = after([check(0, "B1", "reach", "ok", [1, 3], [1, 1])]);
    assert.match(lines(progress, 80, 24)[3]!, /checks 1 of 3/);
    advance(progress, check(0, "D2", "files", "failed", [2, 3], [1, 2]), START);
    advance(progress, check(0, "D6", "files", "skipped", [3, 3], [2, 2]), START);
    assert.match(lines(progress, 80, 24)[3]!, /failed .* title of D2$/, "what was skipped because of it is no reason");
    for (const n of [1, 2]) advance(progress, check(0, `B${n}`, "reach", "ok", [n, 2], [n, 2]), START);
    assert.equal(countText(progress.nodes.values()), "1 verified", "a second pass begins anew");
  });

  it("shows a matrix of nodes and phases while checks run: by letters, and by names where there is room", () => {
    const progress = after([
      { type: "expected", nodes: [ref(0), ref(1)] },
      check(0, "A1", "cloud", "ok", [1, 5], [1, 1]),
      check(0, "B1", "reach", "warning", [2, 5], [1, 2]),
      check(0, "D1", "files", "failed", [3, 5], [1, 1]),
      check(0, "E1", "deployment", "skipped", [4, 5], [1, 1]),
      check(1, "A1", "cloud", "ok", [1, 5], [1, 1]),
    ]);
    const [head, first, second] = lines(progress, 80, 24).slice(2);
    const at = head!.indexOf("A B D E");
    assert.ok(at > 0, head);
    assert.equal(first!.slice(at, at + 7), "✓ … ✗ –");
    assert.equal(second!.slice(at, at + 7), "✓ · · ·");
    const [names, wide] = lines(progress, 170, 24).slice(2);
    assert.match(names!, /cloud reach files deployment/);
    assert.equal(wide!.indexOf("✗"), names!.indexOf("files"));
    assert.doesNotMatch(
      lines(after([{ type: "expected", nodes: [ref(0)] }]), 170, 24).join("\n"),
      /cloud/,
      "no matrix before",
    );
  });

  it("a node of which checks were only skipped is not verified", () => {
    const progress = after([
      check(0, "A1", "cloud", "ok", [1, 2], [1, 1]),
      check(0, "B1", "reach", "skipped", [2, 2], [1, 1]),
    ]);
    assert.equal(countText(progress.nodes.values()), "1 failed");
  });

  it("a node of which something could not be looked at is unknown, and says what", () => {
    const progress = after([
      check(0, "A2", "cloud", "unknown", [1, 3], [1, 1]),
      check(0, "B1", "reach", "ok", [2, 3], [1, 2]),
      check(0, "B2", "reach", "skipped", [3, 3], [2, 2]),
    ]);
    assert.equal(countText(progress.nodes.values()), "1 unknown");
    assert.match(lines(progress, 80, 24)[3]!, /^us-west-2-0 {2}unknown .* \? – +A2 title of A2$/);
    advance(
      progress,
      {
        type: "node",
        level: "warning",
        node: ref(0),
        phase: "unknown",
        message: "Not verified, could not be looked at: A2",
      },
      START + 5_000,
    );
    assert.equal(countText(progress.nodes.values()), "1 unknown");
    assert.match(lines(progress, 80, 24)[3]!, /could not be looked at/);
  });

  for (const [count, width, height] of [
    [3, 80, 24],
    [3, 200, 50],
    [200, 80, 24],
    [200, 200, 50],
    [200, 200, 300],
    [200, 30, 8],
    [1, 1, 1],
    [0, 80, 24],
  ] as const) {
    it(`fits ${count} nodes into ${width} x ${height}`, () => {
      const regions = ["eu-west-1", "us-east-1", "us-west-2"];
      const nodes = Array.from({ length: count }, (_, i) => ref(i, regions[i % 3]));
      const progress = after([
        { type: "expected", nodes },
        ...nodes.map((node): FleetEvent => ({ type: "waiting", node, reason: "x".repeat(300) })),
      ]);
      const told = Array.from({ length: 20 }, (_, i) => ({
        level: "info" as const,
        prefix: "[spot]",
        message: `event ${i} ${"y".repeat(300)}`,
      }));
      const shown = lines(progress, width, height, told);
      assert.ok(shown.length <= Math.max(1, height - 1), `${shown.length} lines`);
      assert.ok(
        shown.every((line) => Array.from(line).length <= width),
        "no line is wider than the terminal",
      );
      if (height < 5) return;
      const isFolded = count > height - 6;
      assert.equal(
        shown.some((line) => /^us-west-2-\d/.test(line)),
        count > 2 && !isFolded,
      );
      if (count === 200 && isFolded && width >= 80)
        assert.match(shown.join("\n"), /us-west-2 {2}66 kept {2}longest: us-west-2-\d+/);
      if (count > 0 && width >= 80) assert.ok(shown.at(-1)!.includes("event 19"), "the last event is there");
    });
  }

  it("lets nothing of an event move the cursor", () => {
    const progress = after([{ type: "waiting", node: ref(0), reason: "a\u001b[2Jb\rc\nd" }]);
    assert.ok(lines(progress, 80, 24).every((line) => !/[\u0000-\u001f]/.test(line)));
  });

  it("tells time in the shortest form", () => {
    assert.deepEqual([0, 61_000, 3_723_000].map(clock), ["0:00", "1:01", "1:02:03"]);
  });

  it("writes a node's line in the predecessor's form, exactly (L31)", () => {
    const tell = lineFormatter();
    const node = {
      name: "us-west-2-0",
      region: "us-west-2",
      instanceId: "i-0a1b2c3d4e5f67890",
      address: "52.34.56.78",
    };
    const [told] = tell({ type: "node", level: "success", node, phase: "created", message: "Created" });
    assert.equal(formatLine(told!), "[i-0a1b2c3d4e5f67890 @ 52.34.56.78] SUCCESS: Created");
    assert.equal(tell({ type: "waiting", node, reason: "x" }).length, 1);
    assert.deepEqual(tell({ type: "waiting", node, reason: "x" }), [], "nothing is said twice");
  });

  it("draws by one write, goes up by as many rows as there are, and writes nothing when nothing changed", () => {
    const written: string[] = [];
    const stream = { columns: 10, rows: 24, write: (text: string) => (written.push(text), true) };
    const screen = new Screen(stream);
    try {
      screen.draw(["1234567890", "b"], ["1234567890", "b"]);
      screen.draw(["1234567890", "b"], ["1234567890", "b"]);
      assert.equal(written.length, 1);
      screen.draw(["1234567890", "c"], ["1234567890", "c"]);
      assert.ok(written[1]!.includes("\u001b[2A"), "two rows");
      stream.columns = 5;
      screen.draw(["12345", "c"], ["12345", "c"]);
      assert.ok(written[2]!.includes("\u001b[3A"), "the narrower terminal has broken the first line into two");
      assert.ok(!written.join("").includes("\u001b[2J"), "never the whole screen");
    } finally {
      screen.close();
    }
    assert.ok(written.at(-1)!.endsWith("\u001b[?25h"), "the cursor is given back");
  });
});
