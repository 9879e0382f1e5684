import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import type { FleetConfig } from "../../fleet/config";
import { SpotError } from "../../fleet/errors";
import { shortName } from "../../fleet/identity/ownership";
import { again, outside, spot } from "../../fleet/steps";
import type { Reporter } from "../../fleet/report/events";
import {
  ensureSandbox,
  providerTitle,
  sandboxEnvironment,
  sandboxStatus,
  type Sandbox,
  type SandboxMode,
} from "../../sandbox/control";
import { foreignEndpoints, type Endpoints } from "../../project/aws-endpoints";
import { chooseCredentials, type Credentials } from "../../cloud/credentials";
import { readStackSettings } from "../engine/stack-config";
import { awsBackend, sandboxBackend } from "./backend";
import type { Paths } from "./paths";
import { chooseProvider, providerKindIn } from "./provider";

/**
 * Where a command acts: AWS or a sandbox. The two share nothing: backend, stack, keys, Pulumi home and credentials are
 * all of the target, so a command for one cannot reach the other.
 */
export interface Target {
  kind: "aws" | "sandbox";
  stack: string;
  /** Somebody named the stack; else it is the default one, which configurations share. */
  isChosen: boolean;
  /** Environment of everything that this run starts, complete. */
  env: NodeJS.ProcessEnv;
  /** The folder with one folder of keys per lineage. */
  keysDir: string;
  /** The folder with the locks of runs that change a stack (run-lock.ts). */
  locksDir: string;
  /** Caches, known hosts, reports: may be deleted at any time. */
  scratch: string;
  credentials: Credentials;
  /** The sandbox's endpoint for every AWS service; absent for AWS. */
  endpoint?: string;
  /** Where the settings of the user's shell and profile lead instead of AWS. Never anywhere in a sandbox. */
  foreignEndpoints: Endpoints;
  sandbox?: Sandbox;
}

/** Where a configuration says that its fleet is, and is recorded. */
export interface Place {
  stack?: string;
  backend?: string;
  regions: string[];
}

export function placeIn({ stack, backend, regions }: FleetConfig): Place {
  return { stack, backend, regions: regions.map(({ name }) => name) };
}

export interface TargetOptions {
  sandbox?: SandboxMode;
  stack?: string;
  /** `backend:` of config.yaml. */
  backend?: string;
  profile?: string;
  projectDir: string;
  paths: Paths;
  env: NodeJS.ProcessEnv;
  reporter: Reporter;
  /** Reading commands look at a sandbox that runs; they never start one. */
  start: boolean;
  signal?: AbortSignal;
}

/** The stack of a target where none is named. */
export const DEFAULT_STACK = { aws: "fleet", sandbox: "sandbox" } as const;

/** What every child needs, wherever it acts. */
function commonEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  // Behind a proxy, the engine's own calls on loopback would go through it and fail.
  const noProxy = [
    ...new Set([...(env.NO_PROXY ?? env.no_proxy ?? "").split(",").filter(Boolean), "127.0.0.1", "localhost", "::1"]),
  ].join(",");
  return {
    ...env,
    NO_PROXY: noProxy,
    no_proxy: noProxy,
    PULUMI_SKIP_UPDATE_CHECK: "true",
    // What a killed run was doing is known from its checkpoints alone.
    PULUMI_SKIP_CHECKPOINTS: undefined,
    // The state holds the salt too, so a lost Pulumi.<stack>.yaml stops nothing.
    PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER: "true",
  };
}

export function sandboxHome(options: { projectDir: string; paths: Paths; env: NodeJS.ProcessEnv }): string {
  if (options.env.SPOT_SANDBOX_HOME) return path.resolve(options.env.SPOT_SANDBOX_HOME);
  const id = createHash("sha256").update(options.projectDir).digest("hex").slice(0, 8);
  return path.join(options.paths.state, "sandboxes", id);
}

