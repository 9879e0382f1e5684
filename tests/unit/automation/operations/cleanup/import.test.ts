import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { readLegacyState } from "../../../../../automation/operations/cleanup/import";
import { isSpotError, type ErrorCode } from "../../../../../fleet/errors";

const one = '{"instance_id": "i-0123", "region": "us-east-1"}';
const SYNTAX = "E_CONFIG_SYNTAX";

/** Wrong files, and what the cause must say of each. */
const WRONG: [what: string, content: string | Buffer, code: ErrorCode, cause: RegExp][] = [
  ["is not JSON", "hello", SYNTAX, /not valid JSON/],
  ["is empty", "\n", SYNTAX, /the file is empty/],
  ["is cut off", `[${one}`, SYNTAX, /in JSON at position/],
  ["is binary", Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 0xff]), SYNTAX, /not valid JSON/],
  ["holds NaN", '[{"instance_id": "i-0123", "region": NaN}]', SYNTAX, /not valid JSON/],
  ["is null", "null", SYNTAX, /it holds no array/],
  ["is a number", "42", SYNTAX, /it holds no array/],
  ["is an object of something else", '{"nodes": []}', SYNTAX, /it holds no array/],
  ["is an array of strings", '["i-0123"]', SYNTAX, /entry 1 is "i-0123", no object/],
  ["holds null", `[${one}, null]`, SYNTAX, /entry 2 is null, no object/],
  ["misses an id", `[${one}, {"region": "us-east-1"}]`, SYNTAX, /entry 2: instance missing, region us-east-1/],
  ["misses a region", '[{"instance_id": "i-0123"}]', SYNTAX, /entry 1: instance i-0123, region missing/],
  [
    "has a number for an id",
    '[{"instance_id": 7, "region": "us-east-1"}]',
    SYNTAX,
    /entry 1: instance 7, region us-east-1/,
  ],
  ["names a region of another world", '[{"instance_id": "i-0123", "region": "moon-1"}]', SYNTAX, /region moon-1/],
  [
    "is wrong in its last of many entries",
    JSON.stringify([
      ...Array.from({ length: 20_000 }, () => ({ instance_id: "i-0123", region: "us-east-1" })),
      { instance_id: "x", region: "us-east-1" },
    ]),
    SYNTAX,
    /entry 20001: instance x/,
  ],
];

describe("the predecessor's instances.json", () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "spot-import-"))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  function read(content: string | Buffer) {
    const file = path.join(dir, "instances.json");
    writeFileSync(file, content);
    return readLegacyState(file);
  }

  const refused = (code: ErrorCode, cause: RegExp) => (error: unknown) => {
    assert.ok(isSpotError(error), String(error));
    assert.equal(error.code, code);
    assert.match(error.cause instanceof Error ? error.cause.message : String(error.cause), cause);
    assert.match(error.next, /instance/);
    return true;
  };

  it("is read bare or wrapped, under both names of an id, with a byte order mark, and without entries", () => {
    const entry = { instanceId: "i-0123", region: "us-east-1" };
    for (const content of [
      `[${one}]`,
      `{"instances": [${one}]}`,
      '[{"id": "i-0123", "region": "us-east-1"}]',
      `\uFEFF[${one}]`,
    ])
      assert.deepEqual(read(content), [entry]);
    assert.deepEqual(read("[]"), []);
  });

  for (const [what, content, code, cause] of WRONG) {
    it(`is refused with the reason when it ${what}`, () => {
      assert.throws(() => read(content), refused(code, cause));
    });
  }

  it("is refused with the reason when it is a folder or missing", () => {
    mkdirSync(path.join(dir, "folder"));
    assert.throws(() => readLegacyState(path.join(dir, "folder")), refused("E_CONFIG_MISSING", /EISDIR/));
    assert.throws(() => readLegacyState(path.join(dir, "none")), refused("E_CONFIG_MISSING", /ENOENT/));
  });
});
