import { randomBytes } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { isSpotError, SpotError } from "../../fleet/errors";
import { newFleetId } from "../../fleet/identity/fleet-id";
import { outside } from "../../fleet/steps";
import type { Reporter } from "../../fleet/report/events";
import type { SandboxMode } from "../../sandbox/control";
import { cloudOf, type Cloud } from "../../cloud/clients";
import type { Identity } from "../../cloud/identity";
import { obtainPulumiCli, type PulumiCli } from "../engine/pulumi-cli";
import { providerError } from "../engine/provider-error";
import { EngineStack } from "../engine/stack";
import { readStackSettings, type StackSettings } from "../engine/stack-config";
import { EMPTY_STATE, holdsNothing, type StackState } from "../engine/state";
import type { Interrupts } from "./interrupts";
import { lostState } from "./lost-state";
import { fleetIdOf, newEndpoints, ownIdentity, type NewEndpoints } from "./ownership";
import { wordsOnConfig } from "./last-config";
import { pathsOf, type Paths } from "../target/paths";
import { resolveTarget, type Target } from "../target";
import { providerOfSandbox, providerOnAws } from "../target/provider";
import { writeFileAtomic } from "../../system/atomic-file";

/** What the caller of the library gives. */
export interface SessionOptions {
  /** The folder of Pulumi.yaml. */
  projectDir: string;
  env: NodeJS.ProcessEnv;
  reporter: Reporter;
  interrupts: Interrupts;
  sandbox?: SandboxMode;
  stack?: string;
  backend?: string;
  profile?: string;
  /** Path of the configuration, absolute, whether or not it is there. */
  configFile: string;
  /** Those of the configuration: where a stack that has none yet asks whose the credentials are. */
  regions?: string[];
  /** A sandbox that does not run is started. */
  starts?: boolean;
  /** The command changes nothing: the first wish to stop ends its calls at once. */
  reading?: boolean;
  /** The command changes the stack, and asks what others only warn of (run-lock.ts). */
  changes?: boolean;
  /** The command may bring a stack to a new place: it asks whether it belongs there. */
  founds?: boolean;
  /** The command can do without the state: one that is damaged or lost is told of in the session instead of thrown. */
  withoutState?: boolean;
}

/** One stack, opened: what every command on it works with. */
export interface Session {
  projectDir: string;
  /** Of the configuration, absolute; it need not be there. */
  configFile: string;
  paths: Paths;
  reporter: Reporter;
  interrupts: Interrupts;
  target: Target;
  cli: PulumiCli;
  stack: EngineStack;
  cloud: Cloud;
  /** Whose the credentials are. The fleet's own account: anything else was refused. */
  identity: Identity;
  state: StackState;
  /** Why the state cannot be read; then `state` is empty and must not be taken for the truth. */
  damaged?: SpotError;
  /** Why the state cannot be believed: damaged, missing, or ignorant of every instance (lost-state.ts). */
  lost?: SpotError;
  /** There is such a stack in the backend (perhaps without resources). */
  stackExists: boolean;
  settings: Partial<StackSettings>;
  /** Regions of the configuration, where there is one. */
  configured: string[];
  /** The fleet ID; minted here when the stack is new. */
  lineage: string;
  /** The folder of this lineage's keys and passphrase. */
  keys: string;
  /** Ids of unexplained objects that were told of: each is told once a run. */
  told: Set<string>;
}

/** A session of which AWS was asked nothing yet. */
export type Opened = Omit<Session, "identity" | "lost">;

/**
 * Opens a stack for a command that changes it or only reads, once it is proven that the credentials are of the account
 * that its fleet is in, and that its state can be believed.
 * @throws SpotError E_ACCOUNT, E_CREDENTIALS, E_DECLINED, and what `openPlace` throws
 */
export async function openSession(options: SessionOptions): Promise<Session> {
  const place = await openPlace({ ...options, withoutState: true });
  try {
    const elsewhere = newEndpoints(place, options.founds === true);
    if (elsewhere !== undefined) await settle(place, elsewhere, options.founds === true);
    if (!options.changes) tellOtherConfig(place);
    const regions = fleetRegions(place, place.configured);
    const identity = await ownIdentity(place.cloud, place, regions);
    const lost = await lostState(place, regions);
    if (lost && !options.withoutState) throw lost;
    return { ...place, identity, ...(lost ? { lost } : {}) };
  } catch (error) {
    place.cloud.close();
    throw error;
  }
}

