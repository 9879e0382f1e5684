import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { reportSchema } from "../../automation/verify/report-schema";
import type { VerificationReport } from "../../automation/verify/report";
import { describeHosts } from "../support/describe-hosts";
import { FleetBench } from "../support/fleet-bench";

const NODE = "us-west-2-0";

/** Counts the cases of a JUnit file, with a parser that is not ours. */
const COUNT_CASES = `
import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
cases = list(root.iter("testcase"))
print(root.tag, len(cases), sum(case.find("failure") is not None for case in cases), sum(case.find("skipped") is not None for case in cases))
`;

/** Runs a TAP text through Perl's own harness. */
const PARSE_TAP = 'use TAP::Parser; my $p = TAP::Parser->new({source => $ARGV[0]}); $p->run; print join(" ", $p->tests_run, scalar($p->failed), scalar($p->skipped), scalar($p->parse_errors)), "\\n"';

describeHosts("verify and debug, as typed", () => {
  const bench = new FleetBench();
  const file = (name: string): string => path.join(bench.dir, name);
  let instance: string;

  before(async () => {
    bench.fleet({ "us-west-2": 1 });
    const { outcome } = await bench.up();
    assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr);
    instance = (await bench.ids())[NODE] ?? assert.fail("no node");
  });
  after(() => bench[Symbol.asyncDispose]());

  /** With something on standard input, which the bench's own way does not have. */
  const typed = (input: string, ...args: string[]) =>
    spawnSync(process.execPath, [path.join(bench.root, "dist/automation/cli.js"), "verify", "--sandbox", "--stack", bench.stack, "--config", bench.configFile, ...args], { cwd: bench.root, env: bench.env, input, encoding: "utf8" });

  const broken = async (breaks: string, heals: string, work: () => Promise<void>): Promise<void> => {
    await bench.host(instance).run(breaks);
    try {
      await work();
    } finally {
      await bench.host(instance).run(heals);
    }
  };
  const withoutDirectory = (work: () => Promise<void>): Promise<void> => broken("mv /opt/sensor/exports /root/exports", "mv /root/exports /opt/sensor/exports", work);

  it("--one-at-a-time: shows each command, its result, and goes on, repeats, leaves out and stops as told", () => {
    const { stdout, status, stderr } = typed("\nr\n\ns\nx\nq\n", "--one-at-a-time", "--only", "D4");
    const seen = [...stdout.matchAll(/^([A-Z]\d+) /gm)].map(([, id]) => id);
    // A1; A2 twice; A3, after which A4 is left out, so that B1 is what comes next.
    assert.deepEqual(seen, ["A1", "A2", "A2", "A3", "B1"], stdout + stderr);
    assert.match(stdout, /A1 credentials valid\n {2}here: +aws sts get-caller-identity\n {2}expected: an account\n/);
    assert.match(stdout, /npx spot ssh us-west-2-0/);
    assert.equal(status, 5);
  });

  it("--one-at-a-time to the end is a verification like any other", () => {
    const { stdout, status } = typed("\n".repeat(100), "--one-at-a-time");
    assert.equal(status, 0, stdout);
    assert.match(stdout, /D2 every file of the payload\n {2}node: +cd \/opt\/uploaded_files && find/);
  });

  it("--until-first-failure stops at the cause", async () => {
    await withoutDirectory(async () => {
      const { code, report } = await bench.verify("--until-first-failure");
      assert.equal(code, 5);
      const results = report.nodes[0]!.results;
      const failed = results.findIndex(({ status }) => status === "failed");
      assert.equal(results[failed]?.id, "D4");
      assert.ok(results.slice(failed + 1).every(({ status }) => status === "skipped"));
      assert.equal(results.at(-1)?.because, `the run was stopped after D4 of ${NODE}`);
    });
  });

  it("--min-healthy, --phase and --deadline", async () => {
    await withoutDirectory(async () => {
      assert.equal((await bench.verify("--min-healthy", "0%")).code, 0);
      assert.equal((await bench.verify("--min-healthy", "50%")).code, 5);
      assert.equal((await bench.verify("--phase", "cloud,reach")).code, 0);
    });
    const { report } = await bench.verify("--deadline", "1");
    assert.ok(report.nodes[0]!.results.some(({ because }) => because === "the time for this node is over") || report.isVerified);
    for (const wrong of [["--deadline", "soon"], ["--min-healthy", "most"], ["--junit", file("nowhere/x.xml")], ["--tap", "--json"], ["--phase", "none"]]) {
      assert.equal((await bench.spot(["verify", ...wrong])).code, 2, wrong.join(" "));
    }
  });

  it("writes JUnit, TAP, JSON and a page that parsers of others understand", async () => {
    await withoutDirectory(async () => {
      const { stdout, code } = await bench.spot(["verify", "--tap", "--junit", file("v.xml"), "--report", file("v.html")]);
      assert.equal(code, 5);
      writeFileSync(file("v.tap"), stdout);
      const { report } = await bench.verify();
      const count = (status: string): number => report.nodes[0]!.results.filter((result) => result.status === status).length;
      const all = report.nodes[0]!.results.length;
      assert.equal(execFileSync("python3", ["-c", COUNT_CASES, file("v.xml")], { encoding: "utf8" }), `testsuites ${all} ${count("failed")} ${count("skipped")}\n`);
      assert.equal(execFileSync("perl", ["-e", PARSE_TAP, file("v.tap")], { encoding: "utf8" }), `${all} ${count("failed")} ${count("skipped")} 0\n`);
      assert.deepEqual(reportSchema.parse(report), report);
      assert.match(readFileSync(file("v.html"), "utf8"), /NOT VERIFIED.*\/opt\/sensor\/exports: missing/s);
    });
  });

  describe("debug", () => {
    /** Runs it in a folder of its own, and unpacks what it wrote. */
    async function bundle(word: string): Promise<{ names: string[]; read: (name: string) => string; all: string }> {
      const folder = file(`debug-${readdirSync(bench.dir).length}`);
      mkdirSync(folder);
      const command = spawnSync(process.execPath, [path.join(bench.root, "dist/automation/cli.js"), "debug", word, "--sandbox", "--stack", bench.stack, "--config", bench.configFile], { cwd: folder, env: bench.env, encoding: "utf8" });
      assert.equal(command.status, 0, command.stdout + command.stderr);
      const archive = readdirSync(folder).find((name) => name.endsWith(".tar.gz")) ?? assert.fail("no archive");
      const names = execFileSync("tar", ["-tzf", archive], { cwd: folder, encoding: "utf8" }).trim().split("\n");
      execFileSync("tar", ["-xzf", archive], { cwd: folder });
      const read = (name: string): string => readFileSync(path.join(folder, name), "utf8");
      return { names, read, all: names.map(read).join("\n") };
    }

    it("writes all that there is into one archive, the summary first, and no secret", async () => {
      const { names, read, all } = await bundle(NODE);
      assert.equal(names[0], "summary.md");
      assert.match(read("summary.md"), /^# us-west-2-0: verified\n/);
      for (const name of ["cloud/console.txt", "cloud/facts.json", "verification.json", "logs/deployment.log", "records/steps.txt", "journal/sensor.service.txt", "system/machine.txt"]) assert.ok(names.includes(name), name);
      assert.match(read("logs/deployment.log"), /STEP deployment-complete: ok/);
      assert.equal((JSON.parse(read("verification.json")) as VerificationReport["nodes"][number]).node, NODE);
      const token = /[0-9a-f]{64}/.exec(await bench.host(instance).run("grep -A1 'sys.argv' -B2 /var/lib/cloud/instance/user-data.txt; grep -oE '\"?[0-9a-f]{64}\"?' /var/lib/cloud/instance/user-data.txt"))?.[0] ?? assert.fail("no token in the user data");
      assert.ok(!all.includes(token), "the host key's token");
      assert.doesNotMatch(all, /PRIVATE KEY-----/);
    });

    it("works on a node that nobody can log in to, by its address, with what can be had", async () => {
      await broken("systemctl stop ssh", "systemctl start ssh", async () => {
        const address = (await bench.nodes())[0]?.address ?? assert.fail("no address");
        const { names, read } = await bundle(address);
        assert.deepEqual(names, ["summary.md", "cloud/facts.json", "cloud/console.txt", "verification.json"]);
        assert.match(read("summary.md"), /## B1 SSH answers: failed[\s\S]*nothing listens[\s\S]*on the way there: banner problem[\s\S]*What could not be had[\s\S]*logs\/deployment\.log/);
      });
    });
  });
});
