import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRunning, markOf, ownMark, processStartedAt, processStat } from "../../../system/process";

/** Above the largest id that Linux gives. */
const NOBODY = 2 ** 22 + 1;

describe("a process", () => {
  const children: ChildProcess[] = [];
  afterEach(() => children.splice(0).forEach((child) => child.kill("SIGKILL")));

  function start(command: string, args: string[]): ChildProcess {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    children.push(child);
    return child;
  }

  it("is told by its mark from another one with the same id", () => {
    assert.ok(isRunning(ownMark()));
    assert.ok(!isRunning({ ...ownMark(), started: "0" }));
    assert.equal(markOf(NOBODY), undefined);
  });

  it("began when it says", () => {
    const started = processStartedAt(process.pid);
    assert.ok(
      started instanceof Date && Math.abs(Date.now() - process.uptime() * 1000 - started.getTime()) < 5000,
      String(started),
    );
    assert.equal(processStartedAt(NOBODY), "none");
  });

  it("is read rightly whatever its name", async function () {
    if (process.platform !== "linux") this.skip();
    const folder = mkdtempSync(join(tmpdir(), "spot-process-"));
    try {
      const program = join(folder, "a) Z 1 (b");
      symlinkSync("/bin/sleep", program);
      const child = start(program, ["60"]);
      await once(child, "spawn");
      const { parent, hasEnded } = processStat(child.pid!) ?? assert.fail();
      assert.deepEqual([parent, hasEnded], [process.pid, false]);
      assert.ok(isRunning(markOf(child.pid!) ?? assert.fail()));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("that has ended and that nobody has collected runs no more", async function () {
    if (process.platform !== "linux") this.skip();
    const parent = start("sh", ["-c", "sleep 0 & echo $!; exec sleep 60"]);
    const [line] = (await once(parent.stdout!, "data")) as [Buffer];
    const pid = Number(line.toString());
    while (processStat(pid)?.hasEnded !== true) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(markOf(pid), undefined);
    assert.equal(processStartedAt(pid), "none");
  });
});
