import assert from "node:assert/strict";
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { html } from "../../../../cli/output/formats/html";
import { junit } from "../../../../cli/output/formats/junit";
import { tap } from "../../../../cli/output/formats/tap";
import { timelineOf } from "../../../../cli/output/formats/timeline";
import { assertPossible, isHealthy, parseMinHealthy, unhealthyCode } from "../../../../automation/verify/min-healthy";
import type { Outcome } from "../../../../automation/verify/outcome";
import { reportSchema } from "../../../../tools/docs/report-schema";
import { placeOf, verificationReport, type VerificationReport } from "../../../../automation/verify/report";
import { combined } from "../../../../automation/verify/scope";
import { verdictLine, verificationText } from "../../../../cli/output/verification";
import type { Sandbox } from "../../../../sandbox/control";
import { isSpotError } from "../../../../fleet/errors";
import { sampleReport } from "../../../support/verification";

const report = sampleReport();

describe("the report's forms", () => {
  it("JUnit: a suite for each node, a case for each check, failures in full, skipped with their reason", () => {
    const text = junit(report);
    assert.equal(XMLValidator.validate(text), true);
    const { testsuites } = new XMLParser({
      ignoreAttributes: false,
      isArray: (name) => ["testsuite", "testcase"].includes(name),
    }).parse(text) as { testsuites: Record<string, unknown> & { testsuite: Record<string, unknown>[] } };
    assert.deepEqual([testsuites["@_tests"], testsuites["@_failures"], testsuites["@_errors"]], ["9", "1", "1"]);
    const [well, broken, unknown] = testsuites.testsuite as {
      "@_name": string;
      "@_failures": string;
      "@_errors": string;
      "@_skipped": string;
      testcase: Record<string, unknown>[];
    }[];
    assert.deepEqual(
      [well?.["@_name"], well?.["@_failures"], broken?.["@_failures"], broken?.["@_skipped"]],
      ["us-west-2-0", "0", "1", "1"],
    );
    const failed = broken?.testcase.find((entry) => "failure" in entry) as {
      "@_name": string;
      failure: { "@_message": string; "#text": string };
    };
    assert.equal(failed["@_name"], "D2 every file of the payload");
    assert.match(failed.failure["@_message"], /<script>alert\(1\)<\/script> & "quoted"/);
    assert.match(failed.failure["#text"], /run: cd \/opt.*\n.*expected: all in order/s);
    assert.ok(broken?.testcase.some((entry) => "skipped" in entry));
    assert.deepEqual(
      [unknown?.["@_failures"], unknown?.["@_errors"]],
      ["0", "1"],
      "what could not be looked at is no failure",
    );
    const [notCarriedOut] = unknown?.testcase as { error: { "@_message": string; "#text": string } }[];
    assert.match(notCarriedOut?.error["@_message"] ?? "", /^unknown: DescribeInstances failed: UnauthorizedOperation$/);
    assert.match(notCarriedOut?.error["#text"] ?? "", /next: Allow it\./);
    assert.ok(broken?.testcase.some((entry) => /WARNING/.test(String(entry["system-out"]))));
  });

  it("every form has the journals that come with a result, as text", () => {
    assert.ok(html(report).includes("<h4>The journal of sensor.service, its last lines</h4><pre>&#60;b&#62;no space"));
    assert.match(junit(report), /journal of sensor\.service: &lt;b&gt;no space&lt;\/b&gt;\n/);
    assert.ok(tap(report).includes('  journals: [{"unit":"sensor.service","lines":["<b>no space</b>","# left"]}]\n'));
    const told = verificationText({ stdout: { isTTY: false, columns: 80 }, env: {} }, report);
    assert.match(told, /\n {2}the journal of sensor\.service, its last lines:\n {4}<b>no space<\/b>\n {4}# left(\n|$)/);
  });

  it("a note is told where it is about a unit, and nowhere else", () => {
    const [node] = report.nodes;
    const noted = (more: object) =>
      verificationText(
        { stdout: { isTTY: false, columns: 80 }, env: {} },
        { ...report, nodes: [{ ...node!, results: [{ ...node!.results[0]!, status: "info" as const, ...more }] }] },
      );
    assert.match(noted({ journals: [{ unit: "a.service", lines: ["why"] }] }), /A2 instance running: INFO/);
    assert.doesNotMatch(noted({}), /INFO/);
  });

  it("JUnit holds no character that XML has no place for", () => {
    const [node] = report.nodes;
    const odd = {
      ...report,
      nodes: [
        {
          ...node!,
          results: [{ ...node!.results[0]!, status: "failed" as const, actual: "a\u0000\u001b[31mb\ud800\u{1f600}" }],
        },
      ],
    };
    assert.equal(XMLValidator.validate(junit(odd)), true);
    assert.match(junit(odd), /message="a\[31mb\u{1f600}"/u);
  });

  it("TAP: numbered, skips and warnings by directive, diagnostics for what fails", () => {
    const lines = tap(report).split("\n");
    assert.deepEqual(lines.slice(0, 2), ["TAP version 13", "1..9"]);
    assert.equal(lines.filter((line) => /^(not )?ok \d+ - /.test(line)).length, 9);
    assert.ok(lines.some((line) => /^ok \d+ - us-west-2-1 D6 .* # SKIP skipped because of D2$/.test(line)));
    assert.ok(lines.some((line) => /^not ok \d+ - us-west-2-1 K1 .* # TODO warning$/.test(line)));
    assert.ok(lines.includes("not ok 6 - us-west-2-1 D2 every file of the payload"));
    const block = lines.slice(lines.indexOf("  ---") + 1, lines.indexOf("  .."));
    assert.ok(block.some((line) => line.startsWith('  actual: "files/')));
    const at = lines.indexOf("not ok 9 - us-west-2-2 A2 instance running");
    assert.deepEqual(lines.slice(at + 1, at + 3), ["  ---", '  status: "unknown"']);
  });

  it("HTML: whole by itself, and nothing of a node's output becomes a part of the page", () => {
    const page = html(report);
    assert.doesNotMatch(page, /(src|href)="(?!data:)|@import|url\(/);
    assert.doesNotMatch(page, /<script>alert/);
    assert.match(page, /NOT VERIFIED/);
    assert.match(page, /&#60;script&#62;alert\(1\)/);
    assert.match(page, /1 of 3 nodes verified, 1 failed, 1 unknown at /);
    assert.match(page, /<td class="unknown"><span class="sign" aria-hidden="true">\?<\/span> unknown<\/td>/);
    assert.match(page, /<article class="result unknown" data-status="unknown"[^>]*><details open>/);
  });

  it("the table: unknown is neither yes nor no, and told with its reason once, however many checks have it", () => {
    const node = report.nodes[2]!;
    const [a2] = node.results;
    const text = verificationText(
      { stdout: { isTTY: false }, env: {} },
      {
        ...report,
        nodes: [{ ...node, results: [a2!, { ...a2!, id: "A3" }] }],
      },
    );
    assert.match(text, /^us-west-2-2 +2 unknown +unknown +2\.5 s$/m);
    assert.match(
      text,
      /^us-west-2-2 A2, A3: UNKNOWN\n {2}actual: +not looked at\n {2}cause: +DescribeInstances failed: UnauthorizedOperation\n {2}next: +Allow it\.$/m,
    );
  });

  it("JSON: as its schema says", () => {
    assert.deepEqual(reportSchema.parse(JSON.parse(JSON.stringify(report))), report);
    assert.throws(() => reportSchema.parse({ ...report, extra: 1 }));
  });

  it("the timeline begins at the launch and counts from there", () => {
    const { bars, seconds } = timelineOf(report.nodes[0]!);
    assert.deepEqual(
      bars.map(({ name, from, length, isMoment }) => [name, from, length, isMoment]),
      [
        ["launched", 0, 0, true],
        ["directories", 10, 2, false],
      ],
    );
    assert.equal(seconds, 12);
    assert.deepEqual(timelineOf({ ...report.nodes[0]!, results: [] }), { bars: [], seconds: 0 });
  });
});

describe("how many nodes make a healthy fleet", () => {
  const fleetOf = (...ofNodes: Outcome[]): VerificationReport => {
    const nodes = ofNodes.map((ofNode, n) => ({
      ...report.nodes[0]!,
      node: `n-${n}`,
      isVerified: ofNode === "verified",
      outcome: ofNode,
    }));
    return verificationReport(combined(nodes, { fleet: nodes.map(({ node }) => node) }), {
      stack: "s",
      at: new Date(0),
    });
  };
  const fleet = (...verified: boolean[]): VerificationReport =>
    fleetOf(...verified.map((isVerified): Outcome => (isVerified ? "verified" : "failed")));
  for (const [min, verified, healthy] of [
    [undefined, [true, true], true],
    [undefined, [true, false], false],
    ["50%", [true, false], true],
    ["51%", [true, false], false],
    ["0%", [false], true],
    ["0%", [], false],
    ["1", [true, false, false], true],
    ["2", [true, false, false], false],
  ] as const) {
    it(`${min ?? "all"} of ${verified.length} with ${verified.filter(Boolean).length} verified: ${healthy ? "healthy" : "not"}`, () =>
      assert.equal(isHealthy(fleet(...verified), min === undefined ? undefined : parseMinHealthy(min)), healthy));
  }

  for (const [nodes, min, healthy, code] of [
    [["verified", "unknown"], undefined, false, 4],
    [["verified", "unknown"], "50%", true, 4],
    [["verified", "unknown"], "2", false, 4],
    [["verified", "unknown", "failed"], undefined, false, 5],
    [["verified", "skipped"], undefined, false, 5],
    [["unknown"], "1", false, 4],
    [[], undefined, false, 5],
  ] as const) {
    it(`${nodes.join(", ") || "no nodes"} of ${min ?? "all"}: ${healthy ? "healthy" : `exit code ${code}`}`, () => {
      const verification = fleetOf(...nodes);
      assert.equal(isHealthy(verification, min === undefined ? undefined : parseMinHealthy(min)), healthy);
      if (!healthy) assert.equal(unhealthyCode(verification), code);
    });
  }

  for (const [nodes, others, line] of [
    [["verified", "verified"], {}, /^VERIFIED: 2 of 2 nodes\.$/],
    [["verified", "verified", "unknown"], {}, /^NOT VERIFIED: 2 of 3 nodes verified, 1 unknown; /],
    [
      ["verified", "failed", "unknown", "skipped"],
      { down: 1, waiting: 2 },
      /^NOT VERIFIED: 1 of 7 nodes verified, 1 failed, 1 unknown, 1 did not come up, 1 not looked at to the end, 2 not looked at; /,
    ],
    [[], {}, /^NOT VERIFIED: 0 of 0 nodes verified; /],
  ] as const) {
    it(`says in one line: ${nodes.join(", ") || "no nodes"}`, () =>
      assert.match(
        verdictLine(
          { nodes: nodes.map((outcome) => ({ outcome })), isWhole: true, leftOut: [], notLookedAt: [] },
          others,
        ),
        line,
      ));
  }

  for (const [nodes, leftOut, notLookedAt, line] of [
    [
      ["verified"],
      ["2 of 3 nodes"],
      ["b", "c"],
      "PARTIAL: 1 of the fleet's 3 nodes verified. Not looked at: 2 of 3 nodes.",
    ],
    [
      ["verified"],
      ["40 of 48 checks"],
      [],
      "PARTIAL: what was looked at holds on 1 node. Not looked at: 40 of 48 checks.",
    ],
    [
      ["failed", "verified"],
      ["40 of 48 checks", "1 of 3 nodes"],
      ["c"],
      "NOT VERIFIED (PARTIAL): 1 of 2 nodes verified, 1 failed; what is wrong is explained above. Not looked at: 40 of 48 checks; 1 of 3 nodes.",
    ],
  ] as const) {
    it(`says that a part is one: ${leftOut.join(", ")} left out`, () =>
      assert.equal(
        verdictLine({
          nodes: nodes.map((outcome) => ({ outcome })),
          isWhole: false,
          leftOut: [...leftOut],
          notLookedAt: [...notLookedAt],
        }),
        line,
      ));
  }

  it("calls a part a part in every form, and no node of it verified", () => {
    const [node] = report.nodes;
    const part = verificationReport(
      combined([{ ...node!, isWhole: false }], { fleet: ["us-west-2-0"], checks: { chosen: 8, of: 48 } }),
      { stack: "dev", at: new Date(0) },
    );
    const table = verificationText({ stdout: { isTTY: false }, env: {} }, part);
    assert.match(table, / in part /);
    assert.doesNotMatch(table, / yes /);
    assert.match(html(part), /<title>PARTIAL: dev<\/title>[^]*Not looked at: 40 of 48 checks\./);
    assert.match(tap(part), /^# partial: not looked at: 40 of 48 checks$/m);
    assert.equal(XMLValidator.validate(junit(part)), true);
    assert.match(junit(part), /<property name="partial" value="not looked at: 40 of 48 checks"\/>/);
    assert.deepEqual([part.isWhole, part.leftOut], [false, ["40 of 48 checks"]]);
    assert.deepEqual(reportSchema.parse(JSON.parse(JSON.stringify(part))), part);
    for (const text of [html(report), tap(report), junit(report)]) assert.doesNotMatch(text, /partial/i);
  });

  it("says of a sandbox what served it, and of AWS nothing", () => {
    const { stack } = report;
    const sandbox = { provider: { kind: "stand-in", version: "7.48.0", folder: "/a" } } as Sandbox;
    const served = { ...report, ...placeOf({ stack, sandbox }) };
    assert.deepEqual(served.provider, { kind: "stand-in", version: "7.48.0" });
    assert.match(html(served), /<p>In a sandbox, served by the stand-in for Pulumi&#39;s AWS provider 7\.48\.0\.<\/p>/);
    assert.deepEqual(reportSchema.parse(JSON.parse(JSON.stringify(served))), served);
    assert.deepEqual(placeOf({ stack }), { stack });
    assert.doesNotMatch(html(report), /served by/);
  });

  it("more healthy nodes than there are is refused, with what there are", () => {
    const refused = (min: string, looked: number, all: number): string => {
      try {
        assertPossible(parseMinHealthy(min), looked, all);
        return "";
      } catch (error) {
        assert.ok(isSpotError(error) && error.code === "E_USAGE");
        return error.message;
      }
    };
    assert.match(refused("5", 3, 3), /--min-healthy 5: the fleet has 3 nodes$/);
    assert.match(refused("2", 1, 3), /--min-healthy 2: the fleet has 3 nodes, and 1 of them would be looked at$/);
    for (const possible of ["3", "0", "100%"]) assert.equal(refused(possible, 3, 3), "");
  });
  for (const wrong of ["", "101%", "-1", "80 %", "most"]) {
    it(`refuses "${wrong}"`, () =>
      assert.throws(
        () => parseMinHealthy(wrong),
        (error: unknown) => isSpotError(error) && error.code === "E_USAGE",
      ));
  }
});
