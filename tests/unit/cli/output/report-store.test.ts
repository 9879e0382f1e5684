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
import { verificationReport, type VerificationReport } from "../../../../automation/verify/report";
import type { Outcome } from "../../../../automation/verify/outcome";
import { combined } from "../../../../automation/verify/scope";
import { sampleReport } from "../../../support/verification";

/** The nodes of the sample. */
const FLEET = sampleReport().nodes.map(({ node, instanceId }) => ({ name: node, instanceId }));
const EARLIER = { stack: "dev", at: new Date(Date.UTC(2025, 0, 1)) };
const LATER = { stack: "dev", at: new Date(Date.UTC(2026, 0, 2)) };

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
    await keepReport(folder, verificationReport({ ...report, nodes: [...report.nodes].reverse() }, EARLIER), FLEET);
    const page = (await keepReport(folder, report, FLEET)) ?? assert.fail("it is kept");
    assert.deepEqual(keptReport(folder), { report, page });
    assert.equal(readFileSync(page, "utf8"), html(report));
    assert.deepEqual(
      readdirSync(folder).map((name) => [name, statSync(path.join(folder, name)).mode & 0o777]),
      [
        ["last-verification-dev.html", 0o600],
        ["last-verification-dev.json", 0o600],
      ],
    );
  });

  it("is none where nothing was verified, or what was kept is not whole", async () => {
    assert.equal(keptReport(folder), undefined);
    await keepReport(folder, sampleReport(), FLEET);
    writeFileSync(path.join(folder, "last-verification-dev.json"), '{"version":');
    assert.equal(keptReport(folder), undefined);
  });

  it("is named by `status`, with what it says", async () => {
    const journal = new RunLog({ folder, command: "verify", args: [], options: {}, recorded: true });
    journal.end(ExitCode.verificationFailed);
    const status = (...args: string[]): string =>
      spawnSync(process.execPath, [path.join(packageRoot(), "dist/cli/main.js"), "status", "--sandbox=api", ...args], {
        encoding: "utf8",
        env: { PATH: process.env.PATH, HOME: home, SPOT_SANDBOX_HOME: home },
      }).stdout;
    assert.doesNotMatch(status(), /verification/);
    const page = (await keepReport(folder, sampleReport(), FLEET)) ?? assert.fail("it is kept");
    assert.match(
      status(),
      /^last verification, .* ago: 1 of 3 nodes of stack dev verified, 1 unknown; its report: .*last-verification-dev\.html$/m,
    );
    const { verification } = JSON.parse(status("--json")) as { verification: unknown };
    assert.deepEqual(verification, {
      at: "2026-01-01T00:00:00.000Z",
      stack: "dev",
      nodes: 3,
      verified: 1,
      failed: 1,
      unknown: 1,
      notLookedAt: 0,
      earlier: {},
      report: page,
    });
    const [node] = sampleReport().nodes;
    await keepReport(folder, verificationReport(combined([node!], { fleet: FLEET.map(({ name }) => name) }), LATER), [
      ...FLEET.slice(0, 2),
      { name: "us-west-2-9", instanceId: "i-0z" },
    ]);
    assert.match(
      status(),
      /^last verification, .* ago: 1 of 3 nodes of stack dev verified, 1 not looked at; looked at earlier: us-west-2-1 .* ago; its report: /m,
    );
  });

  describe("of a run that looked at a part", () => {
    const part = (isWhole: boolean, outcome: Outcome): VerificationReport => {
      const [node] = sampleReport().nodes;
      return verificationReport(
        combined([{ ...node!, isWhole, outcome, isVerified: outcome === "verified" }], {
          fleet: FLEET.map(({ name }) => name),
        }),
        LATER,
      );
    };
    const known = () => keptReport(folder)?.report ?? assert.fail("nothing is kept");

    it("of the list changes nothing: what is known is the last whole result", async () => {
      await keepReport(folder, sampleReport(), FLEET);
      await keepReport(folder, part(false, "failed"), FLEET);
      assert.deepEqual(known(), sampleReport());
    });

    it("of the list is not kept where nothing is known", async () => {
      assert.equal(await keepReport(folder, part(false, "verified"), FLEET), undefined);
      assert.equal(keptReport(folder), undefined);
    });

    it("of the fleet takes the place of what was known of those nodes, with its time, and of no others", async () => {
      await keepReport(folder, sampleReport(), FLEET);
      await keepReport(folder, part(true, "failed"), FLEET);
      const report = known();
      assert.deepEqual(
        report.nodes.map(({ node, outcome, at }) => [node, outcome, at.slice(0, 10)]),
        [
          ["us-west-2-0", "failed", "2026-01-02"],
          ["us-west-2-1", "failed", "2026-01-01"],
          ["us-west-2-2", "unknown", "2026-01-01"],
        ],
      );
      assert.deepEqual([report.at.slice(0, 10), report.isWhole, report.summary.failed], ["2026-01-02", true, 2]);
    });

    it("leaves the other stacks' results alone", async () => {
      await keepReport(folder, sampleReport(), FLEET);
      await keepReport(folder, { ...part(true, "verified"), stack: "other" }, FLEET);
      assert.equal(known().stack, "other", "the stack that was looked at last");
      assert.deepEqual([known().isVerified, known().isWhole, known().notLookedAt.length], [false, false, 2]);
      await keepReport(folder, { ...part(false, "verified"), stack: "dev" }, FLEET);
      assert.equal(readdirSync(folder).length, 4);
    });

    it("forgets an instance that another one has taken the place of, and a node that is gone", async () => {
      await keepReport(folder, sampleReport(), FLEET);
      const [first, ...rest] = FLEET;
      const fleet = [{ ...first!, instanceId: "i-0new" }, ...rest.slice(1)];
      await keepReport(
        folder,
        verificationReport(combined([], { fleet: fleet.map(({ name }) => name) }), LATER),
        fleet,
      );
      assert.deepEqual(
        [known().nodes.map(({ node }) => node), known().notLookedAt],
        [["us-west-2-2"], ["us-west-2-0"]],
      );
    });
  });

  it("is done without where nothing can be written", async () => {
    const file = path.join(home, "a-file");
    writeFileSync(file, "");
    assert.equal(await keepReport(path.join(file, "below"), sampleReport(), FLEET), undefined);
  });
});
