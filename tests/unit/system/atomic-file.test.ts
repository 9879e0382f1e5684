import assert from "node:assert/strict";
import fs, { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import { tryWriteFile, writeFileAtomic } from "../../../system/atomic-file";

describe("an atomic write", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "spot-atomic-"));
    file = join(folder, "below", "file");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const modeOf = (name: string) => statSync(name).mode & 0o777;

  it("makes the folder and the file, a secret one for its owner alone", () => {
    writeFileAtomic(file, "secret", 0o600);
    assert.equal(readFileSync(file, "utf8"), "secret");
    assert.equal(modeOf(file), 0o600);
    assert.equal(modeOf(join(folder, "below")), 0o700);
    assert.deepEqual(readdirSync(join(folder, "below")), ["file"]);
  });

  it("replaces content and mode of the file before it", () => {
    writeFileAtomic(file, "long content");
    writeFileAtomic(file, Buffer.from("short"), 0o600);
    assert.equal(readFileSync(file, "utf8"), "short");
    assert.equal(modeOf(file), 0o600);
  });

  it("has the content on the disk before the rename, and the folder after it", () => {
    const steps: string[] = [];
    const { fsyncSync, renameSync } = fs;
    const sync = mock.method(fs, "fsyncSync", (descriptor: number) => {
      const stat = fs.fstatSync(descriptor);
      steps.push(
        stat.isDirectory() ? "sync folder" : `sync ${stat.size} bytes of mode ${(stat.mode & 0o777).toString(8)}`,
      );
      fsyncSync(descriptor);
    });
    const rename = mock.method(fs, "renameSync", (from: string, to: string) => {
      steps.push("rename");
      renameSync(from, to);
    });
    try {
      writeFileAtomic(file, "secret", 0o600, () => steps.push("before replacing"));
    } finally {
      sync.mock.restore();
      rename.mock.restore();
    }
    assert.deepEqual(steps, ["sync 6 bytes of mode 600", "before replacing", "rename", "sync folder"]);
  });

  it("leaves the old file and no draft when it fails", () => {
    writeFileAtomic(file, "old");
    const failure = new Error("no");
    const broken = () => {
      throw failure;
    };
    assert.throws(() => writeFileAtomic(file, "new", 0o644, broken), failure);
    for (const step of ["writeFileSync", "fsyncSync", "renameSync"] as const) {
      const method = mock.method(fs, step, broken);
      try {
        assert.throws(() => writeFileAtomic(file, "new"), failure, step);
      } finally {
        method.mock.restore();
      }
    }
    assert.equal(readFileSync(file, "utf8"), "old");
    assert.deepEqual(readdirSync(join(folder, "below")), ["file"]);
  });

  it("says instead of throwing whether what may be missing was written", () => {
    assert.ok(tryWriteFile(file, "kept"));
    assert.equal(readFileSync(file, "utf8"), "kept");
    mkdirSync(join(folder, "taken"));
    writeFileSync(join(folder, "taken", "x"), "");
    assert.ok(!tryWriteFile(join(folder, "taken"), "kept"));
    assert.deepEqual(readdirSync(folder).sort(), ["below", "taken"]);
  });
});
