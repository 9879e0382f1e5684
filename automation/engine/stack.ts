import type { PulumiCommand as Command, Stack } from "@pulumi/pulumi/automation";
import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { SpotError, wordsOf, type ErrorCode } from "../../fleet/errors";
import { launchedNothing } from "../../fleet/aws/error-codes";
import { shortName } from "../../fleet/identity/ownership";
import { PROJECT, StackKey } from "../../fleet/plan/stack-config";
import { collectEvents, CREATES, DELETES, type EngineListener, type EngineReport } from "./events";
import { engineError, UPDATE_UNDER_WAY } from "./cli-errors";
import { KeptIngredients } from "./kept-ingredients";
import { KeptState, type ExportedState } from "./kept-state";
import {
  fileBackendRoot,
  fileLockOwners,
  lockOwners,
  removeLockFile,
  removeUnfinishedLocks,
  type LockOwner,
} from "./lock";
import { leanSdk } from "./lean-sdk";
import { runProcess, type ProcessResult } from "./process";
import type { PulumiCli } from "./pulumi-cli";
import { probeProvider, type InstalledProvider } from "./provider-probe";
import { RunNotes } from "./run-notes";
import { stateFilesOf, writeNewBackend, type StateBackup, type StateFiles } from "./state-files";
import { fleetSecretOf, recordUrn, stateOf, type StackState } from "./state";
import { inTemporaryFolder } from "../../system/temporary-folder";
import { runMark } from "./strays";

/** Where a stack lives and how its engine is run. */
export interface EngineOptions {
  cli: PulumiCli;
  /** The folder of Pulumi.yaml. */
  projectDir: string;
  stack: string;
  /** The whole environment of the CLI: backend, credentials, passphrase, endpoints. */
  env: NodeJS.ProcessEnv;
  /** Where notes and copies of states are kept for backends that are no folder of this machine. */
  keptDir: string;
  /** The AWS provider that the engine will start. */
  provider: {
    /** Absent: none that has to be looked at, or none at all yet. */
    installed: InstalledProvider | undefined;
    memoFile: string;
    /** It was looked at, and is the one that is needed. */
    isProven?: boolean;
    /** What a command ends with that cannot use it. */
    error(cause: string): SpotError;
  };
  /** A file that stands for the stack's settings. */
  settings?: string;
  /** What the nodes are made of, where it is kept for another stack of which this is a copy. */
  ingredients?: KeptIngredients;
  /** First abort: finish what is in flight, start nothing new. Second: stop now. */
  interrupts: [soft: AbortSignal, ...harder: AbortSignal[]];
}

/** Which resources an engine run is about. */
export interface EngineScope {
  /** Only these URNs (and what they depend on must exist already). Absent: all. */
  target?: string[];
  /** Replace these URNs although nothing about them changed. */
  replace?: string[];
}

export interface UpOptions extends EngineScope {
  /**
   * What a preview of the same scope answered as `plan`: the engine refuses every step that goes beyond it, before it is
   * taken.
   */
  plan?: string;
  /**
   * One resource after the other. The engine needs it of a run that leaves something out of its targets which the program
   * declares no more: resources that depend on it are then recorded beside it, and one that is recorded before it damages
   * the record (a race in step_generator.go, `getDependencySteps`, of Pulumi 3.255.0).
   */
  isSerial?: boolean;
  listener?: EngineListener;
  /** Aborted: finish what is in flight, begin nothing new, as if the user had interrupted once. */
  stop?: AbortSignal;
}

export interface DestroyOptions extends Pick<UpOptions, "target" | "listener" | "stop"> {
  exclude?: string[];
}

export interface PreviewOptions extends EngineScope {
  /** A file that stands for the stack's settings, which stay as they are. */
  settings?: string;
}

/** What the engine would do. */
export type EnginePreview = EngineOutcome & {
  /** By which an update is held to just that. Absent where not everything could be planned. */
  plan?: string;
};

/** The run ended: with every step done, or with what failed. A run that could not begin throws instead. */
export type EngineOutcome = EngineReport & { ok: boolean; interrupted: boolean };

/** One operation of the Automation API. */
type Operation = (stack: Stack, onEvent: ReturnType<typeof collectEvents>["onEvent"]) => Promise<unknown>;

/**
 * One stack on the real Pulumi engine. Reading (state, existence) spawns the CLI directly, so that commands that only
 * read do not pay for loading the SDK; running goes through the Automation API.
 */
