import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import type { NodeSSH } from "node-ssh";
import type { ClientChannel } from "ssh2";
import { isSpotError, SpotError, wordsOf } from "../../fleet/errors";

/** What a command on a node answered. A lost connection is an error, never a result. */
export interface CommandResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** The command's own time limit. Its channel is closed when that is over. */
  deadlineMs: number;
  stdin?: string | Readable;
  /** Sees standard output as it comes, beside its being collected. */
  onStdout?: (chunk: Buffer) => void;
}

/** A login on a node whose host key is proven. */
export interface NodeConnection extends AsyncDisposable {
  /**
   * Runs one command in the login user's shell.
   * @throws SpotError E_SSH when the deadline passes or the connection is lost, E_INTERRUPTED when the run is aborted.
   */
  run(command: string, options: RunOptions): Promise<CommandResult>;
  /** False once the connection was lost or ended: a failed command may have failed for itself alone. */
  readonly isOpen: boolean;
  /** Ends the connection. Safe to call twice. */
  close(): Promise<void>;
}

/** How long a peer gets to answer a polite goodbye before the socket is destroyed. */
const GOODBYE_MS = 500;

const ADMITTED_MS = 100;

/**
 * Asks again while the server refuses a further channel: it counts one that has ended until its process is gone
 * (MaxSessions, sshd_config(5)), which takes a while on a busy node. Nothing was run when it refuses.
 */
async function onceAdmitted<T>(execute: () => Promise<T>, isOver: () => boolean): Promise<T> {
  for (;;) {
    try {
      return await execute();
    } catch (error) {
      if (isOver() || !/Channel open failure/.test(wordsOf(error))) throw error;
      await delay(ADMITTED_MS);
    }
  }
}

/**
 * Wraps a connected client. The wrapper's listener on "error" must be the first thing done after the connection: the
 * library takes its own away, and a reset or a missed keepalive would end the process.
 */
export function wrapConnection(ssh: NodeSSH, name: string, signal?: AbortSignal): NodeConnection {
  const client = ssh.connection;
  if (client === null) throw new SpotError("E_SSH", `The connection to ${name} was lost right after the login.`);

  let cause: unknown;
  let closed = false;
  const isClosed = (): boolean => closed;
  const pending = new Set<(reason: SpotError) => void>();
  const lost = (): SpotError =>
    signal?.aborted
      ? new SpotError("E_INTERRUPTED", `The connection to ${name} was ended because the run was interrupted.`)
      : new SpotError("E_SSH", {
          message: `The connection to ${name} was lost.`,
          cause: cause ?? "The node closed it.",
        });

  client.on("error", (error) => (cause ??= error));
  client.on("close", () => {
    closed = true;
    signal?.removeEventListener("abort", onAbort);
    for (const reject of pending) reject(lost());
    pending.clear();
  });
  const onAbort = (): void => void client.destroy();
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) client.destroy();

  async function run(command: string, { deadlineMs, stdin, onStdout }: RunOptions): Promise<CommandResult> {
    if (isClosed()) throw lost();
    // Collected as bytes: the library decodes each chunk alone and so breaks characters that span two.
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let isOver = false;
    let channel: ClientChannel | undefined;
    let fail!: (reason: SpotError) => void;
    const failed = new Promise<never>((_, reject) => (fail = reject));
    pending.add(fail);
    const timer = setTimeout(() => {
      channel?.signal("KILL");
      channel?.close();
      fail(
        new SpotError(
          "E_SSH",
          `A command on ${name} did not end within ${deadlineMs / 1000} s: ${command.slice(0, 120)}`,
        ),
      );
    }, deadlineMs);
    const execute = () =>
      ssh.execCommand(command, {
        ...(stdin === undefined ? {} : { stdin }),
        noTrim: true,
        onChannel: (opened) => {
          channel = opened;
          // A command that ends before it has read all of its input is judged by its exit code.
          opened.on("error", () => undefined);
        },
        onStdout: (chunk) => {
          stdout.push(chunk);
          onStdout?.(chunk);
        },
        onStderr: (chunk) => stderr.push(chunk),
      });
    const executed = onceAdmitted(execute, () => isOver);
    // Whichever loses the race may still reject.
    executed.catch(() => undefined);
    failed.catch(() => undefined);
    try {
      const { code, signal: killed } = await Promise.race([executed, failed]);
      if (code === null) {
        if (killed === null) throw lost();
        throw new SpotError("E_SSH", `A command on ${name} was ended by signal ${killed}: ${command.slice(0, 120)}`);
      }
      return { code, stdout: Buffer.concat(stdout).toString("utf8"), stderr: Buffer.concat(stderr).toString("utf8") };
    } catch (error) {
      if (isSpotError(error)) throw error;
      if (isClosed() || cause !== undefined) throw lost();
      throw new SpotError("E_SSH", {
        message: `A command could not be run on ${name}: ${wordsOf(error)}`,
        cause: error,
      });
    } finally {
      isOver = true;
      clearTimeout(timer);
      pending.delete(fail);
    }
  }

  async function close(): Promise<void> {
    if (isClosed()) return;
    await new Promise<void>((resolve) => {
      const force = setTimeout(() => client?.destroy(), GOODBYE_MS);
      client?.once("close", () => {
        clearTimeout(force);
        resolve();
      });
      client?.end();
    });
  }

  return {
    run,
    close,
    get isOpen() {
      return !isClosed();
    },
    [Symbol.asyncDispose]: close,
  };
}