/** Does work in a session of its own, which is closed however that ends. @throws as `openSession`, and what the work throws */
export async function inSession<T>(options: SessionOptions, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(options);
  try {
    return await work(session);
  } finally {
    session.cloud.close();
  }
}

/** Of a stack that another configuration changed last, what is shown may be surprising. */
function tellOtherConfig(place: Opened): void {
  const words = wordsOnConfig(place);
  if (words !== undefined)
    place.reporter.emit({ type: "message", level: "warning", subject: "config", message: words.fact });
}

/** What `up` asks, and any other command only says: it binds nothing. */
async function settle({ reporter, target }: Opened, { question, notice }: NewEndpoints, asks: boolean): Promise<void> {
  if (!asks) reporter.emit({ type: "message", level: "warning", subject: "endpoint", message: notice });
  else if (!(await reporter.confirm({ message: question, unattended: false }))) {
    throw new SpotError("E_DECLINED", {
      message: `stack ${target.stack} was not bound to another place than AWS; nothing was changed`,
      next: "Unset AWS_ENDPOINT_URL* (or `endpoint_url` of the profile) to act on AWS, or run again and answer yes, or give --yes.",
      step: outside("decide"),
    });
  }
}

/**
 * Opens a stack without asking AWS anything.
 * @throws SpotError E_STACK_MISMATCH when the stack belongs elsewhere, E_PULUMI_CLI, E_STATE, E_BACKEND, E_SANDBOX_*
 */
export async function openPlace(options: SessionOptions): Promise<Opened> {
  const { projectDir, env, reporter, interrupts } = options;
  const paths = pathsOf(env);
  const target = await resolveTarget({ ...options, paths, start: options.starts === true, signal: interrupts.soft });
  const cli = await obtainCli(paths, target.env, reporter, interrupts.soft);
  const engineEnv: NodeJS.ProcessEnv = {
    ...target.env,
    PATH: [cli.binDir, target.env.PATH].filter(Boolean).join(path.delimiter),
  };
  const stack = new EngineStack({
    cli,
    projectDir,
    stack: target.stack,
    env: engineEnv,
    keptDir: path.join(paths.state, "kept"),
    provider: {
      installed: target.sandbox ? providerOfSandbox(target.sandbox) : providerOnAws(target.env),
      memoFile: path.join(paths.cache, "checked-providers.json"),
      error: (cause) => providerError(cause, cli, target.sandbox?.provider),
    },
    interrupts: [interrupts.soft, interrupts.hard],
  });

  const { recorded, damaged } = await readState(stack, options.withoutState === true);
  const state = recorded ?? EMPTY_STATE;
  const settings = matchingSettings(target, stack, state);
  const lineage = fleetIdOf(stack, target.stack, state, settings) ?? newFleetId();
  const keys = path.join(target.keysDir, lineage);
  givePassphrase(engineEnv, target, keys);
  return {
    projectDir,
    configFile: options.configFile,
    paths,
    reporter,
    interrupts,
    target: { ...target, env: engineEnv },
    cli,
    stack,
    cloud: cloudOf(target, options.reading ? interrupts.soft : interrupts.hard),
    state,
    damaged,
    stackExists: recorded !== undefined || damaged !== undefined,
    settings,
    configured: options.regions ?? [],
    lineage,
    keys,
    told: new Set(),
  };
}

async function readState(
  stack: EngineStack,
  mayBeDamaged: boolean,
): Promise<{ recorded?: StackState; damaged?: SpotError }> {
  try {
    return { recorded: await stack.readState() };
  } catch (error) {
    if (mayBeDamaged && isSpotError(error) && error.code === "E_STATE") return { damaged: error };
    throw error;
  }
}

