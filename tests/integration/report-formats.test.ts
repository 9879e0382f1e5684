import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { junit } from "../../cli/output/formats/junit";
import { tap } from "../../cli/output/formats/tap";
import { hasXmllint, jsonFaults, junitCounts, junitFaults, tapCounts } from "../support/validators";
import { sampleReport } from "../support/verification";

describe("the report's forms, read by others", function () {
  this.timeout(60_000);
  const report = sampleReport();
  let folder: string;
  before(() => void (folder = mkdtempSync(path.join(os.tmpdir(), "spot-report-"))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const written = (name: string, content: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, content);
    return file;
  };

  it("JSON fits the published schema, and what does not fit is refused", async () => {
    assert.equal(await jsonFaults(written("report.json", JSON.stringify(report))), "");
    const [node] = report.nodes;
    for (const wrong of [
      { ...report, version: 2 },
      { ...report, at: "yesterday" },
      { ...report, nodes: [{ ...node!, results: [{ ...node!.results[0], status: "fine" }] }] },
      { ...report, extra: true },
    ]) {
      assert.notEqual(await jsonFaults(written("wrong.json", JSON.stringify(wrong))), "");
    }
  });

  it("JUnit fits its schema, and what does not fit is refused", function () {
    if (!hasXmllint()) this.skip();
    const text = junit(report);
    assert.equal(junitFaults(written("report.xml", text)), "");
    const part = { ...report, leftOut: ["40 of 48 checks"] };
    assert.equal(junitFaults(written("part.xml", junit(part))), "");
    assert.notEqual(junitFaults(written("wrong.xml", text.replace("<testcase ", "<test "))), "");
    assert.notEqual(
      junitFaults(written("wrong.xml", text.replace('name="verify dev" ', 'name="verify dev" skipped="1" '))),
      "",
    );
  });

  it("JUnit and TAP count as we do", () => {
    const { checks } = report.summary;
    const counts = { all: 9, failed: checks.failed, skipped: checks.skipped };
    assert.deepEqual(junitCounts(written("counted.xml", junit(report))), counts);
    assert.deepEqual(
      tapCounts(written("report.tap", tap(report))),
      { ...counts, failed: checks.failed + checks.unknown },
      "TAP knows no other word for what was not carried out",
    );
    assert.equal(tapCounts(written("part.tap", tap({ ...report, leftOut: ["40 of 48 checks"] }))).all, 9);
    assert.throws(() => tapCounts(written("wrong.tap", tap(report).replace("1..9", "1..10"))));
  });
});
