import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tryLock } from "../../../system/lock";
import { ownMark } from "../../../system/process";

describe("the sandbox's lock", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "spot-lock-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("is held by one, names its owner, and can be taken again once given back", () => {
    const file = join(folder, "lock");
    const release = tryLock(file, { home: "/x" });
    assert.ok(release);
    assert.equal(tryLock(file), undefined);
    assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), { ...ownMark(), home: "/x" });
    release();
    const again = tryLock(file);
    assert.ok(again);
    again();
    assert.deepEqual(readdirSync(folder), []);
  });

  for (const [what, content] of [
    ["a process that is gone", { pid: 2 ** 22 - 3, started: "1" }],
    ["a process whose id another one has now", { pid: process.pid, started: "1" }],
    ["nobody (a broken file)", "{"],
  ] as const) {
    it(`is taken over from ${what}`, () => {
      const file = join(folder, "lock");
      writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
      const release = tryLock(file);
      assert.ok(release);
      release();
      assert.deepEqual(readdirSync(folder), []);
    });
  }
});
