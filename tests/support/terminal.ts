import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { wordsOf } from "../../fleet/errors";
import { PATIENCE_MS, until } from "./sandbox";

/** A shell word. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** tmux is a real terminal with a screen that can be read. Debian's package, which the set-up installs. */
export const hasTmux = (): boolean => spawnSync("tmux", ["-V"]).status === 0;

export interface TerminalOptions {
  columns: number;
  rows: number;
  cwd: string;
  /** The whole environment, but for TERM. */
  env: NodeJS.ProcessEnv;
}

/**
 * Waits until the terminal has shown all that was written to it: only then does it answer where its cursor is, by a text
 * that ends with an R.
 */
const SHOWN = ["stty -echo -icanon", "printf '\\033[6n'", 'until [ "$(dd bs=1 count=1 2>/dev/null)" = R ]; do :; done'];

/** A program in a terminal of its own, with a server of its own that ends with it. */
export class TestTerminal {
  private readonly server = `spot-test-${randomBytes(4).toString("hex")}`;
  private readonly dir = mkdtempSync(path.join(os.tmpdir(), "spot-terminal-"));
  private readonly codeFile = path.join(this.dir, "code");

  constructor(command: string[], { columns, rows, cwd, env }: TerminalOptions) {
    const script = path.join(this.dir, "run");
    const exports = Object.entries(env).flatMap(([name, value]) =>
      value === undefined || name === "TERM" || !/^\w+$/.test(name) ? [] : [`export ${name}=${quoted(value)}`],
    );
    // env -i: what tmux's server inherits must not reach the program.
    // Ctrl-C reaches the shell too, which must live to tell the exit code.
    writeFileSync(
      script,
      [
        ...exports,
        "trap : INT",
        `cd ${quoted(cwd)}`,
        command.map(quoted).join(" "),
        "code=$?",
        ...SHOWN,
        `echo $code > ${quoted(this.codeFile)}`,
        "exec sleep 3600",
      ].join("\n"),
    );
    this.tmux(
      "new-session",
      "-d",
      "-x",
      String(columns),
      "-y",
      String(rows),
      `env -i PATH=${quoted(env.PATH ?? "")} TERM=tmux-256color sh ${quoted(script)}`,
    );
    this.tmux("set-option", "-g", "history-limit", "10000");
  }

  /** What stands on the screen now, a string a row, blanks at the ends cut. */
  screen(): string[] {
    return this.tmux("capture-pane", "-p").replace(/\n+$/, "").split("\n");
  }

  /** The scrollback too; lines that the terminal broke are joined. */
  everything(): string {
    return this.tmux("capture-pane", "-p", "-J", "-S", "-");
  }

  /** With the colours' escape sequences. */
  coloured(): string {
    return this.tmux("capture-pane", "-p", "-e");
  }

  resize(columns: number, rows: number): void {
    this.tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** tmux's names of keys: `C-c`, `Enter`, or text. */
  type(...keys: string[]): void {
    this.tmux("send-keys", ...keys);
  }

  /** Waits until the screen matches. The screen that did: it may have changed since. */
  shows(pattern: RegExp, ms = PATIENCE_MS): Promise<string[]> {
    return this.becomes(String(pattern), (screen) => pattern.test(screen.join("\n")), ms);
  }

  /** Waits until the screen is as it should be. */
  async becomes(what: string, isSo: (screen: string[]) => boolean, ms = PATIENCE_MS): Promise<string[]> {
    let screen: string[] = [];
    await until(what, () => isSo((screen = this.screen())), ms).catch((error: unknown) => {
      throw new Error(`${wordsOf(error)}\n${screen.join("\n")}`);
    });
    return screen;
  }

  /** Waits for the end of the program, and until all that it wrote is shown; its exit code. */
  async ended(ms = PATIENCE_MS): Promise<number> {
    const code = await until("the program ended", () => this.exitCode(), ms).catch((error: unknown) => {
      throw new Error(`${wordsOf(error)}\n${this.screen().join("\n")}`);
    });
    return Number(code);
  }

  [Symbol.dispose](): void {
    spawnSync("tmux", ["-L", this.server, "kill-server"]);
    rmSync(this.dir, { recursive: true, force: true });
  }

  private exitCode(): string | undefined {
    try {
      return readFileSync(this.codeFile, "utf8").trim() || undefined;
    } catch {
      return undefined;
    }
  }

  private tmux(...args: string[]): string {
    return execFileSync("tmux", ["-L", this.server, "-f", "/dev/null", ...args], { encoding: "utf8" });
  }
}
