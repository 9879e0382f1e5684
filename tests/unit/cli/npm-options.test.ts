import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { parseCommandLine } from "../../../cli/parse";
import { OPTIONS, type OptionDefinition } from "../../../cli/runtime/options";
import { isSpotError, type SpotError } from "../../../fleet/errors";
import { packageRoot } from "../../../project/package-root";

/** What npm 11 puts into the environment of `npm run down` by itself, as far as it looks like an option. */
const USUAL = {
  npm_lifecycle_event: "down",
  npm_command: "run",
  npm_config_yes: "",
  npm_config_prefix: "/usr",
  npm_config_userconfig: "/root/.npmrc",
  npm_config_noproxy: "",
  npm_config_node_gyp: "/usr/lib/node-gyp.js",
  npm_config_nodedir: "/usr",
  npm_config_loglevel: "notice",
};

const refused = (argv: string[], kept: NodeJS.ProcessEnv): SpotError => {
  try {
    parseCommandLine(argv, { ...USUAL, npm_lifecycle_event: argv[0], ...kept });
  } catch (error) {
    assert.ok(isSpotError(error) && error.code === "E_USAGE" && error.exitCode === 2, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: `accepted: ${argv.join(" ")} with ${JSON.stringify(kept)}` });
};

const accepted = (argv: string[], env: NodeJS.ProcessEnv): string =>
  parseCommandLine(argv, { ...USUAL, ...env }).command.name;

describe("options that npm kept for itself", () => {
  it("are refused, with the right spelling", () => {
    const { message, next } = refused(["down"], { npm_config_dry_run: "true" });
    assert.equal(message, "npm kept `--dry-run` for itself: `down` would run without it");
    assert.equal(next, "Nothing was done. npm passes on what stands behind `--`: `npm run down -- --dry-run`.");
    assert.match(
      refused(["down", "--sandbox", "--yes"], { npm_config_dry_run: "true" }).next,
      /`npm run down -- --dry-run --sandbox --yes`/,
    );
    assert.match(refused(["up"], { npm_config_sandbox: "true" }).next, /`npm run up -- --sandbox`/);
    assert.match(
      refused(["up"], { npm_config_sandbox: "api", npm_config_stack: "a" }).next,
      /`npm run up -- --sandbox=api --stack a`/,
    );
    assert.match(
      refused(["up"], { npm_config_sandbox: "api", npm_config_stack: "a" }).message,
      /`--sandbox=api` and `--stack a` for itself: `up` would run without them/,
    );
    assert.match(
      refused(["exec", "--", "rm", "-r", "a b"], { npm_config_node: "us-west-2-*" }).next,
      /`npm run exec -- --node 'us-west-2-\*' -- rm -r 'a b'`/,
    );
  });

  it("are refused when their value came as a word of its own", () => {
    assert.match(
      refused(["down", "us-west-2"], { npm_config_region: "true" }).next,
      /`npm run down -- --region us-west-2`/,
    );
    assert.match(
      refused(["list", "us-west-2"], { npm_config_region: "true" }).next,
      /`npm run list -- --region us-west-2`/,
    );
    assert.match(refused(["up", "api"], { npm_config_sandbox: "true" }).next, /`npm run up -- --sandbox=api`/);
    assert.match(
      refused(["down", "us-west-2-0"], { npm_config_sandbox: "true" }).next,
      /`npm run down -- --sandbox us-west-2-0`/,
    );
    assert.match(
      refused(["ssh", "a", "us-west-2-0"], { npm_config_stack: "true" }).next,
      /`npm run ssh -- --stack NAME a us-west-2-0`/,
    );
  });

  it("are refused when npm 10 completed them to an option of its own", () => {
    assert.match(
      refused(["exec", "--", "uptime"], { npm_config_node_options: "us-west-2-0" }).next,
      /`npm run exec -- --node us-west-2-0 -- uptime`/,
    );
    assert.equal(accepted(["exec", "--", "uptime"], { npm_config_node_options: "--max-old-space-size=4096" }), "exec");
  });

  it("are refused where the command has no such option", () => {
    const { message, next } = refused(["up"], { npm_config_dry_run: "true" });
    assert.equal(message, "`up` has no option `--dry-run`, and npm kept it for itself");
    assert.equal(next, "Nothing was done. Run `spot help up`.");
  });

  it("are spelt for `npx` where the script has another name than the command", () => {
    for (const npm_lifecycle_event of ["spot", "npx", "deploy"]) {
      assert.match(
        refused(["down"], { npm_lifecycle_event, npm_config_dry_run: "true" }).next,
        /Nothing was done\. Type `npx spot down --dry-run`\.$/,
      );
    }
  });

  it("are accepted where the command line has them, too", () => {
    assert.equal(accepted(["down", "--dry-run"], { npm_config_dry_run: "true" }), "down");
    assert.equal(accepted(["up", "--sandbox=api"], { npm_config_sandbox: "true" }), "up");
    assert.match(
      refused(["down", "--dry-run"], { npm_config_dry_run: "true", npm_config_sandbox: "true" }).message,
      /`--sandbox`/,
    );
  });

  it("are only those that say where and on what a command acts", () => {
    const decisive = Object.entries<OptionDefinition>(OPTIONS).flatMap(([name, option]) =>
      option.decisive ? [name] : [],
    );
    assert.deepEqual(decisive, [
      "sandbox",
      "config",
      "stack",
      "profile",
      "legacy",
      "vpc",
      "node",
      "region",
      "all-regions",
      "dry-run",
      "fleet-id",
      "end",
      "release",
    ]);
    assert.equal(
      accepted(["up"], {
        npm_config_yes: "true",
        npm_config_json: "true",
        npm_config_verbose: "true",
        npm_config_loglevel: "silent",
        npm_config_quiet: "true",
      }),
      "up",
    );
  });

  it("are none where npm was told the opposite, was not asked, or nothing is acted on", () => {
    for (const no of ["", "false"])
      assert.equal(accepted(["down"], { npm_config_dry_run: no, npm_config_sandbox: no }), "down");
    assert.equal(parseCommandLine(["down"], { npm_config_dry_run: "true" }).command.name, "down");
    for (const command of ["help", "version", "--version"])
      assert.match(accepted([command], { npm_config_sandbox: "true" }), /help|version/);
    assert.equal(accepted(["down", "--help"], { npm_config_dry_run: "true" }), "help");
  });

  it("are seen behind the npm of this machine", function () {
    this.timeout(60_000);
    const run = (...args: string[]) =>
      spawnSync("npm", ["run", ...args], {
        cwd: packageRoot(),
        encoding: "utf8",
        env: {
          ...process.env,
          SPOT_SANDBOX_HOME: path.join(packageRoot(), "nonexistent"),
          AWS_ENDPOINT_URL: "http://127.0.0.1:1",
        },
      });
    const { status, stdout, stderr } = run("-s", "status", "--sandbox=api");
    assert.equal(status, 2, stdout + stderr);
    assert.match(stderr, /ERROR E_USAGE: npm kept `--sandbox=api` for itself[^]*`npm run status -- --sandbox=api`/);
    assert.equal(run("-s", "spot", "--sandbox", "--", "version").status, 0);
  });
});