export class EngineStack {
  /** What runs wrote down before they created anything. */
  readonly notes: RunNotes;
  /** What its nodes are made of. */
  readonly ingredients: KeptIngredients;
  /** The copy of the last whole state. */
  private readonly kept: KeptState;

  constructor(private readonly options: EngineOptions) {
    this.notes = new RunNotes(path.join(this.keptFolder, "runs.jsonl"));
    this.kept = new KeptState(path.join(this.keptFolder, "state.json"));
    this.ingredients = options.ingredients ?? new KeptIngredients(path.join(this.keptFolder, "ingredients.json"));
  }

  /** What belongs to the stack's record and the engine does not know; beside its own files where those are of this machine. */
  private get keptFolder(): string {
    const { backendUrl } = this;
    return backendUrl.startsWith("file://")
      ? path.join(fileBackendRoot(backendUrl), ".spot-deployer", this.ownName)
      : path.join(this.options.keptDir, this.key);
  }

  /** Where the fleet is kept that was verified last; the folder need not be there. */
  get keptFleet(): string {
    return path.join(this.keptFolder, "verified");
  }

  /** One name for this stack wherever it is kept: what locks and process marks go by. */
  get key(): string {
    return createHash("sha256").update(`${this.backendUrl} ${this.options.stack}`).digest("hex").slice(0, 16);
  }

  /** The files that hold the state; undefined for a backend that is no folder of this machine. */
  get stateFiles(): StateFiles | undefined {
    return stateFilesOf(this.backendUrl, this.options.stack);
  }

  /** `Pulumi.<stack>.yaml` of this stack. */
  get configFile(): string {
    return this.options.settings ?? path.join(this.options.projectDir, `Pulumi.${this.ownName}.yaml`);
  }

  /**
   * The state as recorded, secrets encrypted; undefined when there is no such stack. Needs no passphrase.
   * @throws SpotError E_STATE for a state that cannot be read, E_BACKEND for a backend that cannot be reached
   */
  async readState(): Promise<StackState | undefined> {
    const kept = this.stateFiles?.read();
    if (kept) {
      // The engine, which comes next, could not read past them.
      this.stateFiles?.dropCutAttributes();
      return kept;
    }
    if (this.stateFiles?.isUnused()) return undefined;
    const exported = await this.export();
    if (exported === undefined) return undefined;
    const state = stateOf(exported);
    const { stateFiles } = this;
    if (state.resources.length === 0 && stateFiles?.isWhole() === false)
      throw new SpotError("E_STATE", `the state of stack ${this.options.stack} is no state: ${stateFiles.state}`);
    return state;
  }

  /**
   * Keeps a copy of the state as it is now: call it before anything is begun, and when a run has ended. A state with
   * unfinished operations is no whole one, and leaves the copy as it is.
   * @throws SpotError E_BACKEND where the copy cannot be written
   */
  async keepState(): Promise<void> {
    const exported = this.stateFiles?.exported() ?? ((await this.export()) as ExportedState | undefined);
    if (exported !== undefined && stateOf(exported).pending.length === 0) this.kept.keep(exported);
  }

  /** Is a state the one that was kept last? Then it is as the last run of this program left it. */
  isKept(state: StackState): boolean {
    return JSON.stringify(this.kept.read()?.state) === JSON.stringify(state);
  }

  /** The states that can be restored, the newest first. */
  get savedStates(): StateBackup[] {
    return [this.kept.read(), this.stateFiles?.backup()]
      .flatMap((saved) => saved ?? [])
      .sort((a, b) => b.at.getTime() - a.at.getTime());
  }

  /** Puts a saved state in the state's place; answers where what stood there is kept, when there was anything. */
  async restore(saved: StateBackup & { exported?: ExportedState }): Promise<string | undefined> {
    if (this.stateFiles) return this.stateFiles.restore(saved);
    await this.ensure();
    await this.demand(["stack", "import", "--force", "--stack", this.options.stack], JSON.stringify(saved.exported));
    return undefined;
  }

  /** Forgets notes, copy and fleet: the stack is gone, and everything that it recorded. */
  forgetKept(): void {
    this.notes.forget();
    rmSync(this.keptFolder, { recursive: true, force: true });
  }

  /**
   * The fleet's secret as the state has it; undefined for a stack without one. One that cannot be read must not
   * be taken for a missing one: another in its place would change what nodes prove themselves by.
   * @throws SpotError E_KEY_LOST, E_PASSPHRASE, E_STATE, E_BACKEND
   */
  async readRecordedSecret(): Promise<string | undefined> {
    return fleetSecretOf(await this.export("--show-secrets"));
  }

