import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { obtainPulumiCli } from "../../automation/engine/pulumi-cli";
import { pathsOf } from "../../automation/paths";
import { ensureSandbox, stopSandbox } from "../../sandbox/control";
import { hostRequirements, install } from "../../sandbox/hosts/requirements";
import { hasBrowser } from "./browser";
import { ensurePythonCheckers } from "./python-checkers";
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
  // What reads the reports in tests: a browser and an XML validator; where they cannot be installed, those tests are skipped.
  const readers = [...(hasBrowser() ? [] : ["chromium"]), ...(hasXmllint() ? [] : ["libxml2-utils"])];
  if (readers.length > 0 && process.platform === "linux" && process.getuid?.() === 0) await timed(readers.join(", "), () => install(readers, report));
  await timed("ruff and mypy", () => ensurePythonCheckers(cacheDir, report));
  await timed("Pulumi CLI", () => obtainPulumiCli({ cacheDir, env: process.env, report }));
  const home = mkdtempSync(path.join(os.tmpdir(), "spot-set-up-"));
  const mode = hostRequirements().possible ? "hosts" : "api";
  try {
    await timed(`sandbox (${mode})`, () => ensureSandbox({ home, cacheDir, mode, report, confirmInstall: async () => true }));
  } finally {
    await stopSandbox(home);
    rmSync(home, { recursive: true, force: true });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`set-up failed: ${error instanceof Error ? `${error.message}\n${String(error.cause ?? "")}` : String(error)}\n`);
  process.exitCode = 1;
});
