import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { FileMemo } from "../../../system/file-memo";

describe("what was found out about a file", () => {
  let dir: string;
  let asked: number;
  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "spot-memo-"));
    asked = 0;
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const file = (): string => path.join(dir, "file");
  const memoFile = (): string => path.join(dir, "memo.json");
  const about = (smallest = 0): Promise<number> =>
    new FileMemo<number>(memoFile()).about(file(), () => Promise.resolve((asked += 1)), smallest);

  it("is kept as long as the file is the same", async () => {
    writeFileSync(file(), "one");
    assert.deepEqual([await about(), await about()], [1, 1]);
    writeFileSync(file(), "another");
    assert.equal(await about(), 2);
  });

  it("is not kept of a small file", async () => {
    writeFileSync(file(), "one");
    assert.deepEqual([await about(4), await about(4)], [1, 2]);
  });

  it("is found out again where the memo cannot be read, or is of another form", async () => {
    writeFileSync(file(), "one");
    const { mtimeMs, size } = statSync(file());
    for (const damaged of ["null", "{", JSON.stringify({ [file()]: { mtimeMs, size, version: "1" } })]) {
      writeFileSync(memoFile(), damaged);
      await about();
    }
    assert.equal(asked, 3);
  });
});
