import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, openSync, closeSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SpotError, type ErrorCode, type ErrorInfo } from "../fleet/errors";
import { SANDBOX_VARIABLE } from "../fleet/plan/stack-config";
import { outside, spot } from "../fleet/steps";
import { readJson, removeFile } from "../system/json-file";
import type { DaemonOptions } from "./daemon/daemon";
import type { DaemonMessage } from "./daemon/main";
import { askEndpoint } from "./home/endpoint";
import { accessKeyOf, DEFAULT_ACCOUNT } from "./gateway/protocol/accounts";
import { pruneCache, rotateLog } from "./daemon/housekeeping";
import { tryLock } from "../system/lock";
import { findMoto, installMoto } from "./moto/install";
import { callerAddress, releaseDeadClaim } from "./home/network";
import { endProcess, isRunning } from "../system/process";
import {
  homeFiles,
  providerKinds,
  providerTitle,
  type DaemonRecord,
  type ExitRecord,
  type ProviderKind,
  type SandboxMode,
  type SandboxProvider,
  type SandboxRecord,
} from "./home/records";

export { providerKinds, providerTitle, type ProviderKind, type SandboxMode, type SandboxProvider };

/** A running sandbox. */
export interface Sandbox {
  id: string;
  home: string;
  mode: SandboxMode;
  provider: SandboxProvider;
  /** The endpoint for every AWS service, `http://127.0.0.1:PORT`; the same for the sandbox's whole life. */
  endpoint: string;
  /** Where its instances' public addresses lie, `198.18.7.0/24`. */
  network: string;
  /** The address from which hosts see this machine. */
  callerAddress: string;
  pid: number;
  startedAt: string;
}

export interface SandboxOptions {
  /** The folder that is the sandbox: same home, same sandbox. */
  home: string;
  /** Where what is installed once is kept for all sandboxes. */
  cacheDir: string;
  mode: SandboxMode;
  /** The provider that must serve it; absent: whichever does, or is chosen. */
  providerKind?: ProviderKind;
  /** Asked when a sandbox is to start. */
  chooseProvider: () => Promise<SandboxProvider>;
  report: (detail: string) => void;
  /** Asked once, with what would be installed. */
  confirmInstall: (what: string[]) => Promise<boolean>;
  signal?: AbortSignal;
}

/** Time for a sandbox to take its hosts down before it is ended by force. */
const STOP_PATIENCE_MS = 60_000;
const MOTO_PATIENCE_MS = 3_000;
const STATUS_PATIENCE_MS = 10_000;

/**
 * Finds the running sandbox or starts it. `fresh` tells that the emulated AWS is empty because it was just made,
 * `reason` why, when an earlier one had died.
 * @throws SpotError E_SANDBOX_SETUP, E_SANDBOX_PORT, E_DECLINED
 */
export async function ensureSandbox(o: SandboxOptions): Promise<{ sandbox: Sandbox; fresh: boolean; reason?: string }> {
  return withLock(o.home, o.signal, async () => {
    const running = runningDaemon(o.home);
    if (running !== undefined) {
      if (running.mode !== o.mode) throw otherMode(running.mode, o);
      const sandbox = describe(o.home, running);
      if (o.providerKind !== undefined && o.providerKind !== sandbox.provider.kind)
        throw otherProvider(sandbox.provider, o.providerKind);
      if (await answers(sandbox)) return { sandbox, fresh: false };
      // It was dying, or it hangs: either way it is of no use any more.
      await endProcess(running, STOP_PATIENCE_MS);
    }
    const reason = await cleanUp(o.home);
    const provider = await o.chooseProvider();
    const { python, installed } = await installMissing(o);
    o.report("starting the sandbox");
    const sandbox = (readJson(homeFiles(o.home).sandbox) as SandboxRecord | undefined) ?? {
      id: randomBytes(4).toString("hex"),
      port: 0,
    };
    await startDaemon({ home: o.home, cacheDir: o.cacheDir, mode: o.mode, provider, python, installed, sandbox });
    const started = runningDaemon(o.home);
    if (started === undefined)
      throw new SpotError("E_SANDBOX_DEAD", {
        message: "The sandbox ended right after its start.",
        cause: logTail(o.home),
      });
    return { sandbox: describe(o.home, started), fresh: true, reason };
  });
}

