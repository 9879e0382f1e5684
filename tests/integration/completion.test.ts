import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { writeStackSettings } from "../../automation/engine/stack-config";
import type { NodePin } from "../../fleet/model";
import { packageRoot } from "../../project/package-root";
import { FIRST_RUN_MS } from "../support/sandbox";
import { hasTmux, TestTerminal } from "../support/terminal";

const CLI = path.join(packageRoot(), "dist/cli/main.js");
const NODES = ["us-west-2-0", "us-west-2-1", "eu-west-1-0"];
const WESTERN = ["us-west-2-0", "us-west-2-1"];

/** What each shell must offer at the end of a line. */
const offers = (stack: string): [line: string[], offered: string[]][] => [
  [["ver"], ["verify", "version"]],
  [["list", "--ca"], ["--cached"]],
  [["completion", "f"], ["fish"]],
  [["sandbox", "i"], ["interrupt"]],
  [["ssh", "--stack", stack, "us-"], WESTERN],
  [["verify", "--stack", stack, "--node", "us-"], WESTERN],
  [["ssh", "--stack", stack, "--deb"], ["--debug"]],
  [["ssh", "--stack", "nowhere", "us-"], []],
];

describe("completion", function () {
  this.timeout(FIRST_RUN_MS);
  let dir: string;
  let stack: string;
  let env: NodeJS.ProcessEnv;
  const stackFile = () => path.join(packageRoot(), `Pulumi.${stack}.yaml`);

  beforeEach(() => {
    dir = mkdtempSync(path.join(os.tmpdir(), "spot-completion-"));
    stack = `t-${path.basename(dir).slice(-6)}`;
    const program = path.join(dir, "spot");
    writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`);
    chmodSync(program, 0o755);
    env = { PATH: `${dir}:${process.env.PATH}`, HOME: dir };
    const nodes = Object.fromEntries(
      NODES.map((name): [string, NodePin] => [
        name,
        {
          ami: "ami-0",
          pool: {
            region: name.slice(0, -2),
            availabilityZone: `${name.slice(0, -2)}a`,
            instanceType: "t3.micro",
            market: "spot",
          },
        },
      ]),
    );
    writeStackSettings(stackFile(), {
      lineage: "0123456789abcdef",
      configFile: "config.yaml",
      endpoint: undefined,
      endpoints: undefined,
      account: undefined,
      providerRegion: undefined,
      pins: {
        version: 1,
        regions: {},
        nodes,
        launches: {},
        unplaced: {},
        ssh: { publicKey: "", allow: [], callers: [] },
      },
    });
  });
  afterEach(() => {
    rmSync(stackFile(), { force: true });
    rmSync(dir, { recursive: true, force: true });
  });

  const spot = (...args: string[]) => spawnSync(process.execPath, [CLI, ...args], { cwd: dir, encoding: "utf8", env });
  const rows = (text: string): string[] =>
    text
      .split("\n")
      .map((row) => row.split("\t")[0]!.trim())
      .filter((row) => row !== "");

  it("knows the nodes of the stack that is typed, and says nothing where it knows none", () => {
    const asked = (...words: string[]) => {
      const { stdout, stderr, status } = spot("completion", "nodes", "--", ...words);
      assert.deepEqual([status, stderr], [0, ""]);
      return rows(stdout);
    };
    assert.deepEqual(asked("ssh", "--stack", stack, ""), NODES);
    assert.deepEqual(asked("ssh", "--stack", "=", stack, ""), NODES, "as bash takes it apart");
    assert.deepEqual(asked("ssh", `--stack=${stack}`, "--sandbox", ""), NODES);
    writeFileSync(path.join(dir, "config.yaml"), `stack: ${stack}\nregions: [us-west-2: {machine_type: t3.micro}]\n`);
    assert.deepEqual(asked("ssh", "--config", path.join(dir, "config.yaml"), ""), NODES);
    for (const words of [
      ["ssh", "--stack"],
      ["ssh", "--config", "missing.yaml"],
      ["sandbox", "interrupt"],
      ["nothing", "--known"],
      [],
    ])
      assert.deepEqual(asked(...words), []);
    writeFileSync(stackFile(), "config: [");
    assert.deepEqual(asked("ssh", "--stack", stack), []);
  });

  it("works in bash", () => {
    const script = spot("completion", "bash").stdout;
    for (const [words, offered] of offers(stack)) {
      const line = ["spot", ...words].map((word) => `'${word}'`).join(" ");
      const { stdout, stderr } = spawnSync(
        "bash",
        [
          "--norc",
          "-c",
          `${script}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length}; _spot; printf '%s\\n' "\${COMPREPLY[@]}"`,
        ],
        { encoding: "utf8", env },
      );
      assert.equal(stderr, "");
      assert.deepEqual(rows(stdout), offered, line);
    }
    assert.equal(spot("completion", "csh").status, 2);
  });

  it("works in fish, where there is one", function () {
    if (spawnSync("fish", ["--version"]).status !== 0) this.skip();
    writeFileSync(path.join(dir, "spot.fish"), spot("completion", "fish").stdout);
    for (const [words, offered] of offers(stack)) {
      const line = ["spot", ...words].join(" ");
      const { stdout, stderr } = spawnSync(
        "fish",
        ["--no-config", "-c", `source spot.fish; complete -C ${JSON.stringify(line)}`],
        { cwd: dir, encoding: "utf8", env },
      );
      assert.equal(stderr, "");
      assert.deepEqual(rows(stdout), offered, line);
    }
  });

  it("works in zsh, where there is one", async function () {
    if (spawnSync("zsh", ["--version"]).status !== 0 || !hasTmux()) this.skip();
    writeFileSync(path.join(dir, "spot.zsh"), spot("completion", "zsh").stdout);
    using terminal = new TestTerminal(["zsh", "-f"], { columns: 120, rows: 30, cwd: dir, env });
    terminal.type("autoload -Uz compinit; compinit -u -D; source spot.zsh; PS1='ready> '; clear", "Enter");
    await terminal.shows(/^ready> *$/m);
    for (const [words, offered] of offers(stack).filter(([, { length }]) => length > 0)) {
      // The first Tab completes what is certain, the second shows the choice.
      terminal.type(`spot ${words.join(" ")}`, ...offered.map(() => "Tab"));
      const shown =
        offered.length === 1
          ? new RegExp(`${["spot", ...words.slice(0, -1), offered[0]].join(" ")} *$`, "m")
          : new RegExp(`^${offered.join("\\b[^]*")}\\b`, "m");
      await terminal.shows(shown);
      terminal.type("C-c");
      await terminal.shows(/\nready> *$/);
      terminal.type("clear", "Enter");
      await terminal.shows(/^ready> *$/);
    }
  });
});