  /** Reads a secret of the stack's configuration; undefined when it is not there. */
  async readSecretConfig(key: string): Promise<string | undefined> {
    // A new stack has none: no need to start the engine to be told so.
    if (!existsSync(this.configFile) || !readFileSync(this.configFile, "utf8").includes(key)) return undefined;
    const result = await this.pulumi(["config", "get", key, "--stack", this.options.stack]);
    if (result.code === 0) return result.stdout.trim();
    const failure = engineError(result);
    if (SEALED.includes(failure.code)) throw failure;
    return undefined;
  }

  /**
   * The value goes through standard input: a command line can be read by every user of the machine.
   * @param settings a file to write into in place of the stack's own settings
   */
  async writeSecretConfig(key: string, value: string, settings?: string): Promise<void> {
    await this.demand(
      [
        "config",
        "set",
        key,
        "--secret",
        "--stack",
        this.options.stack,
        ...(settings === undefined ? [] : ["--config-file", settings]),
      ],
      value,
    );
  }

  /**
   * Why the secrets in the stack's state or settings cannot be read, and so the engine can do nothing with the stack;
   * undefined: they can be. Each is asked, for a passphrase is proven only by a secret that there is.
   */
  async sealed(): Promise<SpotError | undefined> {
    const asked = [
      ["stack", "export", "--show-secrets"],
      ["config", "get", qualified(StackKey.fleetSecret)],
    ];
    const results = await Promise.all(asked.map((args) => this.pulumi([...args, "--stack", this.options.stack])));
    return results
      .filter(({ code }) => code !== 0)
      .map(engineError)
      .find(({ code }) => SEALED.includes(code));
  }

  async exists(): Promise<boolean> {
    return (await this.export()) !== undefined;
  }

  /** Makes the stack when it is not there yet. */
  async ensure(): Promise<void> {
    const result = await this.pulumi(["stack", "select", this.options.stack, "--create"]);
    if (result.code !== 0) throw engineError(result);
  }

  async up({ plan, ...options }: UpOptions = {}): Promise<EngineOutcome> {
    if (options.target?.length === 0) throw new Error("an engine run without targets would be one about everything");
    if (plan === undefined) return this.update(options);
    return inTemporaryFolder((folder) => {
      const file = path.join(folder, "plan.json");
      writeFileSync(file, plan, { mode: 0o600 });
      return this.update({ ...options, plan: file });
    });
  }

  /**
   * Brings the fleet's record, and nothing else, to what the settings say. Done even when the run was asked to stop: it is
   * part of leaving the stack in order.
   */
  writeRecord(): Promise<EngineOutcome> {
    const [, ...harder] = this.options.interrupts;
    return this.update({ target: [], isSerial: true }, harder);
  }

  private update(
    { listener, stop, isSerial, ...scope }: UpOptions,
    interrupts: readonly AbortSignal[] = this.options.interrupts,
  ): Promise<EngineOutcome> {
    const options = { ...this.withRecord(scope), continueOnError: true, parallel: isSerial ? 1 : PARALLEL };
    const up: Operation = (stack, onEvent) => stack.up({ onEvent, color: "never", ...options });
    return this.operate(listener, stop, up, interrupts);
  }

  /** The record says what a run declares, whatever the run is about: it is one of its targets. */
  private withRecord<Scope extends EngineScope>(scope: Scope): Scope {
    return scope.target === undefined ? scope : { ...scope, target: [...scope.target, recordUrn(this.options.stack)] };
  }

  /** Asks the engine what an `up` would do. Writes nothing: neither state nor settings nor lock. */
  async preview({ settings, ...scope }: PreviewOptions = {}): Promise<EnginePreview> {
    return inTemporaryFolder(async (folder) => {
      const plan = path.join(folder, "plan.json");
      const options = { ...this.withRecord(scope), parallel: PARALLEL, plan, configFile: settings };
      const outcome = await this.operate(undefined, undefined, (stack, onEvent) =>
        stack.preview({ onEvent, color: "never", ...options }),
      );
      return { ...outcome, ...(existsSync(plan) ? { plan: readFileSync(plan, "utf8") } : {}) };
    });
  }

  /** A service has the key of what it keeps: a copy of that could not be read. */
  get canBeCopied(): boolean {
    return !this.isAtService;
  }

