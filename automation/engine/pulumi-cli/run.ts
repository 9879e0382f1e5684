import { spawn } from "node:child_process";
import { endGroup } from "../../../system/process";

export interface RunOptions {
  env: NodeJS.ProcessEnv;
  cwd?: string;
  /** After this the command and all that it started are ended. */
  timeoutMs?: number;
  signal?: AbortSignal;
  onStderr?(chunk: string): void;
}

/**
 * Runs a command to its end and returns its standard output. It gets a process group of its own, so that a build or
 * an installer ends with all its helpers when time is up or the user interrupts.
 * @throws Error that says in one line what went wrong; its last lines of stderr are the message when it failed
 */
export function run(command: string, args: string[], options: RunOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    options.signal?.throwIfAborted();
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    let stopped: Error | undefined;
    const stop = (why: Error) => {
      stopped = why;
      // Without an id it never started.
      if (child.pid !== undefined) endGroup(child.pid);
    };
    const interrupted = () =>
      stop(options.signal?.reason instanceof Error ? options.signal.reason : new Error("interrupted"));
    const timer =
      options.timeoutMs &&
      setTimeout(() => stop(new Error(`no result after ${(options.timeoutMs ?? 0) / 1000} s`)), options.timeoutMs);
    options.signal?.addEventListener("abort", interrupted, { once: true });
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr = (stderr + chunk).slice(-16_384);
      options.onStderr?.(chunk);
    });
    child.on("error", (error) => (stopped ??= error));
    child.on("close", (code, signal) => {
      if (timer) clearTimeout(timer);
      options.signal?.removeEventListener("abort", interrupted);
      if (stopped !== undefined) reject(stopped);
      else if (code === 0) resolve(stdout);
      else
        reject(
          new Error(lastWords(stderr) || lastWords(stdout) || `ended by ${signal ?? `exit code ${code ?? "unknown"}`}`),
        );
    });
  });
}

function lastWords(text: string): string {
  return text.trim().split("\n").slice(-4).join("; ");
}
