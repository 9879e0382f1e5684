import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { packageRoot } from "../../../project/package-root";
import { until } from "../../support/sandbox";

interface Suite {
  name: string;
  booted?: boolean;
}
interface Job {
  suite: Suite;
  title: string;
  node?: string;
  files?: string[];
  python?: string;
  pattern?: string;
  grep?: string;
}
interface Choice {
  suites: Suite[];
  jobs: () => Job[];
}
interface Result {
  passed: number;
  failed: number;
  skipped: number;
  said: string[];
  output: string;
}

/** tools/ is plain JavaScript, for it runs before anything is built. */
const tool = async <T>(name: string): Promise<T> =>
  ((await import(path.join(packageRoot(), "tools/test", name))) as { default: T }).default;
const suites = () => tool<{ chosen: (args: string[]) => Choice }>("suites.js");
const runner = () => tool<{ runJob(job: Job, stop: AbortSignal): Promise<Result> }>("run-job.js");
const schedule = () =>
  tool<{
    runAll: (
      jobs: Job[],
      work: (job: Job) => Promise<void>,
      stop: AbortSignal,
      limits: { computing: number; booted: number; together: number },
    ) => Promise<void>;
  }>("schedule.js");

describe("the test command", function () {
  this.timeout(60_000);
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "spot-runner-"))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const run = async (
    text: string,
    { stop = new AbortController().signal, node = process.execPath } = {},
  ): Promise<Result> => {
    const file = path.join(dir, "some.test.js");
    writeFileSync(file, text);
    return (await runner()).runJob({ suite: { name: "some" }, title: "some: file", node, files: [file] }, stop);
  };

  it("runs every test file that there is, in one suite each", async () => {
    const { chosen } = await suites();
    const run = chosen(["--all", "images"])
      .jobs()
      .flatMap(({ files }) => files ?? [])
      .map((file) => path.relative(path.join(packageRoot(), "dist/tests"), file));
    const there = readdirSync(path.join(packageRoot(), "tests"), { recursive: true, encoding: "utf8" }).filter((file) =>
      file.endsWith(".test.ts"),
    );
    assert.deepEqual(run.sort(), there.map((file) => file.replace(/\.ts$/, ".js")).sort());
  });

  it("leaves to --rest exactly what it does not run itself, of what --all runs", async () => {
    const { chosen } = await suites();
    const names = (...args: string[]) => chosen(args).suites.map(({ name }) => name);
    assert.deepEqual([...names(), ...names("--rest")].sort(), names("--all").sort());
    assert.throws(() => chosen(["units"]), /no suite units; suites: unit, /);
  });

  it("runs a single test by the path of its source, in its suite", async () => {
    const { chosen } = await suites();
    for (const [source, suite] of [
      ["tests/unit/tools/test-runner.test.ts", "unit"],
      [path.join(packageRoot(), "tests/integration/provider.test.ts"), "integration"],
      ["./tests/integration/options.test.ts", "thorough"],
      ["tests/e2e/node.test.ts", "e2e"],
    ] as const) {
      const { suites, jobs } = chosen([source]);
      assert.deepEqual(
        suites.map(({ name }) => name),
        [suite],
      );
      assert.equal(jobs().length, 1);
      const compiled = path.relative(path.join(packageRoot(), "dist"), jobs()[0]!.files![0]!);
      assert.ok(source.endsWith(compiled.replace(/js$/, "ts")), compiled);
    }
    const [script] = chosen(["tests/instance/test_node.py", "-g", "root"]).jobs();
    assert.deepEqual([script?.python, script?.pattern, script?.grep], ["tests/instance", "test_node.py", "root"]);
  });

  for (const [what, args, said] of [
    ["what does not exist", ["tests/unit/none.test.ts"], /^tests\/unit\/none\.test\.ts: there is no such file/],
    ["what is no test", ["tests/support/workbench.ts"], /^tests\/support\/workbench\.ts is not a test; .*such as/],
    ["a source of the program", ["cli/main.ts"], /is not a test/],
    ["a folder", ["tests/unit/"], /is not a test/],
    ["what is compiled", ["dist/tests/unit/tools/docs.test.js"], /is not a test; name one by the path of its source/],
    ["a file beside a suite", ["tests/unit/tools/docs.test.ts", "unit"], /^unit: there is no such file/],
    ["-g without words", ["unit", "-g"], /-g needs words/],
  ] as [string, string[], RegExp][]) {
    it(`refuses ${what}, and says what a test is`, async () => {
      const { chosen } = await suites();
      assert.throws(() => chosen(args), { message: said });
    });
  }

  it("runs of a file the tests in whose title the words stand, as they are written", async () => {
    const text = `it("a (b)", () => undefined); it("a b", () => undefined);`;
    const file = path.join(dir, "some.test.js");
    writeFileSync(file, text);
    const job = { suite: { name: "some" }, title: "some", node: process.execPath, files: [file], grep: "a (b)" };
    assert.equal((await (await runner()).runJob(job, new AbortController().signal)).passed, 1);
    const script = {
      suite: { name: "instance" },
      title: "instance",
      python: "tests/instance",
      pattern: "test_node.py",
    };
    const all = await (await runner()).runJob(script, new AbortController().signal);
    const some = await (await runner()).runJob({ ...script, grep: "json_object" }, new AbortController().signal);
    assert.ok(some.passed > 0 && some.passed < all.passed, some.output);
  });

  it("runs a file on the Node that it is given, which its own processes find too", async () => {
    const node = path.join(dir, "node");
    symlinkSync(process.execPath, node);
    const { passed, output } = await run(
      `it("finds", () => console.log("node:", process.argv0, require("node:child_process").execFileSync("sh", ["-c", "command -v node"], { encoding: "utf8" })))`,
      { node },
    );
    assert.equal(passed, 1, output);
    assert.ok(output.includes(`node: ${node} ${node}\n`), output);
  });

  it("counts, and tells each failure with what caused it", async () => {
    const { passed, failed, skipped, said, output } = await run(`
      describe("a thing", () => {
        it("works", () => undefined);
        it("waits");
        it("fails", () => { throw new Error("no", { cause: "the disk is full" }); });
        it("throws what is no error", () => { throw undefined; });
      });`);
    assert.deepEqual([passed, failed, skipped], [1, 2, 1]);
    assert.equal(said[0], "a thing fails\n    no\n    cause: the disk is full");
    assert.match(said[1] ?? "", /^a thing throws what is no error\n/);
    assert.match(output, /✔ works/);
  });

  for (const [how, text, said] of [
    ["ends in the middle", 'it("ends", () => process.exit(0));', /some: file broke off \(exit code 0\)/],
    [
      "is killed",
      'it("ends", () => process.kill(process.pid, "SIGKILL"));',
      /some: file broke off \(ended by SIGKILL\)/,
    ],
    ["cannot be loaded", 'require("./nothing");', /some: file broke off \(exit code 1\)[^]*nothing/],
  ] as const) {
    it(`takes a file that ${how} for a failure`, async () => {
      const result = await run(text);
      assert.deepEqual([result.passed, result.failed], [0, 1]);
      assert.match(result.said.join(), said);
    });
  }

  it("begins jobs in their order, as many of each kind and together as have a place", async () => {
    const { runAll } = await schedule();
    const jobs = ["a", "B", "C", "D", "b", "c"].map(
      (title): Job => ({ title, suite: { name: "some", booted: title !== title.toLowerCase() } }),
    );
    const under = new Map<string, () => void>();
    const begun: string[] = [];
    const all = runAll(
      jobs,
      ({ title }) => {
        begun.push(title);
        return new Promise((resolve) => under.set(title, resolve));
      },
      new AbortController().signal,
      { computing: 2, booted: 2, together: 3 },
    );
    const end = async (title: string) => {
      under.get(title)!();
      await new Promise(setImmediate);
    };
    assert.deepEqual(begun, ["a", "B", "C"], "no more together");
    await end("a");
    assert.deepEqual(begun, ["a", "B", "C", "b"], "no third of a kind");
    await end("B");
    assert.deepEqual(begun, ["a", "B", "C", "b", "D"]);
    await end("b");
    assert.deepEqual(begun, ["a", "B", "C", "b", "D", "c"]);
    for (const title of ["C", "D", "c"]) await end(title);
    await all;
  });

  it("begins nothing more when it is stopped, and waits for what is under way", async () => {
    const { runAll } = await schedule();
    const stop = new AbortController();
    const begun: string[] = [];
    await runAll(
      ["a", "b"].map((title) => ({ title, suite: { name: "some" } })),
      ({ title }) => {
        begun.push(title);
        stop.abort();
        return Promise.resolve();
      },
      stop.signal,
      { computing: 1, booted: 1, together: 1 },
    );
    assert.deepEqual(begun, ["a"]);
  });

  it("when interrupted, ends after the test that is under way, with its clean-up", async () => {
    const trace = path.join(dir, "trace");
    const stop = new AbortController();
    const result = run(
      `const { appendFileSync } = require("node:fs");
       const note = (word) => appendFileSync(${JSON.stringify(trace)}, word + " ");
       afterEach(() => note("cleaned"));
       after(() => note("left"));
       it("is under way", async () => { note("begun"); await new Promise((resolve) => process.on("message", resolve)); note("done"); });
       it("is not begun", () => note("never"));`,
      { stop: stop.signal },
    );
    await until("the first test began", () => existsSync(trace), 50_000);
    stop.abort();
    await result;
    assert.equal(readFileSync(trace, "utf8"), "begun done cleaned left ");
  });
});
