import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { mistakes } from "../support/mistakes";
import { FIRST_RUN_MS } from "../support/sandbox";
import { Workbench } from "../support/workbench";

/** A text with `…` for anything. */
const pattern = (text: string): RegExp =>
  new RegExp(
    text
      .split("…")
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join("[^\\n]*"),
  );

describe("natural mistakes (docs/troubleshooting.md)", function () {
  this.timeout(FIRST_RUN_MS);
  let bench: Workbench;
  const documented = readFileSync(path.join(packageRoot(), "docs/troubleshooting.md"), "utf8");
  before(() => {
    bench = new Workbench();
    spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", path.join(bench.dir, "key")]);
    spawnSync("chmod", ["644", path.join(bench.dir, "key")]);
    symlinkSync("/mnt/nas/fleet", path.join(bench.dir, "share"));
  });
  after(() => bench[Symbol.asyncDispose]());

  it("are at least twenty", () => assert.ok(mistakes.length >= 20));

  for (const { what, config, args, stack, env, message, next } of mistakes) {
    it(`${what}: says what is wrong and what to do`, async () => {
      bench.config();
      if (config !== undefined) writeFileSync(bench.configFile, config);
      const [name, ...rest] = args;
      const file =
        rest.includes("--config") || name === "crate" || env?.npm_lifecycle_event !== undefined
          ? []
          : ["--config", bench.configFile];
      // A reading command starts no sandbox: there must be one.
      if (name === "ssh") await bench.begin();
      const outcome = await (stack
        ? bench.start([name!, ...rest])
        : bench.start([name!, ...file, ...rest], { plain: true, env })
      ).done;
      assert.notEqual(outcome.code, 0);
      assert.match(outcome.stderr, pattern(message));
      assert.match(outcome.stderr, pattern(next));
      assert.doesNotMatch(outcome.stderr, /\n\s+at /, "no stack trace");
      for (const text of [what, message, next])
        assert.ok(documented.includes(text), `docs/troubleshooting.md lacks: ${text}`);
    });
  }
});
