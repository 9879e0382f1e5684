import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { obtainPulumiCli } from "../../automation/engine/pulumi-cli";
import { pathsOf } from "../../automation/target/paths";
import { wordsOf } from "../../fleet/errors";
import { ensureSandbox, stopSandbox } from "../../sandbox/control";
import { hostRequirements, install } from "../../sandbox/hosts/requirements";
import { hasBrowser } from "./browser";
import { ensurePythonCheckers } from "./python-checkers";
import { hasTmux } from "./terminal";
import { chooseTestProvider } from "./sandbox";
import { hasXmllint } from "./validators";

/**
 * Installs what the tests need and a machine may not have yet: the Pulumi CLI, moto and, where hosts can boot, system
 * packages, the root image, a browser and an XML validator. Each is kept in the caches, so that only the first run waits.
 */
async function main(): Promise<void> {
  const cacheDir = pathsOf(process.env).cache;
  const report = (detail: string) => void process.stdout.write(`  set-up: ${detail}\n`);
  const timed = async (what: string, work: () => Promise<unknown>) => {
    const started = Date.now();
    await work();
    process.stdout.write(`set-up: ${what}, ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
  };
  // What reads reports and screens in tests; where it cannot be installed, those tests are skipped.
  const readers = [
    ...(hasBrowser() ? [] : ["chromium"]),
    ...(hasXmllint() ? [] : ["libxml2-utils"]),
    ...(hasTmux() ? [] : ["tmux"]),
  ];
  const mayInstall = process.platform === "linux" && process.getuid?.() === 0;
  const home = mkdtempSync(path.join(os.tmpdir(), "spot-set-up-"));
  const mode = hostRequirements().possible ? "hosts" : "api";
  /** What installs system packages: one at a time, for apt takes a lock. */
  const packages = async (): Promise<void> => {
    if (readers.length > 0 && mayInstall) await timed(readers.join(", "), () => install(readers, report));
    await timed(`sandbox (${mode})`, () =>
      ensureSandbox({
        home,
        cacheDir,
        mode,
        chooseProvider: chooseTestProvider,
        report,
        confirmInstall: () => Promise.resolve(true),
      }),
    );
  };
  try {
    // One of them waits for the network or the disk while another computes. Each comes to its end before the clean-up.
    const outcomes = await Promise.allSettled([
      packages(),
      timed("ruff and mypy", () => ensurePythonCheckers(cacheDir, report)),
      timed("Pulumi CLI", () => obtainPulumiCli({ cacheDir, env: process.env, report })),
    ]);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  } finally {
    await stopSandbox(home);
    rmSync(home, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(
    `set-up failed: ${error instanceof Error ? [error.message, ...(error.cause === undefined ? [] : [wordsOf(error.cause)])].join("\n") : String(error)}\n`,
  );
  process.exitCode = 1;
});
