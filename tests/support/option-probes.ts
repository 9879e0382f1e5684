import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { CommandDefinition } from "../../cli/runtime/command";
import type { OptionName } from "../../cli/runtime/options";
import type { Outcome, Workbench } from "./workbench";

/** No credentials, and no place to ask for some: nothing beyond this machine is reached. */
const NO_AWS: NodeJS.ProcessEnv = {
  AWS_CONFIG_FILE: "/dev/null",
  AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
  AWS_EC2_METADATA_DISABLED: "true",
  AWS_ACCESS_KEY_ID: undefined,
  AWS_PROFILE: undefined,
};

/** A way to see an option's effect that is the same for every command which has it. */
export type Probe = (stage: ProbeStage, command: CommandDefinition) => Promise<void>;

/**
 * A running sandbox, and commands that end early in a way of their own: on a stack that belongs to AWS when they act on
 * the sandbox, and the reverse.
 */
export class ProbeStage {
  readonly ofAws: string;
  private readonly ofSandbox: string;
  private readonly instances: string;
  /** By command line and environment: what several probes ask for is run once, since it changes nothing. */
  private readonly outcomes = new Map<string, Promise<Outcome & { pid: number }>>();

  constructor(readonly bench: Workbench) {
    this.ofAws = `${bench.stack}-aws`;
    this.ofSandbox = `${bench.stack}-sandbox`;
    this.instances = path.join(bench.dir, "instances.json");
    const lineage = 'config:\n  spot-deployer:lineage: "0123456789abcdef"\n';
    writeFileSync(this.file(this.ofAws), lineage);
    writeFileSync(this.file(this.ofSandbox), `${lineage}  spot-deployer:endpoint: http://127.0.0.1:9\n`);
    writeFileSync(this.instances, '[{"instance_id": "i-00000000000000000", "region": "us-east-1"}]');
  }

  [Symbol.dispose](): void {
    for (const stack of [this.ofAws, this.ofSandbox]) rmSync(this.file(stack), { force: true });
  }

  private file(stack: string): string {
    return path.join(this.bench.root, `Pulumi.${stack}.yaml`);
  }

  /** Runs a command with what it cannot do without, and these options. */
  run({ name, positionals, rest }: CommandDefinition, ...options: string[]): Promise<Outcome & { pid: number }> {
    const words = WORDS[name]?.(this.instances) ?? Array<string>(positionals?.min ?? 0).fill("us-west-2-0");
    return this.once([name, ...words, ...options, ...(rest === undefined ? [] : ["--", "true"])], NO_AWS);
  }

  private once(line: string[], env?: NodeJS.ProcessEnv): Promise<Outcome & { pid: number }> {
    const key = JSON.stringify([line, env]);
    const known = this.outcomes.get(key);
    if (known) return known;
    const running = this.bench.start(line, { plain: true, env });
    const outcome = running.done.then((done) => ({ ...done, pid: running.child.pid! }));
    this.outcomes.set(key, outcome);
    return outcome;
  }

  /** As `run`, on a stack that belongs elsewhere; `import` has none, and asks AWS, which is not there. */
  halted(command: CommandDefinition, ...options: string[]): Promise<Outcome & { pid: number }> {
    const stack = options.includes("--sandbox=api") ? this.ofAws : this.ofSandbox;
    return this.run(command, ...(command.options.includes("stack") ? ["--stack", stack] : []), ...options);
  }

  /** Runs a command whose configuration is missing, or that misses something else. */
  failing(command: CommandDefinition, ...options: string[]): Promise<Outcome> {
    if (command.name === "import") return this.once(["import", path.join(this.bench.dir, "none.json"), ...options]);
    if (command.name === "status")
      return this.once(["status", "--sandbox=api", ...options], {
        SPOT_SANDBOX_HOME: path.join(this.bench.dir, "none"),
      });
    if (command.name === "setup")
      return this.run(command, "--defaults", "--config", path.join(this.bench.dir, "none/config.yaml"), ...options);
    return this.run(command, ...(command.options.includes("config") ? ["--config", this.missing] : []), ...options);
  }

  get missing(): string {
    return path.join(this.bench.dir, "missing.yaml");
  }

  /** The log of a run outside the sandbox, which is then removed. */
  logOf({ name }: CommandDefinition, pid: number): string {
    const folder = path.join(this.bench.root, ".spot/logs");
    const found = readdirSync(folder).find((file) => file.endsWith(`-${name}-${pid}.log`));
    if (found === undefined) return "";
    const text = readFileSync(path.join(folder, found), "utf8");
    rmSync(path.join(folder, found));
    return text;
  }
}

/** What else than a node's name a command needs behind it. */
const WORDS: Record<string, (instances: string) => string[]> = {
  import: (instances) => [instances],
  replace: () => ["us-west-2-0"],
  sandbox: () => ["interrupt", "nobody"],
};

const STACK_TRACE = /\n\s+at \S/;
const DEBUG_LINE = /^\[target\] DEBUG: /m;
const HIDDEN_CURSOR = "\u001b[?25l";

