import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepMarked, pruneCache, rotateLog } from "../../../../sandbox/daemon/housekeeping";
import { tryLock } from "../../../../system/lock";

const NOW = Date.UTC(2020, 5, 30);
const daysAgo = (days: number): Date => new Date(NOW - days * 86_400_000);

describe("the sandbox's housekeeping", () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "spot-keeping-"))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  describe("of its log", () => {
    const log = () => join(dir, "daemon.log");
    const written = (bytes: number, first: string): void => {
      writeFileSync(log(), first);
      truncateSync(log(), bytes);
    };

    it("leaves a short one, and none, alone", () => {
      rotateLog(log());
      written(1_000_000, "short");
      rotateLog(log());
      assert.deepEqual(readdirSync(dir), ["daemon.log"]);
    });

    it("sets a long one aside, and keeps one such", () => {
      for (const first of ["first", "second"]) {
        written(6_000_000, first);
        rotateLog(log());
      }
      assert.deepEqual(readdirSync(dir), ["daemon.log.old"]);
      assert.ok(readFileSync(`${log()}.old`, "utf8").startsWith("second"));
    });
  });

  describe("of the cache", () => {
    const told: string[] = [];
    beforeEach(() => void (told.length = 0));
    const prune = (...keep: string[]) => pruneCache(dir, keep, (detail) => told.push(detail), NOW);

    /** A version that was installed, and perhaps used later, so many days ago. */
    function version(kind: string, digit: string, installed: number, used?: number): string {
      const folder = join(dir, kind, digit.repeat(16));
      mkdirSync(join(folder, "bin"), { recursive: true });
      utimesSync(folder, daysAgo(installed), daysAgo(installed));
      if (used !== undefined) {
        writeFileSync(`${folder}.used`, "");
        utimesSync(`${folder}.used`, daysAgo(used), daysAgo(used));
      }
      return folder;
    }

    for (const kind of ["moto", "images"]) {
      it(`removes ${kind} of other versions that nothing has used for 30 days, and says so`, async () => {
        const current = version(kind, "a", 400, 100);
        const [forgotten, neverUsed, used, fresh] = [
          version(kind, "b", 400, 31),
          version(kind, "c", 31),
          version(kind, "d", 400, 29),
          version(kind, "e", 29),
        ];
        await prune(current);
        assert.deepEqual(
          [current, forgotten, neverUsed, used, fresh].map((folder) => existsSync(folder)),
          [true, false, false, true, true],
        );
        assert.ok(!existsSync(`${forgotten}.used`));
        assert.deepEqual(told.sort(), [
          `removed ${forgotten}: nothing has used it since 2020-05-30`,
          `removed ${neverUsed}: nothing has used it since 2020-05-30`,
        ]);
      });
    }

    it("touches nothing else, and nothing that is being installed", async () => {
      const busy = version("images", "b", 400);
      const release = tryLock(`${busy}.lock`);
      for (const name of ["pulumi/3.0.0", "images/notes", `images/${"c".repeat(16)}.building`]) {
        mkdirSync(join(dir, name), { recursive: true });
        utimesSync(join(dir, name), daysAgo(400), daysAgo(400));
      }
      await prune();
      release?.();
      assert.deepEqual(told, []);
      assert.deepEqual(readdirSync(join(dir, "images")).sort(), [
        "b".repeat(16),
        `${"c".repeat(16)}.building`,
        "notes",
      ]);
      assert.ok(existsSync(join(dir, "pulumi/3.0.0")));
    });

    it("finishes a removal that was broken off", async () => {
      mkdirSync(join(dir, "moto", `${"b".repeat(16)}.removing`, "bin"), { recursive: true });
      await prune();
      assert.deepEqual(readdirSync(join(dir, "moto")), []);
    });

    it("keeps what a sandbox uses for as long as it runs", async () => {
      const folder = version("images", "b", 400, 31);
      keepMarked([folder])();
      await pruneCache(dir, [], (detail) => told.push(detail));
      assert.deepEqual([existsSync(folder), told], [true, []]);
    });
  });
});
