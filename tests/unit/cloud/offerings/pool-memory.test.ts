import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { UnavailableOfferings } from "../../../../cloud/offerings/unavailable-offerings";

describe("the memory of exhausted pools", () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "spot-pools-"))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const pattern = { region: "us-west-2", market: "spot" as const };

  it("lasts three minutes, over runs", () => {
    let now = 1_000_000;
    new UnavailableOfferings(path.join(dir, "scratch"), () => now).add([pattern]);
    const later = new UnavailableOfferings(path.join(dir, "scratch"), () => now);
    assert.deepEqual(later.current(), [pattern]);
    now += 3 * 60_000;
    assert.deepEqual(later.current(), []);
  });

  it("is empty when its file is damaged, and works again", () => {
    writeFileSync(path.join(dir, "exhausted-pools.json"), "{");
    const memory = new UnavailableOfferings(dir);
    assert.deepEqual(memory.current(), []);
    memory.add([pattern]);
    assert.deepEqual(memory.current(), [pattern]);
  });
});
