import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathsOf } from "../../automation/target/paths";
import { chooseProvider } from "../../automation/target/provider";
import { administratorKeyOf, DEFAULT_ACCOUNT } from "../../sandbox/gateway/protocol/accounts";
import { ensureSandbox, stopSandbox, type Sandbox, type SandboxMode } from "../../sandbox/control";

/** Where tests keep what is installed once, so that only the first run on a machine waits for it. */
export const testCacheDir = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "spot-deployer");

/** Time for a test that may be the first on its machine and so installs moto. */
export const FIRST_RUN_MS = 300_000;

/** Which provider serves the sandboxes of tests: the stand-in, unless SPOT_SANDBOX_PROVIDER says otherwise. */
export const testProvider = process.env.SPOT_SANDBOX_PROVIDER || "stand-in";

/** As the program chooses for its user, with nobody to ask. */
export const chooseTestProvider = (): ReturnType<typeof chooseProvider> =>
  chooseProvider({
    env: { ...process.env, SPOT_SANDBOX_PROVIDER: testProvider },
    paths: pathsOf(process.env),
    reporter: { emit: () => undefined, confirm: () => Promise.resolve(false) },
    report: () => undefined,
  });

/** A new, empty home for a sandbox. */
export const newHome = (): string => mkdtempSync(join(tmpdir(), "spot-sandbox-"));

/** Starts or finds the sandbox of a home as `up` would, agreeing to any installation. */
export function startSandbox(home: string, mode: SandboxMode = "api"): ReturnType<typeof ensureSandbox> {
  return ensureSandbox({
    home,
    cacheDir: testCacheDir,
    mode,
    chooseProvider: chooseTestProvider,
    report: () => undefined,
    confirmInstall: () => Promise.resolve(true),
  });
}

/** Ends a home's sandbox and removes the home: for `after` and `afterEach`, whatever happened before. */
export async function removeSandbox(home: string): Promise<void> {
  await stopSandbox(home);
  // Unlike rmSync it lists a folder again into which something was written meanwhile.
  await rm(home, { recursive: true, force: true, maxRetries: 10 });
}

/** Credentials of somebody who may do everything in an account. */
export const administratorOf = (account = DEFAULT_ACCOUNT) => ({
  accessKeyId: administratorKeyOf(account),
  secretAccessKey: "sandbox",
});

/** Settings of an AWS SDK client that talks to the sandbox and to nothing else. */
export const clientOf = (sandbox: Sandbox, region = "us-west-2") => ({
  endpoint: sandbox.endpoint,
  region,
  credentials: administratorOf(),
  maxAttempts: 1,
});

/** A control path of the sandbox: the parsed answer; throws with its words when it is no success. */
export async function control<T>(sandbox: Sandbox, method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${sandbox.endpoint}/_spot/${path}`, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const value = (await response.json()) as T & { error?: string };
  if (!response.ok) throw new Error(value.error);
  return value;
}

/** The effect of a fault rule that holds a call until the rules are taken away: no run lasts as long. */
export const HELD = { delayMs: 3_600_000 };

/** How long something may take that takes a moment: no measure of it, for a busy machine is many times slower. */
export const PATIENCE_MS = 60_000;

/**
 * Waits until `look` gives something other than undefined or false; after the deadline it throws what was waited for. It
 * rests at least as long as it looked, for others need the machine to bring about what it waits for.
 */
export async function until<T>(what: string, look: () => Promise<T> | T, ms = PATIENCE_MS): Promise<NonNullable<T>> {
  const deadline = Date.now() + ms;
  for (;;) {
    const began = Date.now();
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(Math.max(20, Date.now() - began));
  }
}
