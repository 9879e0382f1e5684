import { accessSync, constants, realpathSync, statSync } from "node:fs";
import path from "node:path";
import { FileMemo } from "../../../system/file-memo";
import { run } from "./run";

/** What is looked for, on every way. */
export const CLI_NAME = "pulumi";
export const LANGUAGE_HOST_NAME = "pulumi-language-nodejs";

/** The oldest CLI that takes every option from the environment (`PULUMI_OPTION_…`), which the engine runs rely on. */
const MAJOR = 3;
const OLDEST_MINOR = 208;
const VERSION_TIMEOUT_MS = 20_000;

/** A real CLI has about 100 MB. What is small is a script or a version manager's shim: its answer may change unseen. */
const SMALLEST_REMEMBERED_BYTES = 1024 * 1024;

/** A Pulumi CLI that can be used as it stands. */
export interface CheckedCli {
  command: string;
  binDir: string;
  version: string;
}

export interface CheckOptions {
  env: NodeJS.ProcessEnv;
  /** Where answers are kept, so that a warm start spawns nothing. */
  memoFile: string;
  signal?: AbortSignal;
}

/**
 * Is this file a Pulumi CLI that this project can use?
 * @throws Error with the reason, when it is not
 */
export async function checkCli(command: string, options: CheckOptions): Promise<CheckedCli> {
  if (!isExecutable(command)) throw new Error(`${command} is not an executable file`);
  const binDir = path.dirname(command);
  // The engine finds a language host beside the CLI's own file, links resolved, and on PATH.
  const places = [binDir, path.dirname(realpathSync(command)), ...pathFolders(options.env)];
  if (!places.some((folder) => isExecutable(path.join(folder, LANGUAGE_HOST_NAME)))) {
    throw new Error(`${command} has no ${LANGUAGE_HOST_NAME} beside it, and there is none on PATH`);
  }
  const version = await versionOf(command, options);
  refuseVersion(command, version);
  return { command, binDir, version };
}

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

export function pathFolders(env: NodeJS.ProcessEnv): string[] {
  return (env.PATH ?? "").split(path.delimiter).filter((folder) => path.isAbsolute(folder));
}

/** The first executable of this name on PATH, as a shell would find it. */
export function onPath(name: string, env: NodeJS.ProcessEnv): string | undefined {
  return pathFolders(env)
    .map((folder) => path.join(folder, name))
    .find(isExecutable);
}

/** `pulumi version`, or what it answered for the very same file before. */
async function versionOf(command: string, { env, memoFile, signal }: CheckOptions): Promise<string> {
  return new FileMemo<string>(memoFile).about(
    command,
    () => askVersion(command, env, signal),
    SMALLEST_REMEMBERED_BYTES,
  );
}

async function askVersion(command: string, env: NodeJS.ProcessEnv, signal: AbortSignal | undefined): Promise<string> {
  let answer: string;
  try {
    answer = await run(command, ["version"], {
      env: { ...env, PULUMI_SKIP_UPDATE_CHECK: "true" },
      timeoutMs: VERSION_TIMEOUT_MS,
      signal,
    });
  } catch (error) {
    throw new Error(`\`${command} version\` failed: ${(error as Error).message}`, { cause: error });
  }
  const version = /^v?(\d+\.\d+\.\d+\S*)/.exec(answer.trim())?.[1];
  if (version === undefined)
    throw new Error(`\`${command} version\` answered ${JSON.stringify(answer.trim())}, which is not a version`);
  return version;
}

function refuseVersion(command: string, version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major === MAJOR && minor >= OLDEST_MINOR) return;
  throw new Error(
    `${command} is version ${version}; needed is ${MAJOR}.${OLDEST_MINOR}.0 or newer, below ${MAJOR + 1}`,
  );
}
