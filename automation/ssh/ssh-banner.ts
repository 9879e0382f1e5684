import type { Socket } from "node:net";
import { SpotError, wordsOf } from "../../fleet/errors";
import { dial, type DialPolicy } from "./dial";

export interface BannerTarget {
  address: string;
  port: number;
  dial: DialPolicy;
  /** For the TCP connection and the banner together. */
  timeoutMs: number;
  signal?: AbortSignal;
}

/** What the lower layer says, in words that name the likely cause. */
const reasons: Record<string, string> = {
  ECONNREFUSED: "nothing listens on its SSH port yet",
  EHOSTUNREACH: "there is no route to it",
  ENETUNREACH: "there is no route to it",
  ECONNRESET: "it closed the connection at once",
};

/**
 * Opens a connection and waits until an SSH server has shown itself ("SSH-…"). Far cheaper than a handshake, so this is
 * what is polled while a node boots. The socket comes back paused with the banner put back, ready for the handshake.
 * @throws SpotError E_SSH with the reason; E_ADDRESS_REFUSED before any socket exists.
 */
export async function openBanner({ address, port, dial: policy, timeoutMs, signal }: BannerTarget): Promise<Socket> {
  signal?.throwIfAborted();
  const socket = dial(policy, address, port);
  let seen = Buffer.alloc(0);
  return await new Promise<Socket>((resolve, reject) => {
    const settle = (failure?: string): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      socket.off("error", onError).off("close", onClose).off("data", onData);
      if (failure === undefined) {
        socket.pause();
        socket.unshift(seen);
        resolve(socket);
      } else {
        socket.on("error", () => undefined); // a late one has nobody else to hear it
        socket.destroy();
        reject(new SpotError("E_SSH", { message: `${address} does not answer: ${failure}.` }));
      }
    };
    const onAbort = (): void => settle("the run was interrupted");
    const onError = (error: NodeJS.ErrnoException): void => settle(reasons[error.code ?? ""] ?? wordsOf(error));
    const onClose = (): void => settle("it closed the connection before its SSH banner");
    const onData = (chunk: Buffer): void => {
      seen = Buffer.concat([seen, chunk]);
      const start = seen.subarray(0, 4).toString("latin1");
      if (start === "SSH-") settle();
      else if (!"SSH-".startsWith(start)) settle("what answers on its SSH port is no SSH server");
    };
    const timer = setTimeout(
      () =>
        settle(socket.connecting ? "no answer to a TCP connection" : "it accepts connections but shows no SSH banner"),
      timeoutMs,
    );
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("error", onError).on("close", onClose).on("data", onData);
  });
}