/** Stack and scratch folder of a target, for commands that only read what is kept here: the same as `resolveTarget`'s. */
export function targetPlace({
  sandbox,
  stack,
  ...place
}: {
  sandbox?: SandboxMode;
  stack?: string;
  projectDir: string;
  paths: Paths;
  env: NodeJS.ProcessEnv;
}): Pick<Target, "stack" | "isChosen" | "scratch"> {
  // An empty variable is none; and the engine's own variable never leads into a sandbox.
  const named = stack ?? (sandbox ? undefined : place.env.PULUMI_STACK || undefined);
  return {
    stack: named ?? DEFAULT_STACK[sandbox ? "sandbox" : "aws"],
    isChosen: named !== undefined,
    scratch: sandbox ? path.join(sandboxHome(place), "scratch") : path.join(place.projectDir, ".spot"),
  };
}

/** Where commands for a target write their logs. Beside the sandbox's scratch: a log outlives what it tells of. */
export function logFolder({
  sandbox,
  ...place
}: {
  sandbox?: SandboxMode;
  projectDir: string;
  paths: Paths;
  env: NodeJS.ProcessEnv;
}): string {
  return sandbox ? path.join(sandboxHome(place), "logs") : path.join(place.projectDir, ".spot", "logs");
}

/** @throws SpotError E_SANDBOX_* when the sandbox cannot be started, E_NOT_FOUND when a reading command finds none */
export async function resolveTarget(options: TargetOptions): Promise<Target> {
  const target = options.sandbox ? await sandboxTarget(options, options.sandbox) : await awsTarget(options);
  options.reporter.emit({ type: "message", level: "debug", subject: "target", message: targetText(target) });
  return target;
}

function targetText({ stack, endpoint, credentials, env }: Target): string {
  const cloud =
    endpoint === undefined
      ? `AWS, credentials: ${credentials.kind === "profile" ? `profile ${credentials.profile}` : credentials.kind}`
      : `sandbox at ${endpoint}`;
  return `${cloud}; stack ${stack}, state in ${env.PULUMI_BACKEND_URL ?? "the engine's own place"}`;
}

async function awsTarget({
  env,
  stack,
  backend,
  profile,
  paths,
  projectDir,
  reporter,
}: TargetOptions): Promise<Target> {
  const chosen = chooseCredentials(env, profile);
  if (chosen.warning !== undefined)
    reporter.emit({ type: "message", level: "warning", subject: "credentials", message: chosen.warning });
  return {
    kind: "aws",
    ...targetPlace({ stack, projectDir, paths, env }),
    keysDir: paths.config,
    locksDir: path.join(paths.state, "locks"),
    credentials: chosen.credentials,
    foreignEndpoints: await foreignEndpoints(chosen.env),
    env: {
      ...commonEnv(chosen.env),
      PULUMI_BACKEND_URL: awsBackend({ env, configured: backend, paths, projectDir }),
      // Only the official provider may act on a real account, never one that happens to be on PATH.
      PULUMI_IGNORE_AMBIENT_PLUGINS: "true",
    },
  };
}