  /** Pulumi Cloud, or another that speaks its protocol, keeps the stack. */
  private get isAtService(): boolean {
    return /^https?:/.test(this.backendUrl);
  }

  /**
   * The same stack on copies of its record and its settings in a folder of this machine: what is done there is nobody's.
   * @param folder which the caller makes and removes
   * @param isEmpty true: with nothing in it, and a passphrase of its own
   */
  async copiedTo(folder: string, isEmpty: boolean): Promise<EngineStack> {
    const { env, stack } = this.options;
    const exported = isEmpty ? undefined : (this.stateFiles?.exported() ?? ((await this.export()) as ExportedState));
    const backend = `file://${folder}`;
    writeNewBackend(folder, stack, exported?.deployment ?? { manifest: {} });
    const settings = path.join(folder, path.basename(this.configFile));
    if (existsSync(this.configFile)) copyFileSync(this.configFile, settings);
    return new EngineStack({
      ...this.options,
      settings,
      // Whoever keeps a stack elsewhere names its organisation, which a folder does not have.
      stack: this.ownName,
      keptDir: path.join(folder, "kept"),
      ingredients: this.ingredients,
      env: {
        ...env,
        PULUMI_BACKEND_URL: backend,
        ...(isEmpty
          ? { PULUMI_CONFIG_PASSPHRASE: randomBytes(24).toString("hex"), PULUMI_CONFIG_PASSPHRASE_FILE: undefined }
          : {}),
      },
    });
  }

  /** Asks the provider what became of these resources and forgets those that are gone. */
  async refresh(target: string[]): Promise<EngineOutcome> {
    return this.operate(undefined, undefined, (stack, onEvent) =>
      stack.refresh({ onEvent, target, parallel: PARALLEL, color: "never", configFile: this.options.settings }),
    );
  }

  /** @param options `exclude`: URNs of what stays, all of them recorded */
  async destroy({ listener, stop, ...scope }: DestroyOptions = {}): Promise<EngineOutcome> {
    return this.operate(listener, stop, (stack, onEvent) =>
      stack.destroy({ onEvent, continueOnError: true, parallel: PARALLEL, color: "never", ...scope }),
    );
  }

  private get backendUrl(): string {
    return this.options.env.PULUMI_BACKEND_URL ?? "";
  }

  /** Without organisation and project. */
  private get ownName(): string {
    return shortName(this.options.stack);
  }

  /** Removes locks that were never finished: no engine works on a stack that has one. */
  async clearUnfinishedLocks(): Promise<void> {
    if (this.backendUrl.startsWith("file://")) await removeUnfinishedLocks(this.backendUrl, this.ownName);
  }

  /** Who holds the stack's lock; nobody: empty. */
  async lockOwners(): Promise<LockOwner[]> {
    if (this.backendUrl.startsWith("file://")) return fileLockOwners(this.backendUrl, this.ownName);
    if (this.isAtService) return [];
    // Other backends tell it only by refusing: an operation on a resource that does not exist takes the lock first.
    const nothing = `urn:pulumi:${this.ownName}::${PROJECT}::spot-deployer:lock:Probe::none`;
    const probe = await this.pulumi(
      ["refresh", "--yes", "--skip-preview", "--target", nothing, "--stack", this.options.stack],
      undefined,
      // It would fetch a provider that it does not need, for as long as that takes.
      { PULUMI_OPTION_SKIP_PLUGIN_PRE_INSTALL: "true" },
    );
    return lockOwners(`${probe.stderr}\n${probe.stdout}`);
  }

  /**
   * Refuses where a service knows of an update of the stack that is under way. Asked of it, not tried: each try would be one
   * more update in the stack's history there.
   * @throws SpotError E_LOCKED
   */
  async refuseUpdateUnderWay(): Promise<void> {
    if (!this.isAtService) return;
    const result = await this.pulumi(["stack", "--stack", this.options.stack]);
    const { code, stdout, stderr } = result;
    if (code !== 0) {
      const failure = engineError(result);
      if (/no stack named/i.test(stderr) || SEALED.includes(failure.code)) return;
      throw failure;
    }
    const update = /^ +(?<kind>\w+) in progress:\s+Started: (?<started>.*)\s+Requested By: (?<user>.*)$/m.exec(stdout);
    if (update?.groups === undefined) return;
    const { kind = "", started = "", user = "" } = update.groups;
    throw new SpotError("E_LOCKED", {
      message: `stack ${this.options.stack} is in use: ${kind.toLowerCase()} by ${user}, begun ${started}; whether it still runs cannot be seen from here`,
      ...UPDATE_UNDER_WAY,
    });
  }