/** The sandbox of a home with its number of instances; undefined when it does not run. */
export async function sandboxStatus(home: string): Promise<(Sandbox & { instances: number }) | undefined> {
  const running = runningDaemon(home);
  if (running === undefined) return undefined;
  const sandbox = describe(home, running);
  const status = await answers(sandbox);
  return status && { ...sandbox, instances: status.instances };
}

/** The status that the endpoint tells, if it is this sandbox's and answers in time. */
async function answers(sandbox: Sandbox): Promise<{ instances: number } | undefined> {
  try {
    const { body } = await askEndpoint(`${sandbox.endpoint}/_spot/status`, { timeoutMs: STATUS_PATIENCE_MS });
    const status = JSON.parse(body) as { id: string; instances: number };
    return status.id === sandbox.id ? status : undefined;
  } catch {
    return undefined;
  }
}

/** What the sandbox tells of an instance. */
export interface SandboxInstance {
  id: string;
  region: string;
  /** As EC2 names it: `running`, `terminated`, … */
  state: string;
  tags: Record<string, string>;
}

/** Every instance of the sandbox of a home, ended ones too. @throws SpotError E_NOT_FOUND when it does not run */
export async function sandboxInstances(home: string): Promise<SandboxInstance[]> {
  return call<SandboxInstance[]>(home, "GET", "instances");
}

/**
 * Tells an instance that it will be interrupted, which ends it after `seconds`, or that moving elsewhere is advisable.
 * @returns when it ends, or when the recommendation was made.
 * @throws SpotError E_NOT_FOUND when the sandbox or the instance does not run
 */
export async function giveNotice(
  home: string,
  notice: { instanceId: string; kind: "interruption" | "rebalance"; seconds?: number },
): Promise<Date> {
  const { at } = await call<{ at: string }>(home, "POST", "notices", notice);
  return new Date(at);
}

/** One of the sandbox's own paths (gateway/control.ts). */
async function call<T>(home: string, method: string, path: string, body?: object): Promise<T> {
  const running = runningDaemon(home);
  if (running === undefined)
    throw new SpotError("E_NOT_FOUND", {
      message: "no sandbox is running",
      next: "Run `npm run up -- --sandbox` to start one.",
      step: spot("up", "--sandbox"),
    });
  const { status, body: text } = await askEndpoint(`${describe(home, running).endpoint}/_spot/${path}`, {
    method,
    body: body && JSON.stringify(body),
    timeoutMs: STATUS_PATIENCE_MS,
  });
  const answer = JSON.parse(text) as T & { error?: string };
  if (status !== 200)
    throw new SpotError("E_NOT_FOUND", {
      message: `The sandbox refused: ${answer.error ?? `status ${status}`}.`,
      next: "Run `npm run sandbox -- status` to see what runs.",
      step: outside("correct-command-line"),
    });
  return answer;
}

/** Ends the sandbox of a home with all that it started; also cleans up after a crashed one. `stopped`: there was one. */
export async function stopSandbox(home: string): Promise<{ stopped: boolean }> {
  if (!existsSync(home)) return { stopped: false };
  return withLock(home, undefined, async () => {
    const running = runningDaemon(home);
    if (running !== undefined) await endProcess(running, STOP_PATIENCE_MS);
    const crashed = await cleanUp(home);
    return { stopped: running !== undefined || crashed !== undefined };
  });
}

/** It always has credentials, those of one of the sandbox's accounts. */
export interface SandboxEnvironment extends NodeJS.ProcessEnv {
  AWS_ACCESS_KEY_ID: string;
  AWS_SECRET_ACCESS_KEY: string;
}

/**
 * The environment for children that talk to the sandbox: its endpoint, fake credentials, and nothing of the user's AWS.
 * What is undefined must not be set: the AWS CLI takes an empty profile or certificate file for one that does not exist.
 * @param env the user's: each of its AWS settings is taken away, since an endpoint of one service or a setting that
 *   ignores endpoints would lead out of the sandbox
 * @param account 12 digits: the sandbox knows any number of accounts, which share nothing
 */