/** Options that do the same wherever they stand. A command that takes one is tried without a word more. */
export const probes: Partial<Record<OptionName, Probe>> = {
  async sandbox(stage, command) {
    if (command.name === "status") {
      const there = await stage.run(command, "--sandbox=api");
      assert.match(there.stdout, new RegExp(`^\\w+ .*${stage.ofAws}`), "the sandbox's own last run");
      assert.ok(!(await stage.run(command)).stdout.includes(stage.ofAws));
      return;
    }
    if (command.name === "sandbox") {
      // It acts on the sandbox whether or not that is said.
      const [said, unsaid] = [await stage.run(command, "--sandbox"), await stage.run(command)];
      assert.match(said.stderr, /no node nobody runs in the sandbox/);
      assert.deepEqual([said.stdout, said.stderr, said.code], [unsaid.stdout, unsaid.stderr, unsaid.code]);
      return;
    }
    const [inside, outside] = [await stage.halted(command, "--sandbox=api"), await stage.halted(command)];
    if (command.name === "sandbox") {
      assert.match(inside.stderr, /no node nobody runs in the sandbox/);
      assert.deepEqual([inside.code, inside.stderr], [outside.code, outside.stderr], "it acts there anyway");
      return;
    }
    if (command.name === "import") {
      assert.match(inside.stdout, /i-0{17} .* gone/);
      assert.match(outside.stderr, /Could not load credentials/);
      return;
    }
    assert.match(inside.stderr, /this command is for the sandbox at/);
    assert.match(outside.stderr, /this command is for AWS/);
  },

  async stack(stage, command) {
    const { stderr } = await stage.halted(command, "--sandbox=api");
    assert.match(stderr, new RegExp(`E_STACK_MISMATCH: stack ${stage.ofAws} belongs to AWS`));
  },

  async profile(stage, command) {
    const { pid } = await stage.halted(command, "--profile", "night-shift");
    assert.match(stage.logOf(command, pid), /\[target\] DEBUG: AWS, credentials: profile night-shift;/);
  },

  async config(stage, command) {
    if (command.name === "setup") {
      const file = path.join(stage.bench.dir, "made.yaml");
      assert.match((await stage.run(command, "--defaults", "--config", file)).stdout, /Wrote .*made\.yaml/);
      assert.match(readFileSync(file, "utf8"), /^regions:/m);
      return;
    }
    const { stderr, code } = await stage.run(command, "--config", stage.missing);
    assert.equal(code, 2);
    assert.match(stderr, /E_CONFIG_MISSING: .*missing\.yaml cannot be read/);
  },

  async json(stage, command) {
    const [told, asked] = [await stage.failing(command), await stage.failing(command, "--json")];
    assert.equal(told.stdout, "");
    assert.match(told.stderr, /^ERROR E_/m);
    const { type, error } = JSON.parse(asked.stdout.trim().split("\n").at(-1)!) as {
      type: string;
      error: { code: string; next: string };
    };
    assert.equal(type, "error");
    assert.match(told.stderr, new RegExp(`ERROR ${error.code}: `));
    assert.ok(error.next !== "");
    assert.equal(asked.stderr, "");
    assert.equal(asked.code, told.code);
  },

  async verbose(stage, command) {
    assert.doesNotMatch((await stage.halted(command, "--sandbox=api")).stderr, DEBUG_LINE);
    assert.match((await stage.halted(command, "--sandbox=api", "--verbose")).stderr, DEBUG_LINE);
  },

  async debug(stage, command) {
    assert.doesNotMatch((await stage.failing(command)).stderr, STACK_TRACE);
    assert.match((await stage.failing(command, "--debug")).stderr, STACK_TRACE);
  },

  async "log-file"(stage, command) {
    const file = path.join(stage.bench.dir, `${command.name}.log`);
    await stage.halted(command, "--sandbox=api", "--log-file", file);
    assert.match(
      readFileSync(file, "utf8"),
      new RegExp(`^\\S+Z spot ${command.name} [^]*E_STACK_MISMATCH[^]*exit code 1 after`),
    );
  },

  async plain(stage, command) {
    const inTerminal = async (...options: string[]): Promise<string> => {
      const line = [
        process.execPath,
        path.join(stage.bench.root, "dist/cli/main.js"),
        command.name,
        ...(WORDS[command.name]?.("") ?? []),
        "--sandbox=api",
        "--stack",
        stage.ofAws,
        ...options,
      ];
      const { stdout } = await stage.bench.start(["-qec", line.map((word) => `'${word}'`).join(" "), "/dev/null"], {
        plain: true,
        command: ["script"],
        env: { ...NO_AWS, CI: undefined, TERM: "xterm" },
      }).done;
      assert.match(stdout, /E_STACK_MISMATCH/);
      return stdout;
    };
    assert.ok((await inTerminal()).includes(HIDDEN_CURSOR), "the live view hides the cursor while it draws");
    assert.ok(!(await inTerminal("--plain")).includes(HIDDEN_CURSOR));
  },
};