  /** Clears locks whose owners were proven dead: the engine itself checks nothing, and would clear every lock there is. */
  async clearLocks(owners: LockOwner[]): Promise<void> {
    const files = owners.flatMap(({ file }) => file ?? []);
    if (files.length === owners.length) files.forEach(removeLockFile);
    else await this.demand(["cancel", "--yes", this.options.stack]);
  }

  /** Drops what a killed run left as pending: the engine would only warn of it for ever. */
  async clearPendingOperations(): Promise<void> {
    const exported = (await this.export()) as { deployment?: { pending_operations?: unknown } } | undefined;
    if (!exported?.deployment?.pending_operations) return;
    delete exported.deployment.pending_operations;
    await this.demand(["stack", "import", "--stack", this.options.stack], JSON.stringify(exported));
  }

  /** Forgets the stack and its history, whatever it holds (components, and providers of nothing); its settings stay. */
  async remove(): Promise<void> {
    await this.demand(["stack", "rm", "--yes", "--force", "--preserve-config", this.options.stack]);
  }

  /** @throws SpotError E_STATE for a state that is cut off, or empty as no engine writes it */
  private async export(...more: string[]): Promise<unknown> {
    const read = () => this.pulumi(["stack", "export", ...more, "--stack", this.options.stack]);
    let result = await read();
    if (result.code !== 0 && this.stateFiles?.dropCutAttributes()) result = await read();
    if (result.code !== 0) {
      if (/no stack named/i.test(result.stderr)) return undefined;
      throw engineError(result);
    }
    try {
      return JSON.parse(result.stdout) as unknown;
    } catch (cause) {
      throw new SpotError("E_STATE", { message: `the state of stack ${this.options.stack} cannot be read`, cause });
    }
  }

  /** @throws SpotError E_BACKEND where nothing came of it in a long time: the CLI waits for ever for a service that is silent */
  private async pulumi(args: string[], stdin?: string, more: NodeJS.ProcessEnv = {}): Promise<ProcessResult> {
    const { cli, projectDir, env } = this.options;
    const patience = AbortSignal.timeout(PATIENCE_MS);
    const result = await runProcess(cli.command, [...args, "--non-interactive", "--color", "never"], {
      cwd: projectDir,
      env: { ...env, ...more },
      stdin,
      interrupts: [patience, AbortSignal.timeout(PATIENCE_MS + GRACE_MS)],
    });
    if (patience.aborted && result.code !== 0)
      throw new SpotError("E_BACKEND", `the state backend did not answer within ${PATIENCE_MS / 1000} s`);
    return result;
  }

  private async demand(args: string[], stdin?: string): Promise<ProcessResult> {
    const result = await this.pulumi(args, stdin);
    if (result.code !== 0) throw engineError(result);
    return result;
  }

  /** Before anything is begun with it. @throws SpotError E_PROVIDER, E_INTERRUPTED */
  private async proveProvider(interrupts: readonly AbortSignal[]): Promise<void> {
    const { provider, env } = this.options;
    if (provider.isProven || provider.installed === undefined) return;
    const signal = AbortSignal.any([...interrupts]);
    try {
      await probeProvider(provider.installed, { env, memoFile: provider.memoFile, signal });
      provider.isProven = true;
    } catch (error) {
      if (signal.aborted) throw new SpotError("E_INTERRUPTED", "the run was interrupted; nothing more was begun");
      throw provider.error(wordsOf(error));
    }
  }