export function sandboxEnvironment(
  s: Sandbox,
  env: NodeJS.ProcessEnv = {},
  account = DEFAULT_ACCOUNT,
): SandboxEnvironment {
  const noProxy = `127.0.0.1,localhost,${s.network}`;
  return {
    ...Object.fromEntries(
      Object.keys(env).flatMap((name) => (name.startsWith("AWS_") && !KEPT.has(name) ? [[name, undefined]] : [])),
    ),
    AWS_ENDPOINT_URL: s.endpoint,
    [SANDBOX_VARIABLE]: s.endpoint,
    AWS_ACCESS_KEY_ID: accessKeyOf(account),
    AWS_SECRET_ACCESS_KEY: "sandbox",
    AWS_REGION: "us-east-1",
    AWS_DEFAULT_REGION: "us-east-1",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    NO_PROXY: noProxy,
    no_proxy: noProxy,
  };
}

/** Settings of an SDK that lead nowhere. */
const KEPT: ReadonlySet<string> = new Set(["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"]);

function runningDaemon(home: string): DaemonRecord | undefined {
  const record = readJson(homeFiles(home).daemon) as DaemonRecord | undefined;
  return record !== undefined && isRunning(record) ? record : undefined;
}

function describe(home: string, record: DaemonRecord): Sandbox {
  const { mode, network, pid, startedAt } = record;
  const id = (readJson(homeFiles(home).sandbox) as SandboxRecord | undefined)?.id ?? "";
  return {
    id,
    home,
    mode,
    provider: record.provider ?? { kind: "stand-in", version: "" },
    endpoint: `http://127.0.0.1:${record.port}`,
    network,
    callerAddress: callerAddress(network),
    pid,
    startedAt,
  };
}

/** One command at a time starts or stops the sandbox of a home; the others wait for it. */
async function withLock<T>(home: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const lock = homeFiles(home).lock;
  let release = tryLock(lock);
  while (release === undefined) {
    signal?.throwIfAborted();
    await sleep(50);
    release = tryLock(lock);
  }
  try {
    return await work();
  } finally {
    release();
  }
}

/** Removes what a daemon that ended without cleaning has left. Its reason, or undefined when there was none. */
async function cleanUp(home: string): Promise<string | undefined> {
  const files = homeFiles(home);
  const record = readJson(files.daemon) as DaemonRecord | undefined;
  const exit = readJson(files.exit) as ExitRecord | undefined;
  if (record !== undefined) {
    await endProcess(record.moto, MOTO_PATIENCE_MS);
    releaseDeadClaim(record.network);
  }
  if (existsSync(files.hosts) && readdirSync(files.hosts).length > 0) {
    const { cleanUpHosts } = await import("./hosts/nspawn.js");
    await cleanUpHosts(home);
  }
  removeFile(files.daemon);
  removeFile(files.exit);
  if (exit !== undefined) return `the sandbox ended at ${exit.at}: ${exit.reason}`;
  return record === undefined
    ? undefined
    : `the sandbox's process ${record.pid} was killed or the machine was restarted`;
}

/** Asks once for all that is missing, then installs it. Returns the interpreter that has moto, and all folders used. */
async function installMissing(o: SandboxOptions): Promise<Pick<DaemonOptions, "python" | "installed">> {
  const moto = await findMoto(o.cacheDir);
  const hosts =
    o.mode === "api" ? { what: [], images: [], install: () => Promise.resolve() } : await missingForHosts(o, o.mode);
  const what = [
    ...(moto.installed ? [] : [`moto (the emulated AWS, from PyPI, 350 MB) into ${o.cacheDir}`]),
    ...hosts.what,
  ];
  if (what.length > 0 && !(await o.confirmInstall(what)))
    throw new SpotError("E_DECLINED", "The sandbox was not set up: the installation was declined.");
  await hosts.install();
  const python = moto.installed ? moto.python : await installMoto(o.cacheDir, o.report, o.signal);
  const [{ imagePath }, { recipes }] = await Promise.all([import("./hosts/image.js"), import("./hosts/recipe.js")]);
  await pruneCache(
    o.cacheDir,
    [moto.folder, ...Object.values(recipes).map((recipe) => imagePath(o.cacheDir, recipe))],
    o.report,
  );
  return { python, installed: [moto.folder, ...hosts.images] };
}

