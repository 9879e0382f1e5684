import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { ExitCode } from "../../../../fleet/errors/exit-codes";
import { packageRoot } from "../../../../project/package-root";
import { RunLog } from "../../../../cli/output/run-log";
import { html } from "../../../../cli/output/formats/html";
import { keepReport, keptReport } from "../../../../cli/output/report-store";
import { sampleReport } from "../../../support/verification";

describe("the last verification's report", function () {
  this.timeout(60_000);
  let home: string;
  let folder: string;
  beforeEach(() => {
    home = mkdtempSync(path.join(os.tmpdir(), "spot-kept-"));
    folder = path.join(home, "logs");
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  it("is kept as a page and as a document, for nobody else to read, in the place of the one before", async () => {
    const report = sampleReport();
    await keepReport(folder, { ...report, stack: "earlier" });
    const page = (await keepReport(folder, report)) ?? assert.fail("it is kept");
    assert.deepEqual(keptReport(folder), { report, page });
    assert.equal(readFileSync(page, "utf8"), html(report));
    assert.deepEqual(
      readdirSync(folder).map((name) => [name, statSync(path.join(folder, name)).mode & 0o777]),
      [
        ["last-verification.html", 0o600],
        ["last-verification.json", 0o600],
      ],
    );
  });

  it("is none where nothing was verified, or what was kept is not whole", async () => {
    assert.equal(keptReport(folder), undefined);
    await keepReport(folder, sampleReport());
    writeFileSync(path.join(folder, "last-verification.json"), '{"version":');
    assert.equal(keptReport(folder), undefined);
  });

  it("is named by `status`, with what it says", async () => {
    const journal = new RunLog({ folder, command: "verify", args: [], recorded: true });
    journal.end(ExitCode.verificationFailed);
    const status = (...args: string[]): string =>
      spawnSync(process.execPath, [path.join(packageRoot(), "dist/cli/main.js"), "status", "--sandbox=api", ...args], {
        encoding: "utf8",
        env: { PATH: process.env.PATH, HOME: home, SPOT_SANDBOX_HOME: home },
      }).stdout;
    assert.doesNotMatch(status(), /verification/);
    const page = (await keepReport(folder, sampleReport())) ?? assert.fail("it is kept");
    assert.match(
      status(),
      /^last verification, .* ago: 1 of 3 nodes of stack dev verified, 1 unknown; its report: .*last-verification\.html$/m,
    );
    const { verification } = JSON.parse(status("--json")) as { verification: unknown };
    assert.deepEqual(verification, {
      at: "2026-01-01T00:00:00.000Z",
      stack: "dev",
      nodes: 3,
      verified: 1,
      failed: 1,
      unknown: 1,
      report: page,
    });
  });

  it("is done without where nothing can be written", async () => {
    const file = path.join(home, "a-file");
    writeFileSync(file, "");
    assert.equal(await keepReport(path.join(file, "below"), sampleReport()), undefined);
  });
});
