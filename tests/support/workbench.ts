import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { DescribeInstancesCommand, DescribeVpcsCommand, EC2Client, type Instance } from "@aws-sdk/client-ec2";
import { Fleet } from "../../automation";
import type { ListedNode } from "../../automation/operations/inspect/list";
import { packageRoot } from "../../project/package-root";
import { clientOf, control, startSandbox, testProvider, until } from "./sandbox";
import { attach, OPERATOR, put, type PolicyName } from "./policies";
import { giveBack, takeHome } from "./sandbox-pool";
import { sandboxStatus, stopSandbox, type Sandbox, type SandboxMode } from "../../sandbox/control";
import { isRunning, markOf, processStat } from "../../system/process";

export interface Outcome {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  done: Promise<Outcome>;
  /** Resolves when what was printed so far matches; rejects when the process ends without. */
  printed(pattern: RegExp): Promise<void>;
}

/** The regions that tests use, in the order of the shipped configuration. */
export const REGIONS = ["us-west-2", "us-east-1", "eu-west-1"];

/**
 * One user's machine: a sandbox of its own, a stack of its own, a configuration and payload of its own, and the real
 * executable to run. Everything goes with `dispose`, whatever happened, but for a sandbox that the next test takes over.
 */
export class Workbench {
  readonly dir = mkdtempSync(path.join(os.tmpdir(), "spot bench "));
  /** The sandbox's. */
  readonly home: string;
  readonly stack = `t-${path.basename(this.dir).slice(-6)}`;
  readonly configFile = path.join(this.dir, "config.yaml");
  readonly root = packageRoot();
  /** URL of the backend of its stacks; undefined: the sandbox's own. */
  backend: string | undefined;
  /** The login there. */
  token: string | undefined;
  private readonly temporary = path.join(this.dir, "tmp");
  private readonly children = new Set<ChildProcess>();

  constructor(readonly mode: SandboxMode = "api") {
    this.home = mode === "api" ? takeHome() : path.join(this.dir, "sandbox");
    mkdirSync(this.temporary);
    attach(this.home, ...OPERATOR);
    this.config();
  }