async function missingForHosts(
  o: SandboxOptions,
  mode: Exclude<SandboxMode, "api">,
): Promise<{ what: string[]; images: string[]; install(): Promise<void> }> {
  const [{ hostRequirements, install }, { ensureImage, imagePath }, { recipes }, { rootsOf }] = await Promise.all([
    import("./hosts/requirements.js"),
    import("./hosts/image.js"),
    import("./hosts/recipe.js"),
    import("./daemon/roots.js"),
  ]);
  const requirements = hostRequirements();
  if (!requirements.possible)
    throw new SpotError("E_SANDBOX_SETUP", {
      message: "Hosts cannot boot on this machine.",
      cause: requirements.reason,
    });
  const packages = requirements.missingPackages;
  const what = packages.length > 0 ? [`system packages: ${packages.join(", ")}`] : [];
  for (const release of rootsOf[mode].releases) {
    const recipe = recipes[release];
    const origin = recipe.sources === undefined ? "this machine's package sources" : "its distribution's archive";
    if (!existsSync(imagePath(o.cacheDir, recipe)))
      what.push(`a root image of ${release} for hosts (from ${origin}, 330 MB) into ${o.cacheDir}`);
  }
  return {
    what,
    images: rootsOf[mode].releases.map((release) => imagePath(o.cacheDir, recipes[release])),
    install: async () => {
      await install(packages, o.report);
      for (const release of rootsOf[mode].releases) await ensureImage(o.cacheDir, o.report, recipes[release]);
    },
  };
}

/** Starts the daemon apart from this process and resolves when it is ready. Its output goes to the log. */
async function startDaemon(options: DaemonOptions): Promise<void> {
  mkdirSync(options.home, { recursive: true });
  rotateLog(homeFiles(options.home).log);
  const log = openSync(homeFiles(options.home).log, "a", 0o600);
  try {
    const child = fork(join(__dirname, "daemon", "main.js"), [JSON.stringify(options)], {
      detached: true,
      cwd: options.home,
      stdio: ["ignore", log, log, "ipc"],
      execArgv: [],
    });
    const message = await new Promise<DaemonMessage | undefined>((resolve, reject) => {
      child.once("message", (value) => resolve(value as DaemonMessage));
      child.once("exit", () => resolve(undefined));
      child.once("error", reject);
    });
    if (child.connected) child.disconnect();
    child.unref();
    if (message === undefined)
      throw new SpotError("E_SANDBOX_SETUP", { message: "The sandbox did not start.", cause: logTail(options.home) });
    if ("error" in message) throw revived(message.error);
  } finally {
    closeSync(log);
  }
}

function revived(error: ErrorInfo): SpotError {
  return new SpotError(error.code as ErrorCode, {
    message: error.message,
    cause: error.cause,
    next: error.next,
    step: error.step,
  });
}

function otherMode(running: SandboxMode, o: SandboxOptions): SpotError {
  const switches: Record<SandboxMode, string> = {
    hosts: "--sandbox",
    images: "--sandbox=images",
    api: "--sandbox=api",
  };
  return new SpotError("E_SANDBOX_SETUP", {
    message: `A sandbox runs here in mode "${running}", and mode "${o.mode}" was asked for.`,
    next: `Use ${switches[running]}, or stop it first: \`npm run sandbox -- down\` (its instances are lost).`,
    step: spot("sandbox", "down"),
  });
}

function otherProvider(running: SandboxProvider, wanted: ProviderKind): SpotError {
  return new SpotError("E_SANDBOX_SETUP", {
    message: `The sandbox that runs here is served by ${providerTitle(running)}, and SPOT_SANDBOX_PROVIDER is ${wanted}.`,
    next: "Unset SPOT_SANDBOX_PROVIDER to go on with it, or stop it first: `npm run sandbox -- down` (its instances are lost).",
    step: spot("sandbox", "down"),
  });
}

function logTail(home: string): string {
  try {
    return readFileSync(homeFiles(home).log, "utf8").trim().split("\n").slice(-15).join("\n");
  } catch {
    return "";
  }
}
