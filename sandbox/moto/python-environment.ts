import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { AS_CATALOGUED, SpotError, wordsOf, type Advice } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { tryLock } from "../../system/lock";

const run = promisify(execFile);

/** A program of the Python package index, with all that it needs, in an environment of its own. */
export interface PythonProgram {
  /** Its folder in the cache, and its name in words about progress. */
  name: string;
  /** As the beginning of a sentence: "moto, which …,". */
  what: string;
  /** A requirements file with pinned versions: others make another environment. */
  requirements: string;
}

export interface PythonEnvironment {
  folder: string;
  /** The virtual environment's interpreter. */
  python: string;
  installed: boolean;
}

const PYTHON = "python3";
const MARKER = "complete";
const LINES_OF_CAUSE = 12;
const PYTHON_WANTED: Advice = {
  next: "Install Python 3.10 or newer with its venv module (Debian, Ubuntu: `apt install python3 python3-venv`), then run the command again.",
  step: outside("install-tool", again()),
};

/** The environment's folder: another Python or other requirements make another one. */
async function environmentFolder(program: PythonProgram, cacheDir: string): Promise<string> {
  const { stdout } = await run(PYTHON, ["-c", "import sys; print(sys.executable, sys.version)"]).catch(
    (cause: unknown) => {
      throw new SpotError("E_SANDBOX_SETUP", {
        message: `${program.what} needs Python 3, and python3 does not run here.`,
        cause,
        ...PYTHON_WANTED,
      });
    },
  );
  const requirements = readFileSync(program.requirements);
  const digest = createHash("sha256").update(requirements).update(stdout).digest("hex").slice(0, 16);
  return join(cacheDir, program.name, digest);
}

const interpreter = (folder: string): string =>
  process.platform === "win32" ? join(folder, "Scripts", "python.exe") : join(folder, "bin", "python");

const isComplete = (folder: string): boolean => existsSync(join(folder, MARKER));

/** Where a program is or would be. Throws E_SANDBOX_SETUP when there is no Python. */
export async function findEnvironment(program: PythonProgram, cacheDir: string): Promise<PythonEnvironment> {
  const folder = await environmentFolder(program, cacheDir);
  return { folder, python: interpreter(folder), installed: isComplete(folder) };
}

/**
 * Makes a program's virtual environment in the cache unless it is there, and returns its interpreter. A virtual environment
 * cannot be moved (its scripts hold its path), so it is made in place under a lock and its marker is written last:
 * without the marker it is thrown away and made anew. Throws E_SANDBOX_SETUP with the installer's last words.
 */
export async function ensureEnvironment(
  program: PythonProgram,
  cacheDir: string,
  report: (detail: string) => void,
  signal?: AbortSignal,
): Promise<string> {
  const folder = await environmentFolder(program, cacheDir);
  await mkdir(dirname(folder), { recursive: true });
  let release = tryLock(`${folder}.lock`);
  if (release === undefined) report(`waiting for another command that is installing ${program.name}`);
  while (release === undefined) {
    signal?.throwIfAborted();
    await sleep(200);
    release = tryLock(`${folder}.lock`);
  }
  try {
    if (!isComplete(folder)) await install(program, folder, report, signal);
  } finally {
    release();
  }
  return interpreter(folder);
}

async function install(
  program: PythonProgram,
  folder: string,
  report: (detail: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  discard(folder);
  report(`making a Python environment for ${program.name}`);
  await run(PYTHON, ["-m", "venv", folder], { signal }).catch((error: unknown) => {
    throw venvFailed(error, (error as { stdout?: string }).stdout ?? "");
  });
  report(`installing ${program.name}`);
  await pipInstall(program, interpreter(folder), report, signal);
  writeFileSync(join(folder, MARKER), "");
}

/** Moved aside first: a kill in the middle of the removal must not leave a half folder under the real name. */
function discard(folder: string): void {
  if (!existsSync(folder)) return;
  const aside = mkdtempSync(`${folder}.old-`);
  renameSync(folder, join(aside, "venv"));
  rmSync(aside, { recursive: true, force: true });
}

/** Debian ships venv without ensurepip; venv then says so on standard output and fails. */
function venvFailed(error: unknown, output: string): SpotError {
  const lacksPip = /ensurepip/.test(output) || /No module named venv/.test(wordsOf(error));
  return new SpotError("E_SANDBOX_SETUP", {
    message: lacksPip ? "This Python lacks its venv module or ensurepip." : "Python cannot make a virtual environment.",
    cause: lastLines(output) || wordsOf(error),
    ...(lacksPip ? PYTHON_WANTED : AS_CATALOGUED),
  });
}

function pipInstall(
  { name, what, requirements }: PythonProgram,
  python: string,
  report: (detail: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const total = readFileSync(requirements, "utf8")
    .split("\n")
    .filter((line) => line.includes("==")).length;
  return new Promise((resolve, reject) => {
    const child = spawn(
      python,
      ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar=off", "-r", requirements],
      {
        stdio: ["ignore", "pipe", "pipe"],
        signal,
      },
    );
    let output = "";
    let told = "";
    const read = (chunk: string): void => {
      output += chunk;
      const collected = output.match(/^Collecting /gm)?.length ?? 0;
      const detail = /^Installing collected/m.test(output)
        ? `installing ${name}: unpacking ${total} packages`
        : `installing ${name}: ${collected} of ${total} packages`;
      if (detail !== told) report((told = detail));
    };
    child.stdout.setEncoding("utf8").on("data", read);
    child.stderr.setEncoding("utf8").on("data", read);
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve();
      else
        reject(
          new SpotError("E_SANDBOX_SETUP", {
            message: `${what} cannot be installed.`,
            cause: lastLines(output),
            next: "See the cause: usually the Python package index cannot be reached.",
            step: outside("mend-connection", again()),
          }),
        );
    });
  });
}

const lastLines = (text: string): string => text.trim().split("\n").slice(-LINES_OF_CAUSE).join("\n");
