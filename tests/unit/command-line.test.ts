import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import { parseCommandLine } from "../../automation/commands/parse";
import { COMMANDS, OPTIONS, type OptionName } from "../../automation/commands/table";
import { isSpotError } from "../../fleet/errors";
import { packageRoot } from "../../project/package-root";

const refusal = (...argv: string[]): string => {
  try {
    parseCommandLine(argv);
  } catch (error) {
    assert.ok(isSpotError(error) && error.code === "E_USAGE" && error.exitCode === 2, String(error));
    return error.message;
  }
  throw new assert.AssertionError({ message: `accepted: ${argv.join(" ")}` });
};

describe("the command line", () => {
  it("knows every command by its name and its aliases", () => {
    for (const { name, aliases } of COMMANDS) for (const word of [name, ...aliases]) assert.equal(parseCommandLine([word]).command.name, name);
  });

  it("reads options in both spellings, and --sandbox alone as hosts", () => {
    assert.deepEqual(parseCommandLine(["up", "--sandbox", "--stack=x", "--config", "c.yaml", "--yes"]).options, {
      sandbox: "hosts", stack: "x", config: "c.yaml", yes: true, json: false, verbose: false, debug: false,
    });
    assert.equal(parseCommandLine(["up", "--sandbox=api"]).options.sandbox, "api");
  });

  it("refuses what it does not know, and says what may have been meant (L43)", () => {
    assert.match(refusal("crate"), /no command `crate` \(did you mean create\?\)/);
    assert.match(refusal("up", "--dry-run"), /`up` has no option `--dry-run`/);
    assert.match(refusal("up", "--stak", "x"), /did you mean --stack/);
    assert.match(refusal("list", "--yes"), /`list` has no option `--yes`/);
    assert.match(refusal("up", "now"), /`now` is not understood after `up`/);
    assert.match(refusal("up", "--sandbox=cloud"), /only hosts and api/);
    assert.match(refusal("up", "--stack"), /--stack needs a value/);
    assert.match(refusal("up", "--stack", "--yes"), /--stack needs a value/);
    assert.match(refusal("up", "--yes=no"), /--yes takes no value/);
    assert.match(refusal("up", "--stack", "a", "--stack", "b"), /twice/);
    assert.match(refusal("--yes"), /the first word must be a command/);
  });

  it("helps with every command and names each of its options", () => {
    for (const { name, options, summary } of COMMANDS) {
      const text = execFileSync(process.execPath, [path.join(packageRoot(), "dist/automation/cli.js"), "help", name], { encoding: "utf8" });
      assert.ok(text.includes(summary), name);
      for (const option of options) assert.ok(text.includes(`--${option}`) && text.includes(OPTIONS[option as OptionName].description), `${name} ${option}`);
    }
  });

  it("loads no library for help but what corrects spelling (L45)", () => {
    const script = `
      process.argv = [process.argv[0], process.argv[1], "help"];
      process.stdout.write = () => true;
      require(process.argv[1]);
      process.on("exit", () => process.stderr.write(Object.keys(require.cache).join("\\n")));`;
    const { stderr } = spawnSync(process.execPath, ["-e", script, path.join(packageRoot(), "dist/automation/cli.js")], { encoding: "utf8" });
    const libraries = new Set([...stderr.matchAll(/node_modules\/((?:@[^/]+\/)?[^/\n]+)/g)].map(([, name]) => name));
    assert.ok(stderr.includes("help.js"), stderr);
    assert.deepEqual([...libraries], ["fastest-levenshtein"]);
  });
});
