import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SpotError, wordsOf } from "../../../fleet/errors";
import { again, outside } from "../../../fleet/steps";
import { tryLock } from "../../../system/lock";
import { checkCli, CLI_NAME, onPath, type CheckedCli, type CheckOptions } from "./check";
import { goInstaller, officialInstaller, type Installer } from "./installers";

/** The version that is obtained where there is none; go.mod of tools/pulumi-cli/cli pins the same. */
export const PULUMI_CLI_VERSION = "3.255.0";

/** A Pulumi CLI with its Node.js language host. */
export interface PulumiCli extends CheckedCli {
  /** Absolute path of `pulumi`. */
  command: string;
  /** Without a leading "v". */
  version: string;
  /** Its folder, which must come first on the PATH of whatever it starts. */
  binDir: string;
  origin: "PULUMI_CLI" | "PATH" | "cache" | Installer["origin"];
}

export interface ObtainOptions {
  /** The project's cache folder. */
  cacheDir: string;
  env: NodeJS.ProcessEnv;
  /** Told only when something has to be obtained, which takes from seconds to minutes. */
  report: (detail: string) => void;
  signal?: AbortSignal;
}

/** Marks what is not complete. */
const PARTIAL = ".partial-";
const LOCK_POLL_MS = 250;

/**
 * Finds a usable Pulumi CLI or obtains one: `PULUMI_CLI`, PATH, the project's cache, Pulumi's installer, a build
 * from pinned Go modules. What is obtained is kept in the cache. A warm start only looks at files.
 * @throws SpotError E_PULUMI_CLI that names every way tried and why it failed; E_INTERRUPTED
 */
export async function obtainPulumiCli(options: ObtainOptions): Promise<PulumiCli> {
  return obtainFrom([officialInstaller, goInstaller], options);
}

/** As `obtainPulumiCli`, with the ways to make a CLI given. */
export async function obtainFrom(ways: Installer[], options: ObtainOptions): Promise<PulumiCli> {
  try {
    return await obtain(ways, options);
  } catch (error) {
    if (options.signal?.aborted)
      throw new SpotError("E_INTERRUPTED", { message: "Obtaining the Pulumi CLI was interrupted.", cause: error });
    throw error;
  }
}

async function obtain(ways: Installer[], options: ObtainOptions): Promise<PulumiCli> {
  const { cacheDir, env, signal } = options;
  const folder = path.join(cacheDir, CLI_NAME);
  const check: CheckOptions = { env, signal, memoFile: path.join(folder, "checked.json") };

  if (env.PULUMI_CLI) return explicitCli(path.resolve(env.PULUMI_CLI), check);

  const failures: Failure[] = [];
  const found = (await cliOnPath(check, failures)) ?? (await cachedCli(folder, check, failures));
  if (found) return found;

  const release = await exclusive(path.join(folder, "lock"), options);
  try {
    // Who waited for another process finds what that one has made.
    return (await cachedCli(folder, check, [])) ?? (await make(ways, folder, check, options, failures));
  } finally {
    release();
  }
}

/** The CLI as a user would type it: by its path where it is the cache's own, which is on nobody's PATH. Obtains none. */
export function knownCli(cacheDir: string, env: NodeJS.ProcessEnv): string {
  if (env.PULUMI_CLI) return path.resolve(env.PULUMI_CLI);
  const cached = path.join(cacheDir, CLI_NAME, PULUMI_CLI_VERSION, "bin", CLI_NAME);
  return onPath(CLI_NAME, env) === undefined && existsSync(cached) ? cached : CLI_NAME;
}

interface Failure {
  way: string;
  why: string;
}

/** What the user names is used or refused: falling back to another CLI would hide the mistake. */
async function explicitCli(command: string, check: CheckOptions): Promise<PulumiCli> {
  try {
    return { ...(await checkCli(command, check)), origin: "PULUMI_CLI" };
  } catch (error) {
    throw new SpotError("E_PULUMI_CLI", {
      message: `PULUMI_CLI names a Pulumi CLI that cannot be used: ${wordsOf(error)}.`,
      next: "Point PULUMI_CLI at a pulumi executable with its language host beside it, or unset it to let one be found.",
      step: outside("set-environment", again()),
    });
  }
}

async function cliOnPath(check: CheckOptions, failures: Failure[]): Promise<PulumiCli | undefined> {
  const command = onPath(CLI_NAME, check.env);
  if (command === undefined) return void failures.push({ way: "PATH", why: `no ${CLI_NAME} there` });
  return usable("PATH", command, check, failures);
}

async function cachedCli(folder: string, check: CheckOptions, failures: Failure[]): Promise<PulumiCli | undefined> {
  const command = path.join(folder, PULUMI_CLI_VERSION, "bin", CLI_NAME);
  if (!existsSync(command)) return void failures.push({ way: "cache", why: `nothing at ${command}` });
  return usable("cache", command, check, failures);
}

async function usable(
  origin: PulumiCli["origin"],
  command: string,
  check: CheckOptions,
  failures: Failure[],
): Promise<PulumiCli | undefined> {
  try {
    return { ...(await checkCli(command, check)), origin };
  } catch (error) {
    check.signal?.throwIfAborted();
    return void failures.push({ way: origin, why: wordsOf(error) });
  }
}

/** Makes a CLI in a folder of its own and moves it into place in one step, so that a killed run leaves nothing that counts. */
async function make(
  ways: Installer[],
  folder: string,
  check: CheckOptions,
  options: ObtainOptions,
  failures: Failure[],
): Promise<PulumiCli> {
  // The lock is held: whoever made these is gone.
  for (const name of readdirSync(folder)) if (name.startsWith(PARTIAL)) remove(path.join(folder, name));
  const place = path.join(folder, PULUMI_CLI_VERSION);
  for (const way of ways) {
    const root = mkdtempSync(path.join(folder, PARTIAL));
    try {
      await way.install({
        root,
        version: PULUMI_CLI_VERSION,
        env: options.env,
        report: options.report,
        signal: options.signal,
      });
      await checkCli(path.join(root, "bin", CLI_NAME), { ...check, memoFile: path.join(root, "checked.json") });
      remove(place);
      renameSync(root, place);
      return { ...(await checkCli(path.join(place, "bin", CLI_NAME), check)), origin: way.origin };
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.push({ way: way.origin, why: wordsOf(error) });
    } finally {
      remove(root);
    }
  }
  throw nothingObtained(failures);
}

/** One process at a time makes a CLI; the others wait and say for whom. */
async function exclusive(file: string, { report, signal }: ObtainOptions): Promise<() => void> {
  mkdirSync(path.dirname(file), { recursive: true });
  for (let told = false; ; told = true) {
    const release = tryLock(file);
    if (release) return release;
    if (!told) report("waiting: another process is obtaining the Pulumi CLI");
    await sleep(LOCK_POLL_MS, undefined, { signal });
  }
}

const wayNames: Record<string, string> = {
  PATH: "on PATH",
  cache: "in the project's cache",
  installer: "by Pulumi's installer",
  go: "by building it with Go",
};

function nothingObtained(failures: Failure[]): SpotError {
  const tried = failures.map(({ way, why }) => `${wayNames[way] ?? way}: ${why}`);
  return new SpotError("E_PULUMI_CLI", {
    message: "No usable Pulumi CLI was found and none could be obtained.",
    cause: ["PULUMI_CLI: not set", ...tried].join("\n"),
  });
}

function remove(what: string): void {
  rmSync(what, { recursive: true, force: true });
}
