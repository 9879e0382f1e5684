import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseCommandLine } from "../../../cli/parse";
import type { CommandModule } from "../../../cli/runtime/command";
import { OPTIONS, type OptionName } from "../../../cli/runtime/options";
import { COMMANDS } from "../../../cli/table";
import { checks } from "../../../fleet/checks";
import { isSpotError } from "../../../fleet/errors";
import { packageRoot } from "../../../project/package-root";

const refusal = (...argv: string[]): string => {
  try {
    parseCommandLine(argv);
  } catch (error) {
    assert.ok(isSpotError(error) && error.code === "E_USAGE" && error.exitCode === 2, String(error));
    return error.message;
  }
  throw new assert.AssertionError({ message: `accepted: ${argv.join(" ")}` });
};

describe("the command line", function () {
  this.timeout(60_000);

  it("passes on what stands behind `--`, and nothing else as options", () => {
    const { positionals, rest } = parseCommandLine(["ssh", "us-west-2-0", "--sandbox", "--", "ls", "--help", "-l"]);
    assert.deepEqual([positionals, rest], [["us-west-2-0"], ["ls", "--help", "-l"]]);
    assert.match(refusal("ssh"), /`ssh` needs NODE/);
    assert.equal(parseCommandLine(["logs", "n", "-f"]).options.follow, true);
    assert.match(refusal("list", "--", "x"), /`x` is not understood/);
  });

  it("knows every command by its name and its aliases", () => {
    for (const { name, aliases, positionals } of COMMANDS) {
      for (const word of [name, ...aliases])
        assert.equal(parseCommandLine([word, ...Array<string>(positionals?.min ?? 0).fill("x")]).command.name, name);
    }
  });

  it("reads options in both spellings, and --sandbox alone as hosts", () => {
    assert.deepEqual(parseCommandLine(["up", "--sandbox", "--stack=x", "--config", "c.yaml", "--yes"]).options, {
      sandbox: "hosts",
      stack: "x",
      config: "c.yaml",
      yes: true,
      json: false,
      verbose: false,
      debug: false,
    });
    assert.equal(parseCommandLine(["up", "--sandbox=api"]).options.sandbox, "api");
  });

  it("refuses what it does not know, and says what may have been meant (L43)", () => {
    assert.match(refusal("crate"), /no command `crate` \(did you mean create\?\)/);
    assert.match(refusal("up", "--dry-run"), /`up` has no option `--dry-run`/);
    assert.match(refusal("up", "--stak", "x"), /did you mean --stack/);
    assert.match(refusal("list", "--yes"), /`list` has no option `--yes`/);
    assert.match(refusal("up", "now"), /`now` is not understood after `up`/);
    assert.match(refusal("up", "--sandbox=cloud"), /only hosts, images, api are known/);
    assert.match(refusal("up", "--stack"), /--stack needs a value/);
    assert.match(refusal("up", "--stack", "--yes"), /--stack needs a value/);
    assert.match(refusal("up", "--yes=no"), /--yes takes no value/);
    assert.match(refusal("up", "--stack", "a", "--stack", "b"), /twice/);
    for (const name of ["a b", "ä", "../x", "..", "a/../b", "a/b/c/d", "/a", "a/"])
      assert.match(refusal("up", "--stack", name), /a stack's name is letters, digits/, name);
    for (const name of ["a", "A-b_c.d", "org/project/a", "org/a"])
      assert.equal(parseCommandLine(["up", "--stack", name]).options.stack, name);
    assert.match(refusal("--yes"), /the first word must be a command/);
  });

  it("helps with every command and names each of its options", () => {
    for (const { name, options, summary } of COMMANDS) {
      const text = execFileSync(process.execPath, [path.join(packageRoot(), "dist/cli/main.js"), "help", name], {
        encoding: "utf8",
      });
      assert.ok(text.includes(summary), name);
      for (const option of options)
        assert.ok(text.includes(`--${option}`) && text.includes(OPTIONS[option].description), `${name} ${option}`);
    }
  });

  it("loads no library for help but what corrects spelling (L45)", () => {
    const script = `
      process.argv = [process.argv[0], process.argv[1], "help"];
      process.stdout.write = () => true;
      require(process.argv[1]);
      process.on("exit", () => process.stderr.write(Object.keys(require.cache).join("\\n")));`;
    const { stderr } = spawnSync(process.execPath, ["-e", script, path.join(packageRoot(), "dist/cli/main.js")], {
      encoding: "utf8",
    });
    const libraries = new Set([...stderr.matchAll(/node_modules\/((?:@[^/]+\/)?[^/\n]+)/g)].map(([, name]) => name));
    assert.ok(stderr.includes("help.js"), stderr);
    assert.deepEqual([...libraries], ["fastest-levenshtein"]);
  });

  /** Libraries that a command which needs neither AWS, the engine nor a node must not load: each costs 40 to 400 ms. */
  const HEAVY = ["@aws-sdk", "@smithy", "@pulumi", "ssh2", "node-ssh", "tar-stream"];

  for (const argv of [
    ["help"],
    ["version"],
    ["completion", "bash"],
    ["setup", "--defaults", "--config", "/nonexistent/c.yaml"],
    ["status"],
    ["list", "--cached", "--stack", "none"],
  ]) {
    it(`\`spot ${argv.join(" ")}\` loads none of the heavy libraries`, () => {
      const script = `
        const cli = process.argv[1];
        process.argv = [process.argv[0], cli, ...${JSON.stringify(argv)}];
        require(cli);
        process.on("exit", () => require("node:fs").writeSync(3, Object.keys(require.cache).join("\\n")));`;
      const { output } = spawnSync(process.execPath, ["-e", script, path.join(packageRoot(), "dist/cli/main.js")], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe", "pipe"],
        env: { ...process.env, SPOT_SANDBOX_HOME: "/nonexistent", AWS_ENDPOINT_URL: "http://127.0.0.1:1" },
      });
      const loaded = output[3] ?? "";
      assert.ok(loaded.includes("main.js"), String(output[2]));
      for (const library of HEAVY) assert.ok(!loaded.includes(`node_modules/${library}`), library);
    });
  }

  it("goes on when nobody reads any more, and ends with its own exit code", () => {
    const { stderr } = spawnSync(
      "sh",
      [
        "-c",
        `{ "${process.execPath}" dist/cli/main.js verify --list; echo "ended with $?" >&2; } | { exec <&-; sleep 1; }`,
      ],
      { cwd: packageRoot(), encoding: "utf8" },
    );
    assert.equal(stderr, "ended with 0\n");
  });

  it("says at once that the log it was asked for cannot be written", () => {
    const { stderr, status } = spawnSync(process.execPath, ["dist/cli/main.js", "up", "--log-file", packageRoot()], {
      cwd: packageRoot(),
      encoding: "utf8",
    });
    assert.equal(status, 2);
    assert.match(
      stderr,
      /^ERROR E_USAGE: the log \S+ cannot be written\n {2}cause: EISDIR.*\n {2}next: {2}Name a file with --log-file/,
    );
  });

  it("`verify --report` refuses a kind of file that it does not write, and names those that there are", () => {
    const { stderr, status } = spawnSync(
      process.execPath,
      [path.join(packageRoot(), "dist/cli/main.js"), "verify", "--report", "foo.txt", "--config", "/nowhere.yaml"],
      { encoding: "utf8" },
    );
    assert.equal(status, 2);
    assert.match(stderr, /E_USAGE: --report foo\.txt: a report is a page for a browser, FILE\.html or FILE\.htm\n/);
    assert.match(stderr, /next: .*--junit FILE writes JUnit XML, --tap and --json print theirs/);
  });

  it("`verify --list` prints the checks, and asks nobody", () => {
    const { stdout, status } = spawnSync(
      process.execPath,
      [path.join(packageRoot(), "dist/cli/main.js"), "verify", "--list"],
      { encoding: "utf8" },
    );
    assert.equal(status, 0);
    for (const { id, title } of checks)
      assert.ok(stdout.includes(` ${title} `) && new RegExp(`^${id} `, "m").test(stdout), id);
  });

  const scripts = (): Record<string, string> =>
    (JSON.parse(readFileSync(path.join(packageRoot(), "package.json"), "utf8")) as { scripts: Record<string, string> })
      .scripts;

  it("has an npm script for each command that says so in cli/table.ts, and for no other", () => {
    const wanted = COMMANDS.filter(({ script }) => script).flatMap(({ name, aliases }) => [name, ...aliases]);
    const call = "exec node dist/cli/main.js ";
    assert.deepEqual(
      Object.fromEntries(Object.entries(scripts()).filter(([, text]) => text.startsWith(call))),
      Object.fromEntries(wanted.map((word) => [word, `${call}${word}`])),
      "package.json's scripts",
    );
  });

  it("is described by an npm script wherever its examples say so", () => {
    for (const { name, examples } of COMMANDS) {
      for (const example of examples) {
        const [, script] = /npm run (?:-s )?([\w-]+)/.exec(example) ?? [];
        if (script !== undefined) assert.ok(script in scripts(), `${name}: ${example}`);
      }
    }
  });

  it("loads each command from the file of its name", async () => {
    for (const command of COMMANDS) {
      const file = path.join(packageRoot(), `dist/cli/commands/${command.name}.js`);
      const { run } = (await import(file)) as CommandModule;
      assert.equal(
        (await command.load()).run,
        run,
        `cli/table.ts loads ${command.name} from another file than ${file}`,
      );
    }
  });

  it("has no option that no command takes", () => {
    const taken = new Set(COMMANDS.flatMap(({ options }) => options));
    assert.deepEqual(
      Object.keys(OPTIONS).filter((option) => !taken.has(option as OptionName)),
      [],
      "cli/runtime/options.ts has options that no command of cli/table.ts has",
    );
  });
});
