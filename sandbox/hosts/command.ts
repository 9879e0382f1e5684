import { spawn } from "node:child_process";
import { SpotError } from "../../fleet/errors";

/** System tools live in sbin, which a user's PATH may lack; their words are read, so they speak English. */
export const commandEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${process.env.PATH ?? ""}:/usr/local/sbin:/usr/sbin:/sbin`,
  LC_ALL: "C.UTF-8",
};

export interface RunOptions {
  /** Written to the command's standard input. */
  input?: string;
  env?: NodeJS.ProcessEnv;
  /** Called with each whole line that the command writes, to stdout or stderr. */
  onLine?: (line: string) => void;
}

/** How many lines of a failed command's output say why it failed. */
const LAST_LINES = 8;

/**
 * Runs a command to its end and gives back its standard output.
 * @throws SpotError E_SANDBOX_SETUP when it cannot be started or fails; the cause is the end of its output.
 */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...commandEnvironment, ...options.env }, stdio: "pipe" });
    let output = "";
    let everything = "";
    let unfinished = "";
    const take = (text: string): void => {
      everything += text;
      const lines = (unfinished + text).split(/[\r\n]+/);
      unfinished = lines.pop() ?? "";
      for (const line of lines) if (line.trim() !== "") options.onLine?.(line.trim());
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      take(text);
    });
    child.stderr.setEncoding("utf8").on("data", take);
    const fail = (cause: string): void =>
      reject(new SpotError("E_SANDBOX_SETUP", { message: `\`${[command, ...args].join(" ")}\` failed.`, cause }));
    child.on("error", (error) => fail(error.message));
    child.on("close", (code, signal) => {
      if (code === 0) resolve(output);
      else
        fail(
          everything.trim().split("\n").slice(-LAST_LINES).join("\n") ||
            `It ended with ${signal ?? `exit code ${code ?? "unknown"}`} and said nothing.`,
        );
    });
    // A command that fails early does not read its input: its exit code says so, not the broken pipe.
    child.stdin.on("error", () => undefined).end(options.input ?? "");
  });
}
