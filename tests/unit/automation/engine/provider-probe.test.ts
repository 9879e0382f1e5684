import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { probeProvider } from "../../../../automation/engine/provider-probe";
import { packageRoot } from "../../../../project/package-root";
import { until } from "../../../support/sandbox";

describe("a provider that is looked at before the engine runs", () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(path.join(os.tmpdir(), "spot-probe-"))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const LIBRARY = path.join(packageRoot(), "node_modules/@pulumi/pulumi/provider");
  const VERSION = "7.48.0";
  const fake = (...lines: string[]): string => {
    const file = path.join(dir, "pulumi-resource-aws");
    writeFileSync(file, lines.join("\n"));
    chmodSync(file, 0o755);
    return file;
  };
  /** A real one, of the SDK's own making. */
  const provider = (...lines: string[]): string => {
    const script = path.join(dir, "provider.js");
    writeFileSync(
      script,
      `require(${JSON.stringify(LIBRARY)}).main({ version: "${VERSION}" }, process.argv.slice(2));`,
    );
    return fake("#!/bin/sh", ...lines, `exec '${process.execPath}' '${script}' "$@"`, "");
  };
  const probe = (file: string, version: string, more: { signal?: AbortSignal; timeoutMs?: number } = {}) =>
    probeProvider({ file, version }, { env: process.env, memoFile: path.join(dir, "memo.json"), ...more });

  it("is taken for what it says it is", async () => {
    await probe(provider(), VERSION);
    await assert.rejects(probe(provider(), "6.83.0"), /says that it is version 7\.48\.0; what is needed is 6\.83\.0$/);
  });

  it("is asked directly where the user's settings name a proxy", async () => {
    const { https_proxy: before } = process.env;
    process.env.https_proxy = "http://127.0.0.1:9";
    try {
      await probe(provider(), VERSION);
    } finally {
      if (before === undefined) delete process.env.https_proxy;
      else process.env.https_proxy = before;
    }
  });

  for (const [what, lines, words] of [
    [
      "ends at once",
      ["#!/bin/sh", "echo 'GLIBC_2.99 not found' >&2", "exit 1"],
      /ended \(exit code 1\) before it could be asked: GLIBC_2\.99 not found$/,
    ],
    ["is no program", ["\u007fELF, but not really"], /cannot be started: |ended \(exit code/],
    [
      "prints something else than its port",
      ["#!/bin/sh", "echo hello", "exec sleep 3600"],
      /is no provider: it printed "hello" in place of its port/,
    ],
    ["answers with another protocol", ["#!/bin/sh", "echo 1", "exec sleep 3600"], /does not answer as a provider: /],
  ] as [string, string[], RegExp][])
    it(`is refused when it ${what}`, async () => {
      await assert.rejects(probe(fake(...lines), VERSION), words);
    });

  const silent = ["#!/bin/sh", 'echo $$ > "$(dirname "$0")/pid"', "sleep 3600"];
  const isGone = (): boolean => !existsSync(`/proc/${readFileSync(path.join(dir, "pid"), "utf8").trim()}`);

  it("is given up when it is silent, and leaves no process", async () => {
    await assert.rejects(probe(fake(...silent), VERSION, { timeoutMs: 1_000 }), /did not answer within 1 s$/);
    await until("what it started has ended", isGone);
  });

  it("is given up when the user interrupts", async () => {
    await assert.rejects(probe(fake(...silent), VERSION, { signal: AbortSignal.abort() }), /^Error: interrupted$/);
  });

  it("is started once for all commands, unless it is small and so may be a script that starts another", async () => {
    const noted = 'echo x >> "$(dirname "$0")/starts"';
    const starts = (): number => readFileSync(path.join(dir, "starts"), "utf8").trim().split("\n").length;
    const twice = async (file: string): Promise<number> => {
      for (let time = 0; time < 2; time += 1) await probe(file, VERSION);
      return starts();
    };
    assert.equal(await twice(provider(noted)), 2);
    assert.equal(await twice(provider(noted, `# ${"x".repeat(1024 * 1024)}`)), 3);
  });
});
