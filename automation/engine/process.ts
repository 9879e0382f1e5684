import { spawn } from "node:child_process";
import { wordsOf } from "../../fleet/errors";

export interface ProcessResult {
  /** The exit code; 128 + signal number is never made up: a process ended by a signal has `signal`. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface ProcessOptions {
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** Written to the standard input, which is then closed. Secrets go this way: command lines are public. */
  stdin?: string;
  onStdout?: (chunk: string) => void;
  onStderr?: (chunk: string) => void;
  /** Each abort of one of these sends one SIGINT: the first asks the engine to finish, the second to stop now. */
  interrupts?: AbortSignal[];
}

/**
 * Runs the Pulumi CLI in a process group of its own, so that Ctrl-C in the terminal reaches this program alone:
 * a second SIGINT on top of ours would make the engine abandon what is in flight.
 * @throws Error when the executable cannot be started; a failing command is a result, not an exception
 */
export function runProcess(command: string, args: string[], options: ProcessOptions): Promise<ProcessResult> {
  return new Promise((resolve, reject) => {
    const place = { cwd: options.cwd, env: options.env, detached: true };
    const child =
      options.stdin === undefined
        ? spawn(command, args, { ...place, stdio: ["ignore", "pipe", "pipe"] })
        : spawn(command, args, { ...place, stdio: ["pipe", "pipe", "pipe"] });
    const interrupt = () => void child.kill("SIGINT");
    for (const signal of options.interrupts ?? []) signal.addEventListener("abort", interrupt, { once: true });
    const out: string[] = [];
    const err: string[] = [];
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      out.push(chunk);
      options.onStdout?.(chunk);
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      err.push(chunk);
      options.onStderr?.(chunk);
    });
    const release = () => {
      for (const signal of options.interrupts ?? []) signal.removeEventListener("abort", interrupt);
    };
    child.on("error", (error) => {
      release();
      reject(new Error(`cannot run ${command}: ${wordsOf(error)}`, { cause: error }));
    });
    child.on("close", (code, signal) => {
      release();
      resolve({ code, signal, stdout: out.join(""), stderr: err.join("") });
    });
    child.stdin?.on("error", () => undefined).end(options.stdin);
  });
}