  /** Runs one operation of the Automation API and turns its events, its exit code and its texts into an outcome. */
  private async operate(
    listener: EngineListener | undefined,
    stop: AbortSignal | undefined,
    operation: Operation,
    interrupts: readonly AbortSignal[] = this.options.interrupts,
  ): Promise<EngineOutcome> {
    const {
      LocalWorkspace,
      PulumiCommand,
      Stack: AutomationStack,
    } = await import("@pulumi/pulumi/automation/index.js");
    const { SemVer } = await import("semver");
    const { cli, projectDir, env, stack: name } = this.options;
    const [soft, ...harder] = interrupts;
    // A wish to stop that came before the engine began would never reach it.
    if (interrupts.some(({ aborted }) => aborted))
      throw new SpotError("E_INTERRUPTED", "the run was interrupted; nothing more was begun");
    await this.proveProvider(interrupts);
    let last: ProcessResult | undefined;
    const noting = this.noting(listener);
    const stops = [stop, noting.stop].flatMap((signal) => signal ?? []);
    // Its own constructor is private, and its factory would run the CLI once more to ask for its version.
    const pulumiCommand = Object.assign(Object.create(PulumiCommand.prototype) as Command, {
      command: cli.command,
      version: new SemVer(cli.version),
      run: async (
        args: string[],
        cwd: string,
        extra: Record<string, string>,
        onOut?: (s: string) => void,
        onErr?: (s: string) => void,
      ) => {
        const spared = args[0] === "stack" ? SPARED[args[1] ?? ""] : undefined;
        if (spared !== undefined) return answer(spared);
        last = await runProcess(cli.command, [...args, "--non-interactive"], {
          cwd,
          env: { ...env, ...extra, ...runMark(this.key), NODE_OPTIONS: leanSdk(env.NODE_OPTIONS) },
          onStdout: onOut,
          onStderr: onErr,
          interrupts: [AbortSignal.any([...(soft ? [soft] : []), ...stops]), ...harder],
        });
        if (last.code !== 0) throw new Error("the operation failed");
        return answer(last.stdout, last.stderr);
      },
    });
    const workspace = await LocalWorkspace.create({
      workDir: projectDir,
      pulumiCommand,
    });
    const events = collectEvents(noting.listener);
    const stack = await AutomationStack.select(name, workspace);
    try {
      await operation(stack, events.onEvent);
    } catch (error) {
      if (last === undefined || last.code === 0) throw error;
    }
    noting.throwIfFailed();
    const report = events.report();
    const interrupted = report.canceled || interrupts.some((signal) => signal.aborted);
    const told = report.failures.length > 0 || report.programErrors.length > 0 || interrupted || stop?.aborted === true;
    const ok = last?.code === 0 || (report.leavesOut && !told);
    if (!ok && last && !told) throw engineError(last);
    return { ...report, ok, interrupted: interrupted && !ok };
  }

  /**
   * Notes each creation before it is known how it ends. Where nothing can be noted, nothing more is begun: what would be
   * made then could not be told from what others made.
   */
  private noting(listener: EngineListener = {}): {
    listener: EngineListener;
    stop: AbortSignal;
    throwIfFailed(): void;
  } {
    const stop = new AbortController();
    const note = (write: () => void): void => {
      try {
        if (!stop.signal.aborted) write();
      } catch (error) {
        // The SDK swallows what is thrown here.
        stop.abort(error);
      }
    };
    return {
      stop: stop.signal,
      throwIfFailed: () => stop.signal.throwIfAborted(),
      listener: {
        attempt: (step) => note(() => this.notes.attempt(step)),
        ending: (step) => listener.ending?.(step),
        step: (step) => {
          if (CREATES.has(step.op)) note(() => this.notes.made(step));
          if (DELETES.has(step.op)) note(() => this.notes.deleted(step));
          listener.step?.(step);
        },
        failure: (failure) => {
          if (CREATES.has(failure.step.op) && launchedNothing(failure.message))
            note(() => this.notes.refused(failure.step));
          listener.failure?.(failure);
        },
      },
    };
  }
}

/**
 * Engine parallelism. Fresh instances wait on AWS, not on this machine; above this RunInstances' request bucket
 * (5, then 2 a second and region) only answers with throttling.
 */
const PARALLEL = 32;

/** For a command that reads or writes a state once, which takes from a tenth of a second to some. */
const PATIENCE_MS = 90_000;
/** What is interrupted once may still wait for an answer. */
const GRACE_MS = 5_000;

/** What comes of a state whose secrets the engine cannot read. */
const SEALED: readonly ErrorCode[] = ["E_KEY_LOST", "E_PASSPHRASE"];

/**
 * Commands that the SDK runs around an update and that this program answers itself: selecting was done by `ensure`,
 * and what outputs and history would tell is in the events. Each is a spawn whose failure would hide that the update
 * succeeded.
 */
const SPARED: Record<string, string> = { select: "", output: "{}", history: "[]" };

/** What the SDK expects of a command that succeeded (its own class is not exported). */
function answer(stdout: string, stderr = ""): { stdout: string; stderr: string; code: number } {
  return { stdout, stderr, code: 0 };
}

/** The engine's name of one of our configuration keys. */
export function qualified(key: (typeof StackKey)[keyof typeof StackKey]): string {
  return `${PROJECT}:${key}`;
}
