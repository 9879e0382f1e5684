import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { stepsCommand } from "../../../../fleet/checks/expectations";

describe("the records of a table of steps", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), "steps-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const record = (file: string, content: object): void =>
    writeFileSync(path.join(folder, file), JSON.stringify(content));
  const names = (): string[] =>
    execFileSync("sh", ["-c", stepsCommand(folder)], { encoding: "utf8" })
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { name: string }).name);

  it("are printed in the order of the table", () => {
    record("a.json", { name: "a", position: 3 });
    record("b.json", { name: "b", position: 1 });
    record("c.json", { name: "c", position: 2 });
    assert.deepEqual(names(), ["b", "c", "a"]);
  });

  it("of an earlier version are printed in the order of their files", () => {
    record("02-a.json", { name: "a" });
    record("10-b.json", { name: "b" });
    record("01-c.json", { name: "c" });
    assert.deepEqual(names(), ["c", "a", "b"]);
  });
});