async function sandboxTarget(options: TargetOptions, mode: SandboxMode): Promise<Target> {
  const { reporter, paths, projectDir } = options;
  const home = sandboxHome(options);
  const { stack, isChosen, scratch } = targetPlace(options);
  const backend = sandboxBackend({ home, env: options.env, projectDir });
  let sandbox: Sandbox | undefined;
  if (options.start) {
    const task = "sandbox";
    const started = Date.now();
    reporter.emit({ type: "task", task, state: "started" });
    const report = (detail: string): void => reporter.emit({ type: "task", task, state: "progress", detail });
    const ensured = await ensureSandbox({
      home,
      cacheDir: paths.cache,
      mode,
      providerKind: providerKindIn(options.env),
      chooseProvider: () => chooseProvider({ ...options, report }),
      report,
      confirmInstall: (what) =>
        reporter.confirm({
          message: `The sandbox needs to install: ${what.join(", ")}. Go on?`,
          unattended: Boolean(options.env.CI),
        }),
      signal: options.signal,
    });
    sandbox = ensured.sandbox;
    reporter.emit({ type: "task", task, state: "done", seconds: (Date.now() - started) / 1000 });
    if (ensured.fresh && sandbox.provider.kind === "official")
      reporter.emit({
        type: "message",
        level: "info",
        subject: "sandbox",
        message: `served by ${providerTitle(sandbox.provider)}; SPOT_SANDBOX_PROVIDER=stand-in has a faster stand-in do it`,
      });
    if (ensured.fresh) {
      forgetSandbox(home);
      if (backend.folder !== undefined) forgetSettings(stack, sandbox, options);
    }
    if (ensured.reason)
      reporter.emit({
        type: "message",
        level: "warning",
        subject: "sandbox",
        message: `reset: ${ensured.reason}; it starts empty`,
      });
  } else {
    sandbox = await sandboxStatus(home);
    if (!sandbox)
      throw new SpotError("E_NOT_FOUND", {
        message: "no sandbox is running",
        next: "Run `npm run up -- --sandbox` to start one.",
        step: spot("up"),
      });
  }
  const pulumiHome = path.join(home, "pulumi-home");
  mkdirSync(pulumiHome, { recursive: true, mode: 0o700 });
  if (backend.folder !== undefined) mkdirSync(backend.folder, { recursive: true, mode: 0o700 });
  const aws = sandboxEnvironment(sandbox, options.env, sandboxAccount(options.env));
  return {
    kind: "sandbox",
    stack,
    isChosen,
    keysDir: path.join(home, backend.keys),
    locksDir: path.join(home, "locks"),
    scratch,
    endpoint: sandbox.endpoint,
    sandbox,
    credentials: { kind: "keys", accessKeyId: aws.AWS_ACCESS_KEY_ID, secretAccessKey: aws.AWS_SECRET_ACCESS_KEY },
    foreignEndpoints: {},
    env: {
      ...commonEnv(options.env),
      ...aws,
      // The engine starts a provider that is on PATH before any that is installed.
      PATH: [sandbox.provider.folder ?? path.join(projectDir, "sandbox/provider/bin"), options.env.PATH]
        .filter(Boolean)
        .join(path.delimiter),
      PULUMI_HOME: pulumiHome,
      PULUMI_BACKEND_URL: backend.url,
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
      PULUMI_OPTION_SKIP_PLUGIN_PRE_INSTALL: "true",
      PULUMI_IGNORE_AMBIENT_PLUGINS: "false",
      PULUMI_ACCESS_TOKEN: backend.token,
    },
  };
}

/** The account of the sandbox to act in, where the user names one. @throws SpotError E_USAGE */
function sandboxAccount({ SPOT_SANDBOX_ACCOUNT: account }: NodeJS.ProcessEnv): string | undefined {
  if (!account) return undefined;
  if (/^\d{12}$/.test(account)) return account;
  throw new SpotError("E_USAGE", {
    message: `SPOT_SANDBOX_ACCOUNT is ${account}; an account number has 12 digits`,
    next: "Correct or unset it.",
    step: outside("set-environment", again()),
  });
}

/** A sandbox that begins empty has no instances: the stacks in its home that described the earlier one are gone with it. */
function forgetSettings(stack: string, sandbox: Sandbox, { projectDir }: TargetOptions): void {
  const file = path.join(projectDir, `Pulumi.${shortName(stack)}.yaml`);
  if (existsSync(file) && readStackSettings(file).endpoint === sandbox.endpoint) rmSync(file);
}

/** Drops what only had a meaning while the sandbox ran: the state of its stacks and their keys. */
export function forgetSandbox(home: string): void {
  for (const dir of ["backend", "keys", "scratch"]) rmSync(path.join(home, dir), { recursive: true, force: true });
}