async function obtainCli(
  paths: Paths,
  env: NodeJS.ProcessEnv,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<PulumiCli> {
  const task = "pulumi";
  const started = Date.now();
  const told: string[] = [];
  const cli = await obtainPulumiCli({
    cacheDir: paths.cache,
    env,
    signal,
    report: (detail) => {
      told.push(detail);
      reporter.emit({ type: "task", task, state: "progress", detail });
    },
  });
  if (told.length > 0) reporter.emit({ type: "task", task, state: "done", seconds: (Date.now() - started) / 1000 });
  return cli;
}

/** The stack's settings, or what the state says of them where they are lost, when they belong to this target. */
function matchingSettings(target: Target, stack: EngineStack, state: StackState): Partial<StackSettings> {
  const own = readStackSettings(stack.configFile);
  const settings = own.lineage === undefined ? { ...own, ...state.record } : own;
  if (settings.lineage === undefined || settings.endpoint === target.endpoint) return settings;
  const ofEarlierSandbox = target.kind === "sandbox" && settings.endpoint !== undefined && holdsNothing(state);
  if (ofEarlierSandbox) {
    rmSync(stack.configFile, { force: true });
    return {};
  }
  const place = (endpoint: string | undefined) => (endpoint === undefined ? "AWS" : `the sandbox at ${endpoint}`);
  throw new SpotError("E_STACK_MISMATCH", {
    message: `stack ${target.stack} belongs to ${place(settings.endpoint)}, this command is for ${place(target.endpoint)}`,
  });
}

/** The file that holds the stack's passphrase; the user's own variables come first, but never into a sandbox. */
function givePassphrase(env: NodeJS.ProcessEnv, target: Target, keys: string): void {
  const given = env.PULUMI_CONFIG_PASSPHRASE !== undefined || env.PULUMI_CONFIG_PASSPHRASE_FILE !== undefined;
  if (target.kind === "aws" && given) return;
  delete env.PULUMI_CONFIG_PASSPHRASE;
  env.PULUMI_CONFIG_PASSPHRASE_FILE = path.join(keys, "passphrase");
}

/**
 * Makes the passphrase of a new fleet.
 * @returns true: it was made now
 * @throws SpotError E_KEY_LOST when the fleet exists and its passphrase is not on this machine; not where a service keeps
 *   the secrets
 */
export async function ensurePassphrase(session: Session): Promise<boolean> {
  const file = path.join(session.keys, "passphrase");
  if (session.target.env.PULUMI_CONFIG_PASSPHRASE_FILE !== file || existsSync(file)) return false;
  if (session.stackExists && !holdsNothing(session.state)) {
    if (await session.stack.sealed())
      throw new SpotError("E_KEY_LOST", {
        message: `the passphrase of stack ${session.target.stack}, ${file}, is not there`,
      });
    // Something else keeps its secrets.
    return false;
  }
  writeFileAtomic(file, `${randomBytes(24).toString("base64url")}\n`, 0o600);
  return true;
}

/** The session as it is after something changed the state. */
export async function reread(session: Session): Promise<Session> {
  const recorded = await session.stack.readState();
  return {
    ...session,
    state: recorded ?? EMPTY_STATE,
    damaged: undefined,
    lost: undefined,
    stackExists: recorded !== undefined,
  };
}

/** Only an emulated API has no hosts behind it. */
export function bootsHosts({ target }: Session): boolean {
  return target.sandbox?.mode !== "api";
}

/** This place knows of no fleet of the stack: there are no settings, and no state or one without resources and fleet ID. */
export function isUnrecorded({ state, damaged, settings }: Session): boolean {
  return (
    damaged === undefined && state.regions.length === 0 && state.lineage === undefined && settings.lineage === undefined
  );
}

/** Every region of configuration, record and settings. */
export function fleetRegions(
  { state, settings }: Pick<Session, "state" | "settings">,
  configured: string[] = [],
): string[] {
  return [...new Set([...configured, ...state.regions, ...Object.keys(settings.pins?.regions ?? {})])].sort();
}

/** The settings say where the fleet is, or was; where they are lost, the record says so of what it still holds alone. */
export function knowsRegions({ settings }: Pick<Session, "settings">): boolean {
  return settings.pins !== undefined;
}
