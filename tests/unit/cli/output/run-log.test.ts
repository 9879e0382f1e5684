import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { reporterFor } from "../../../../cli/runtime/reporter";
import type { CommandContext } from "../../../../cli/runtime/context";
import { recordFile, RunLog, type RunRecord } from "../../../../cli/output/run-log";
import { until } from "../../../support/sandbox";

describe("the log of a run", () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "spot-journal-"))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const journal = (folder: string) => new RunLog({ folder, command: "up", args: [], options: {}, recorded: true });

  it("is done without where nothing can be written, and the run goes on", () => {
    writeFileSync(path.join(dir, "file"), "");
    const lost = journal(path.join(dir, "file"));
    lost.emit({ type: "message", level: "info", message: "on it goes" });
    lost.end(0);
    assert.match(String(lost.failure), /ENOTDIR|EEXIST/);
  });

  it("is kept where it can be", () => {
    const kept = journal(dir);
    kept.emit({ type: "message", level: "info", message: "on it goes" });
    kept.end(0);
    assert.equal(kept.failure, undefined);
    assert.match(readFileSync(kept.file, "utf8"), /on it goes[^]*exit code 0/);
  });

  it("has what happened last on record soon, though nothing more happens", async () => {
    const kept = journal(dir);
    const node = { name: "us-west-2-0", region: "us-west-2", instanceId: "i-1" };
    kept.emit({ type: "node", level: "success", node, phase: "created", message: "Created" });
    const record = () => JSON.parse(readFileSync(recordFile(dir), "utf8")) as RunRecord;
    assert.deepEqual(record().nodes, [], "not at once: much may happen");
    const [seen] = await until("it is on record", () => (record().nodes.length > 0 ? record().nodes : undefined));
    assert.deepEqual([seen?.name, seen?.stage], ["us-west-2-0", "created"]);
    kept.end(0);
    assert.equal(record().exitCode, 0);
  });

  it("that is lost is told of once", () => {
    writeFileSync(path.join(dir, "logs"), "");
    let told = "";
    const stream = { isTTY: false, write: (text: string) => void (told += text) };
    const context = {
      command: "up",
      args: [],
      positionals: [],
      rest: [],
      options: { sandbox: "api" },
      terminal: { stdout: stream, stderr: stream, env: {} },
      env: { SPOT_SANDBOX_HOME: dir },
    } as unknown as CommandContext;
    const reporter = reporterFor(context, "progress");
    for (const message of ["one", "two"]) reporter.emit({ type: "message", level: "info", message });
    assert.match(told, /^\[log\] WARNING: no log is kept of this run: .*\n\[spot\] INFO: one\n\[spot\] INFO: two\n$/);
    assert.deepEqual(context.end?.(0), {});
  });
});