  get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      HOME: this.dir,
      // An engine's helper that is killed leaves its pipes behind: here they go with the bench.
      TMPDIR: this.temporary,
      XDG_CACHE_HOME: process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), ".cache"),
      XDG_CONFIG_HOME: path.join(this.dir, "xdg-config"),
      XDG_STATE_HOME: path.join(this.dir, "xdg-state"),
      SPOT_SANDBOX_HOME: this.home,
      SPOT_SANDBOX_PROVIDER: testProvider,
      ...(testProvider === "official"
        ? { PULUMI_HOME: process.env.PULUMI_HOME || path.join(os.homedir(), ".pulumi") }
        : {}),
      SPOT_SANDBOX_BACKEND: this.backend,
      PULUMI_ACCESS_TOKEN: this.token,
      NO_COLOR: "1",
      CI: "true",
    };
  }

  /** The stack's file beside Pulumi.yaml. */
  get stackFile(): string {
    return path.join(this.root, `Pulumi.${this.stack}.yaml`);
  }

  /** Writes config.yaml: nodes by region, and further lines at the top level or under `aws:`. */
  config(
    counts: Record<string, number> = { "us-west-2": 1, "us-east-1": 1, "eu-west-1": 1 },
    more: { top?: string[]; aws?: string[]; region?: string[] } = {},
  ): void {
    const lines = [
      ...(more.top ?? []),
      "aws:",
      "  username: ubuntu",
      ...(more.aws ?? []).map((line) => `  ${line}`),
      "regions:",
      ...Object.entries(counts).flatMap(([region, count]) => [
        `  - ${region}:`,
        ...(more.region?.some((line) => line.startsWith("machine_type:")) ? [] : ["      machine_type: t3.medium"]),
        `      instances_per_region: ${count}`,
        ...(more.region ?? []).map((line) => `      ${line}`),
      ]),
    ];
    writeFileSync(this.configFile, `${lines.join("\n")}\n`);
  }

  /** Starts `spot COMMAND` as a user would; the sandbox, stack and configuration are this bench's. */
  start(
    args: string[],
    options: { env?: NodeJS.ProcessEnv; plain?: boolean; command?: [string, ...string[]] } = {},
  ): Running {
    const [name, ...rest] = args;
    const own = options.plain
      ? []
      : [
          `--sandbox=${this.mode}`,
          "--stack",
          this.stack,
          ...(name === "env" || name === "sandbox" ? [] : ["--config", this.configFile]),
        ];
    const [command, ...before] = options.command ?? [process.execPath, path.join(this.root, "dist/cli/main.js")];
    const child = spawn(command, [...before, name!, ...own, ...rest], {
      cwd: this.root,
      env: { ...this.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    this.children.add(child);
    let stdout = "";
    let stderr = "";
    const watchers = new Set<() => void>();
    const told = () => watchers.forEach((watcher) => watcher());
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      told();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      told();
    });
    const done = new Promise<Outcome>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => {
        this.children.delete(child);
        resolve({ code, signal, stdout, stderr });
      });
    });
    const printed = (pattern: RegExp) =>
      new Promise<void>((resolve, reject) => {
        const look = () => {
          if (!pattern.test(stdout + stderr)) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
        void done.then((outcome) =>
          reject(
            new Error(`ended (${outcome.code}) before it printed ${pattern}:\n${outcome.stdout}${outcome.stderr}`),
          ),
        );
      });
    return { child, done, printed };
  }

  async spot(args: string[], options: Parameters<Workbench["start"]>[1] = {}): Promise<Outcome> {
    if (args[0] !== "cleanup-vpcs") return this.start(args, options).done;
    await this.allow("operator", "instance-profile", "cleanup-vpcs");
    try {
      return await this.start(args, options).done;
    } finally {
      await this.allow(...OPERATOR);
    }
  }

  /** Attaches these documents, and no other, to those who work with the fleet. Tests look and meddle as administrators. */
  async allow(...policies: PolicyName[]): Promise<void> {
    attach(this.home, ...policies);
    const sandbox = await sandboxStatus(this.home);
    if (sandbox) await put(sandbox, ...policies);
  }

  /** Runs a `pulumi` command as somebody does who goes without this program, after `eval "$(spot env)"`. */
  async pulumi(...args: string[]): Promise<Outcome> {
    const { stdout } = await this.spot(["env"]);
    const script = `${stdout}\nexec pulumi "$@" --non-interactive`;
    return this.start(["-c", script, "sh", ...args], { plain: true, command: ["sh"] }).done;
  }

  /** What `list` answers; in this process, for it is asked often and a process takes a second of a core. */
  async nodes(): Promise<ListedNode[]> {
    const { configFile: config, env, mode: sandbox, stack } = this;
    const { nodes, problem, failedRegions } = await new Fleet({
      config,
      env,
      sandbox,
      stack,
      reporter: { emit: () => undefined, confirm: () => Promise.resolve(false) },
    }).list();
    const failed = problem ?? failedRegions[0]?.error;
    if (failed) throw new Error(`list failed: ${failed.code}: ${failed.message}`);
    return nodes;
  }

  /** Starts the sandbox, as the first command that changes anything would: for what must be set before that. */
  async begin(): Promise<void> {
    await startSandbox(this.home, this.mode);
  }

  async sandbox(): Promise<Sandbox> {
    const status = await sandboxStatus(this.home);
    if (!status) throw new Error("the sandbox is not running");
    return status;
  }

  /** A control path of the sandbox: faults, calls. */
  async control<T>(method: string, place: string, body?: unknown): Promise<T> {
    return control<T>(await this.sandbox(), method, place, body);
  }

  /** An independent look at the emulated AWS: what is alive, whatever our own code believes. */
  async live(regions: readonly string[] = REGIONS): Promise<{ instances: Instance[]; vpcs: string[] }> {
    const sandbox = await this.sandbox();
    const instances: Instance[] = [];
    const vpcs: string[] = [];
    for (const region of regions) {
      const client = new EC2Client(clientOf(sandbox, region));
      const answer = await client.send(new DescribeInstancesCommand({}));
      instances.push(
        ...(answer.Reservations ?? [])
          .flatMap(({ Instances }) => Instances ?? [])
          .filter(({ State }) => State?.Name !== "terminated"),
      );
      vpcs.push(
        ...((await client.send(new DescribeVpcsCommand({}))).Vpcs ?? [])
          .filter(({ IsDefault }) => !IsDefault)
          .map(({ VpcId }) => VpcId!),
      );
      client.destroy();
    }
    return { instances, vpcs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pids = [...this.children].flatMap(({ pid }) => (pid === undefined ? [] : [...descendants(pid), pid]));
    const ending = pids.flatMap((pid) => markOf(pid) ?? []);
    pids.forEach(kill);
    // What was killed may still write, until it has ended.
    await until("what was killed ended", () => !ending.some(isRunning));
    await (this.mode === "api" ? giveBack(this.home) : stopSandbox(this.home));
    rmSync(this.stackFile, { force: true });
    // Unlike rmSync it lists a folder again into which something was written meanwhile.
    await rm(this.dir, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Process ids below one, children first to be found last: ended in this order none can start another. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number[]>();
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const parent = processStat(Number(name))?.parent;
    // Else it ended while we looked.
    if (parent !== undefined) parents.set(parent, [...(parents.get(parent) ?? []), Number(name)]);
  }
  const below = (id: number): number[] => (parents.get(id) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}

/** SIGKILL by id; a process that is gone already is what is wanted. */
export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
