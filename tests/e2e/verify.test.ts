import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import {
  AuthorizeSecurityGroupIngressCommand,
  DescribeSecurityGroupsCommand,
  EC2Client,
  RevokeSecurityGroupIngressCommand,
} from "@aws-sdk/client-ec2";
import { Fleet } from "../../automation";
import type { VerificationReport } from "../../automation/verify/report";
import type { CheckResult } from "../../automation/verify/result";
import { packageRoot } from "../../project/package-root";
import { pasted } from "../support/aws-stand-in";
import { hasBrowser, openPage } from "../support/browser";
import { describeHosts } from "../support/describe-hosts";
import { FleetBench, idsWith } from "../support/fleet-bench";
import { clientOf } from "../support/sandbox";
import { TestTerminal } from "../support/terminal";
import { hasXmllint, jsonFaults, junitCounts, junitFaults, tapCounts } from "../support/validators";

/** The node that is broken, and one that is not. */
const [NODE, OTHER] = ["us-west-2-0", "us-west-2-1"];

const CLI = path.join(packageRoot(), "dist/cli/main.js");

describeHosts("verify and debug, as typed", () => {
  const bench = new FleetBench();
  const file = (name: string): string => path.join(bench.dir, name);
  let instance: string;

  before(async () => {
    bench.fleet({ "us-west-2": 2 });
    const { outcome } = await bench.up();
    assert.equal(outcome.code, 0, outcome.stdout + outcome.stderr);
    instance = (await bench.ids())[NODE] ?? assert.fail("no node");
  });
  after(() => bench[Symbol.asyncDispose]());

  const place = (): string[] => ["--sandbox", "--stack", bench.stack, "--config", bench.configFile];

  /** With something on standard input, which the bench's own way does not have. */
  const typed = (input: string, ...args: string[]) =>
    spawnSync(process.execPath, [CLI, "verify", ...place(), "--node", NODE, ...args], {
      cwd: bench.root,
      env: bench.env,
      input,
      encoding: "utf8",
    });

  /** In a terminal of its own. */
  const inTerminal = (...args: string[]) =>
    new TestTerminal([process.execPath, CLI, "verify", ...place(), "--node", NODE, ...args], {
      columns: 160,
      rows: 50,
      cwd: bench.root,
      env: bench.env,
    });

  /** What was found on one node. */
  const resultsOf = ({ nodes }: VerificationReport, name = NODE): CheckResult[] =>
    nodes.find(({ node }) => node === name)?.results ?? assert.fail(name);
  const ids = (results: readonly CheckResult[]): string[] => results.map(({ id }) => id);

  const broken = async (breaks: string, heals: string, work: () => Promise<void> | void): Promise<void> => {
    await bench.host(instance).run(breaks);
    try {
      await work();
    } finally {
      await bench.host(instance).run(heals);
    }
  };
  const withoutDirectory = (work: () => Promise<void>): Promise<void> =>
    broken("mv /opt/sensor/exports /root/exports", "mv /root/exports /opt/sensor/exports", work);

  describe("--one-at-a-time", () => {
    it("shows each command, its result, and goes on, repeats, leaves out and stops as told", async () => {
      const { stdout, status, stderr } = typed("\nr\n\ns\nx\nq\n", "--one-at-a-time", "--only", "D4");
      const seen = [...stdout.matchAll(/^([A-Z]\d+) /gm)].map(([, id]) => id);
      // A1; A2 twice; A3, after which A4 is left out, so that B1 is what comes next.
      assert.deepEqual(seen, ["A1", "A2", "A2", "A3", "B1"], stdout + stderr);
      const [, command = ""] = /A1 credentials valid\n {2}here: +(.*)\n {2}expected: an account\n/.exec(stdout) ?? [];
      const { endpoint } = await bench.sandbox();
      assert.deepEqual(
        pasted(command, bench.dir),
        [{ key: "sandbox", args: ["--endpoint-url", endpoint, "sts", "get-caller-identity", "--region", "us-west-2"] }],
        "it asks the sandbox, not AWS",
      );
      assert.ok(
        stdout.includes(
          `npx spot ssh us-west-2-0 --sandbox=hosts --stack=${bench.stack} '--config=${bench.configFile}'\n`,
        ),
        stdout,
      );
      assert.equal(status, 5);
    });

    it("to the end is a verification like any other", () => {
      const { stdout, status } = typed("\n".repeat(100), "--one-at-a-time");
      assert.equal(status, 0, stdout);
      assert.match(stdout, /D2 every file of the payload\n {2}node: +sudo -n find \/opt\/uploaded_files/);
    });

    it("in a terminal, by Enter, r, s and q; what it shows as run gives on the node what it shows as found", async () => {
      using terminal = inTerminal("--one-at-a-time", "--only", "B3,C1");
      const asks = /q: quit >\s*$/;
      const answered = async (title: RegExp, ...keys: string[]): Promise<string> => {
        const screen = (await terminal.shows(new RegExp(`${title.source}[^]*${asks.source}`))).join("\n");
        terminal.type(...keys, "Enter");
        return screen;
      };
      await answered(/A1 credentials valid/);
      await answered(/A2 instance running/, "r");
      await terminal.shows(/A2 instance running[^]*A2 instance running[^]*q: quit >\s*$/);
      terminal.type("Enter");
      await answered(/A3 public address/, "s");
      await answered(/B1 SSH answers/);
      await answered(/B2 host key proven/);
      const screen = await answered(/B3 login and sudo/, "q");
      assert.equal(await terminal.ended(), 5);
      assert.match(terminal.everything(), /us-west-2-0: A4 skipped: it was left out/);
      assert.match(terminal.everything(), /7 of \d+\n *B3 login and sudo/);
      const [, command = "", actual = ""] =
        /B3 login and sudo\n {2}node: +(.*)\n[^]*? {2}actual: +(.*)\n/.exec(screen) ?? [];
      assert.equal(actual, "ubuntu", screen);
      const pasted = await bench.spot(["ssh", NODE, "--", command]);
      assert.equal(pasted.stdout, `${actual}\n`);
    });

    for (const [key, code] of [
      ["C-c", 130],
      ["C-d", 5],
    ] as const) {
      it(`ends by ${key} while it waits, with exit code ${code}`, async () => {
        using terminal = inTerminal("--one-at-a-time", "--only", "A2");
        await terminal.shows(/q: quit >\s*$/);
        terminal.type(key);
        assert.equal(await terminal.ended(), code);
      });
    }
  });

  it("--watch looks again and again, shows the change from good to bad, and ends by Ctrl-C", async () => {
    using terminal = inTerminal("--watch", "--only", "D4");
    const first = (await terminal.shows(/ in part [^]*again every \d+ s/)).join("\n");
    const momentOf = (screen: string): string => /As of (\S+Z);/.exec(screen)?.[1] ?? assert.fail(screen);
    await withoutDirectory(async () => {
      const second = await terminal.shows(/D4 application directories: FAILED[^]*exports: missing[^]*again every/);
      assert.ok(momentOf(second.join("\n")) > momentOf(first));
      assert.equal(second.filter((line) => line.startsWith("NODE ")).length, 1, "one look at a time is on the screen");
    });
    await terminal.shows(/ in part [^]*again every/);
    terminal.type("C-c");
    assert.equal(await terminal.ended(), 130);
  });

  it("--watch says that AWS throttled a look, and looks again", async () => {
    using terminal = inTerminal("--watch", "--only", "A1");
    await terminal.shows(/ in part [^]*again every/);
    // As often as one call is tried, in the fleet's region and in the one that every account has.
    await bench.control("POST", "faults", {
      action: "GetCallerIdentity",
      times: 8,
      effect: { error: { code: "Throttling", status: 400 } },
    });
    await terminal.shows(
      /ERROR: asking AWS whose credentials these are failed: Throttling[^]*the next look follows in 10 s/,
    );
    await terminal.shows(/ in part [^]*again every/);
    terminal.type("C-c");
    assert.equal(await terminal.ended(), 130);
  });

  it("--until-first-failure stops at the cause", async () => {
    await withoutDirectory(async () => {
      const { code, report } = await bench.verify("--until-first-failure");
      assert.equal(code, 5);
      const results = resultsOf(report);
      const failed = results.findIndex(({ status }) => status === "failed");
      assert.equal(results[failed]?.id, "D4");
      for (const { because } of [...results.slice(failed + 1), ...resultsOf(report, OTHER)])
        assert.equal(because, `the run was stopped after D4 of ${NODE}`);
    });
  });

  it("--only, --phase and --node choose, with what the chosen checks need", async () => {
    const { report } = await bench.verify("--only", "D2,e*", "--node", "*-1");
    assert.deepEqual(
      report.nodes.map(({ node }) => node),
      [OTHER],
    );
    assert.deepEqual(ids(resultsOf(report, OTHER)), [
      "A1",
      "A2",
      "A3",
      "A4",
      "B1",
      "B2",
      "B3",
      "C1",
      "D1",
      "D2",
      "E2",
      "E1",
      "E3",
      "E4",
      "E5",
    ]);
    const { report: phases } = await bench.verify("--phase", "cloud,reach");
    assert.deepEqual(ids(resultsOf(phases)), [
      ...[1, 2, 3, 4, 5, 6].map((n) => `A${n}`),
      ...[1, 2, 3, 4, 6, 7].map((n) => `B${n}`),
      ...["C1", "D1", "E2", "B5"],
    ]);
    assert.equal(phases.nodes.length, 2);
  });

  it("the library chooses alike", async () => {
    const fleet = new Fleet({
      config: bench.configFile,
      sandbox: "hosts",
      stack: bench.stack,
      env: bench.env,
      reporter: { emit: () => undefined, confirm: () => Promise.resolve(false) },
    });
    const { nodes } = await fleet.verify({ only: "B3", nodes: OTHER });
    assert.deepEqual(
      nodes.map(({ node, results }) => [node, ids(results)]),
      [[OTHER, ["A1", "A2", "A3", "A4", "B1", "B2", "B3"]]],
    );
  });

  it("--min-healthy says how many nodes are enough", async () => {
    await withoutDirectory(async () => {
      const codes: Record<string, number | null> = {};
      for (const share of ["50%", "51%", "1", "2"])
        codes[share] = (await bench.verify("--only", "D4", "--min-healthy", share)).code;
      assert.deepEqual(codes, { "50%": 0, "51%": 5, 1: 0, 2: 5 });
      assert.equal((await bench.verify("--phase", "cloud,reach")).code, 0, "what was not asked for fails nothing");
    });
  });

  it("--deadline ends the wait for a node that does not answer", async () => {
    await broken("systemctl kill -s STOP ssh.service", "systemctl kill -s CONT ssh.service", async () => {
      const { code, report } = await bench.verify("--deadline", "2", "--node", NODE);
      assert.equal(code, 5);
      const results = resultsOf(report);
      assert.deepEqual(idsWith("failed", report.nodes[0]!), [], "that it takes longer is no fault of the node's");
      assert.match(results.find(({ id }) => id === "B1")?.because ?? "", /^not finished in time: the node had 2 s/);
      assert.equal(report.isWhole, false);
    });
  });

  for (const wrong of [
    ["--only", "Z9"],
    ["--only", "D2,Z*"],
    ["--only", ","],
    ["--phase", "none"],
    ["--phase", "cloud", "--only", "D2"],
    ["--node", "nowhere"],
    ["--deadline", "soon"],
    ["--deadline", "0"],
    ["--deadline=-1"],
    ["--deadline", "1.5"],
    ["--deadline", "1e3"],
    ["--min-healthy", "most"],
    ["--min-healthy", "101%"],
    ["--min-healthy=-1"],
    ["--junit", "/nowhere/x.xml"],
    ["--report", "/nowhere/x.html"],
    ["--report", "/"],
    ["--report", "foo.txt"],
    ["--min-healthy", "3"],
    ["--tap", "--json"],
    ["--one-at-a-time", "--watch"],
    ["--one-at-a-time", "--json"],
    ["--watch", "--tap"],
    ["--one-at-a-time", "--until-first-failure"],
    ["--list", "--watch"],
  ]) {
    it(`refuses ${wrong.join(" ")}`, async () => {
      const { code, stdout, stderr } = await bench.spot(["verify", ...wrong]);
      assert.equal(code, 2, stdout + stderr);
      assert.match(stdout + stderr, /E_USAGE/);
      assert.match(stdout + stderr, /next(:|":) *\S/);
    });
  }

  it("--quiet says nothing but the result", async () => {
    const loud = await bench.spot(["verify", "--verbose"]);
    assert.match(loud.stderr, /DEBUG: A1 credentials valid: ok/);
    const quiet = await bench.spot(["verify", "--quiet"]);
    assert.equal(quiet.stderr, "");
    assert.match(quiet.stdout, /VERIFIED/);
  });

  it("writes JUnit, TAP, JSON and a page that others understand, and keeps the last one", async () => {
    await withoutDirectory(async () => {
      const { stdout, code } = await bench.spot([
        "verify",
        "--node",
        NODE,
        "--tap",
        "--junit",
        file("v.xml"),
        "--report",
        file("v.html"),
      ]);
      assert.equal(code, 5);
      writeFileSync(file("v.tap"), stdout);
      const { report } = await bench.verify("--node", NODE);
      writeFileSync(file("v.json"), JSON.stringify(report));
      const results = resultsOf(report);
      const count = (status: string): number => results.filter((result) => result.status === status).length;
      const counts = { all: results.length, failed: count("failed"), skipped: count("skipped") };
      assert.deepEqual(junitCounts(file("v.xml")), counts);
      assert.deepEqual(tapCounts(file("v.tap")), counts);
      assert.equal(await jsonFaults(file("v.json")), "");
      if (hasXmllint()) assert.equal(junitFaults(file("v.xml")), "");
      assert.match(readFileSync(file("v.html"), "utf8"), /NOT VERIFIED.*\/opt\/sensor\/exports: missing/s);
      const told = async () => (await bench.start(["status", "--sandbox", "--json"], { plain: true }).done).stdout;
      const before = await told();
      const part = await bench.spot(["verify", "--only", "B1"]);
      assert.match(part.stdout, /^PARTIAL: what was looked at holds on 2 nodes\. Not looked at: \d+ of \d+ checks\.$/m);
      const of = (text: string): unknown => (JSON.parse(text) as { verification: unknown }).verification;
      assert.deepEqual(of(await told()), of(before), "a part takes the place of nothing");
      const { verification } = JSON.parse(
        (await bench.start(["status", "--sandbox", "--json"], { plain: true }).done).stdout,
      ) as { verification: { at: string; report: string } };
      assert.equal(verification.at, report.at);
      assert.match(readFileSync(verification.report, "utf8"), /\/opt\/sensor\/exports: missing/);
    });
  });

  describe("when AWS does not say what became of the nodes", () => {
    const words = "You are not authorized to perform: ec2:DescribeInstances";
    const live = async (): Promise<(string | undefined)[]> =>
      (await bench.live()).instances.map(({ InstanceId }) => InstanceId).sort();
    let standing: (string | undefined)[];

    before(async () => (standing = await live()));
    beforeEach(() =>
      bench.control("POST", "faults", [
        {
          action: "DescribeInstances",
          region: "us-west-2",
          times: 999,
          effect: { error: { code: "UnauthorizedOperation", message: words, status: 403 } },
        },
      ]),
    );
    afterEach(() => bench.control("DELETE", "faults"));

    it("`verify` proves of them what it can, calls them unknown, says why and what to do, and ends with 4", async () => {
      const { code, stdout, stderr } = await bench.spot(["verify"]);
      assert.equal(code, 4, stdout + stderr);
      assert.match(
        stdout,
        /^us-west-2-0 A2, A3, A4, A5, A6: UNKNOWN\n[^]*cause: .*You are not authorized to perform: ec2:DescribeInstances\n +next: .*Allow the action named/m,
      );
      assert.match(stdout, /^NOT VERIFIED: 0 of 2 nodes verified, 2 unknown/m);
      const { report } = await bench.verify();
      for (const node of report.nodes) {
        assert.deepEqual(
          { unknown: idsWith("unknown", node), failed: idsWith("failed", node), skipped: idsWith("skipped", node) },
          { unknown: ["A2", "A3", "A4", "A5", "A6"], failed: [], skipped: [] },
          node.node,
        );
        assert.deepEqual(
          idsWith("ok", node)
            .filter((id) => id.startsWith("B"))
            .slice(0, 3),
          ["B1", "B2", "B3"],
          "by the address that is recorded",
        );
      }
      writeFileSync(file("unknown.json"), JSON.stringify(report));
      assert.equal(await jsonFaults(file("unknown.json")), "");
    });

    it("`repair` ends none of them, says so of each, and ends with 4", async () => {
      const { code, stdout, stderr } = await bench.spot(["repair"]);
      await bench.control("DELETE", "faults");
      assert.deepEqual(await live(), standing, stdout + stderr);
      assert.equal(code, 4, stdout + stderr);
      for (const name of [NODE, OTHER])
        assert.match(stderr, new RegExp(`\\[${name}\\] WARNING: it is not replaced: it is unknown whether it passes`));
      assert.match(stdout, /^NOT VERIFIED: 0 of 2 nodes verified, 2 unknown/m);
    });
  });

  it("the page of a real fleet fits a phone, and complains of nothing", async function () {
    if (!hasBrowser()) this.skip();
    await bench.spot(["verify", "--report", file("fleet.html")]);
    await using page = await openPage(pathToFileURL(file("fleet.html")).href);
    await page.resize(360, 740);
    await page.evaluate(
      "document.querySelectorAll('input[name=status]').forEach((box) => { if (!box.checked) box.click(); }); document.querySelectorAll('details').forEach((details) => { details.open = true; })",
    );
    assert.deepEqual(
      await page.evaluate(
        "[...document.querySelectorAll('body *')].filter((element) => !element.closest('.wide') && element.getBoundingClientRect().right > 361).map((element) => element.outerHTML.slice(0, 80))",
      ),
      [],
    );
    assert.ok((await page.evaluate<number>("document.querySelectorAll('.bar').length")) > 20, "the timeline");
    assert.deepEqual(page.problems, []);
  });

  describe("debug", () => {
    /** Runs it in a folder of its own, and unpacks what it wrote. */
    function bundle(word: string): { names: string[]; read: (name: string) => string; all: string } {
      const folder = file(`debug-${readdirSync(bench.dir).length}`);
      mkdirSync(folder);
      const command = spawnSync(process.execPath, [CLI, "debug", word, ...place()], {
        cwd: folder,
        env: bench.env,
        encoding: "utf8",
      });
      assert.equal(command.status, 0, command.stdout + command.stderr);
      const archive = readdirSync(folder).find((name) => name.endsWith(".tar.gz")) ?? assert.fail("no archive");
      const names = execFileSync("tar", ["-tzf", archive], { cwd: folder, encoding: "utf8" }).trim().split("\n");
      execFileSync("tar", ["-xzf", archive], { cwd: folder });
      const read = (name: string): string => readFileSync(path.join(folder, name), "utf8");
      return { names, read, all: names.map(read).join("\n") };
    }

    it("writes all that there is into one archive, the summary first, and no secret", async () => {
      const { names, read, all } = bundle(NODE);
      assert.equal(names[0], "summary.md");
      assert.match(read("summary.md"), /^# us-west-2-0: verified\n/);
      for (const name of [
        "cloud/console.txt",
        "cloud/facts.json",
        "verification.json",
        "logs/deployment.log",
        "records/steps.txt",
        "journal/sensor.service.txt",
        "system/machine.txt",
      ])
        assert.ok(names.includes(name), name);
      assert.match(read("logs/deployment.log"), /STEP deployment-complete: ok/);
      assert.equal((JSON.parse(read("verification.json")) as VerificationReport["nodes"][number]).node, NODE);
      const token =
        /[0-9a-f]{64}/.exec(
          await bench
            .host(instance)
            .run(
              "grep -A1 'sys.argv' -B2 /var/lib/cloud/instance/user-data.txt; grep -oE '\"?[0-9a-f]{64}\"?' /var/lib/cloud/instance/user-data.txt",
            ),
        )?.[0] ?? assert.fail("no token in the user data");
      assert.ok(!all.includes(token), "the host key's token");
      assert.doesNotMatch(all, /PRIVATE KEY-----/);
    });

    it("masks what looks like a secret, wherever a program wrote it", async () => {
      await broken(
        "cp -p /opt/startup.log /root/kept && echo 'password=hunter22 Authorization: Bearer abc.def.ghi' >> /opt/startup.log",
        "cat /root/kept > /opt/startup.log && rm /root/kept",
        () => {
          const { read, all } = bundle(NODE);
          assert.match(read("logs/startup.log"), /password=\*\*\* Authorization: Bearer \*\*\*/);
          assert.doesNotMatch(all, /hunter22|abc\.def\.ghi/);
        },
      );
    });

    it("collects from a node whose checks fail before the login, as long as one can log in", async () => {
      const ec2 = new EC2Client(clientOf(await bench.sandbox(), "us-west-2"));
      const { lineage } = JSON.parse((await bench.spot(["list", "--json"])).stdout) as { lineage: string };
      const { SecurityGroups } = await ec2.send(
        new DescribeSecurityGroupsCommand({ Filters: [{ Name: "tag:spot-deployer:lineage", Values: [lineage] }] }),
      );
      const opened = {
        GroupId: SecurityGroups?.[0]?.GroupId,
        IpPermissions: [{ IpProtocol: "tcp", FromPort: 80, ToPort: 80, IpRanges: [{ CidrIp: "0.0.0.0/0" }] }],
      };
      await ec2.send(new AuthorizeSecurityGroupIngressCommand(opened));
      try {
        const { read } = bundle(NODE);
        assert.match(read("summary.md"), /## A4 [\s\S]*admits tcp 80-80/);
        assert.doesNotMatch(read("summary.md"), /Skipped/);
        assert.match(read("logs/deployment.log"), /STEP deployment-complete: ok/);
      } finally {
        await ec2.send(new RevokeSecurityGroupIngressCommand(opened));
        ec2.destroy();
      }
    });

    it("collects what needs no sudo from a node that refuses it", async () => {
      await broken(
        "mv /etc/sudoers.d/90-cloud-init-users /root/kept",
        "mv /root/kept /etc/sudoers.d/90-cloud-init-users",
        () => {
          const { names, read } = bundle(NODE);
          assert.ok(names.includes("system/machine.txt") && names.includes("cloud-init/status.json"), names.join(" "));
          assert.match(
            read("summary.md"),
            /## B3 login and sudo: failed[\s\S]*What could not be had[\s\S]*logs\/deployment\.log: sudo: a password is required/,
          );
        },
      );
    });

    it("works on a node that nobody can log in to, by its address, with what can be had", async () => {
      await broken("systemctl stop ssh", "systemctl start ssh", async () => {
        const address = (await bench.nodes()).find(({ name }) => name === NODE)?.address ?? assert.fail("no address");
        const { names, read } = bundle(address);
        assert.deepEqual(names, ["summary.md", "cloud/facts.json", "cloud/console.txt", "verification.json"]);
        assert.match(
          read("summary.md"),
          /## B1 SSH answers: failed[\s\S]*nothing listens[\s\S]*on the way there: banner problem[\s\S]*What could not be had[\s\S]*logs\/deployment\.log/,
        );
      });
    });
  });
});
