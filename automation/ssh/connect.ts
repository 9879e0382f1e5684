import { timingSafeEqual } from "node:crypto";
import { NodeSSH } from "node-ssh";
import { isSpotError, SpotError, wordsOf } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { hostKeyProof } from "../../fleet/identity/host-key-proof";
import { paths } from "../../fleet/layout";
import { openBanner } from "./ssh-banner";
import { systemClock, type Clock } from "../../system/clock";
import { wrapConnection, type NodeConnection } from "./connection";
import type { DialPolicy } from "./dial";
import { changedKey, type KnownHosts } from "./known-hosts";

export interface ConnectOptions {
  instanceId: string;
  address: string;
  /** 22 unless a test says otherwise. */
  port?: number;
  username: string;
  /** The private key in PEM or OpenSSH form. */
  privateKey: string;
  /** The node's token, hex: what its host key proof is made with. */
  token: string;
  knownHosts: KnownHosts;
  dial: DialPolicy;
  /** One attempt: for the banner, for the handshake with the login, and for reading the proof, each. */
  attemptMs?: number;
  keepalive?: { intervalMs: number; countMax: number };
  signal?: AbortSignal;
}

/** What failed of an attempt: what `verify` makes its first checks of. A refused login leaves a new host key unproven. */
export type ConnectStage = "banner" | "host-key" | "login";

/** A failed attempt, and the stage that failed. */
export class ConnectError extends SpotError {
  constructor(
    readonly stage: ConnectStage,
    error: SpotError,
  ) {
    super(error.code, {
      message: error.message,
      cause: error.cause,
      next: error.next,
      step: error.step,
      class: error.class,
    });
  }
}

const ATTEMPT_MS = 10_000;
const KEEPALIVE = { intervalMs: 5_000, countMax: 3 };

/**
 * Connects once, and returns a connection only after the node's host key is proven.
 *
 * A pinned key must match, for good. With no pin the offered key is taken provisionally, and the one thing done with it
 * is reading the proof; without a right one the connection ends. A relay between us gains nothing by it: the login
 * is a signature over this session, and no byte of ours has gone out.
 * @throws ConnectError: E_ADDRESS_REFUSED (no socket was opened), E_SSH, E_HOST_KEY.
 */
export async function connectOnce(options: ConnectOptions): Promise<NodeConnection> {
  const { instanceId, address, username, knownHosts, signal } = options;
  const attemptMs = options.attemptMs ?? ATTEMPT_MS;
  const keepalive = options.keepalive ?? KEEPALIVE;
  const name = `${instanceId} @ ${address}`;

  const pinned = await at("host-key", () => knownHosts.lookup(instanceId));
  const socket = await at("banner", () =>
    openBanner({
      address,
      port: options.port ?? 22,
      dial: options.dial,
      timeoutMs: attemptMs,
      ...(signal ? { signal } : {}),
    }),
  );

  let offered: string | undefined;
  const ssh = new NodeSSH();
  try {
    await ssh.connect({
      sock: socket,
      username,
      privateKey: options.privateKey,
      authHandler: ["publickey"],
      algorithms: { serverHostKey: ["ssh-ed25519"] },
      hostVerifier: (key: Buffer) => {
        offered = key.toString("base64");
        return pinned === undefined || pinned === offered;
      },
      readyTimeout: attemptMs,
      keepaliveInterval: keepalive.intervalMs,
      keepaliveCountMax: keepalive.countMax,
    });
  } catch (error) {
    // The library drops its listener with its promise; a socket that fails later must not end the process.
    ssh.connection?.on("error", () => undefined);
    socket.destroy();
    throw explain(error, { name, instanceId, username, pinned, offered });
  }
  const connection = wrapConnection(ssh, name, signal);
  if (pinned !== undefined) return connection;

  try {
    const key = offered ?? "";
    await at("host-key", async () => {
      await proveHostKey(connection, { ...options, key, name, attemptMs });
      await knownHosts.pin(instanceId, key);
    });
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  }
}

export interface ConnectWithPatience extends ConnectOptions {
  /** For all attempts together. */
  deadlineMs: number;
  /** Told why the node is waited for, whenever the reason changes. */
  onWaiting?: (reason: string) => void;
  clock?: Clock;
}

const POLL_MS = 500;

/**
 * Connects as soon as the node answers: tries again on everything that a booting node shows (no route, refused, no
 * banner, login not open yet) until the deadline. A host key that is wrong and an address that is refused stay so and
 * are thrown at once.
 * @throws ConnectError: E_SSH at the deadline, with the last reason as its cause; E_HOST_KEY, E_ADDRESS_REFUSED at once.
 *   SpotError E_INTERRUPTED.
 */
export async function connectNode(options: ConnectWithPatience): Promise<NodeConnection> {
  const { deadlineMs, onWaiting, signal, clock = systemClock } = options;
  const end = clock.now() + deadlineMs;
  let reason: string | undefined;
  for (;;) {
    const left = end - clock.now();
    try {
      return await connectOnce({ ...options, attemptMs: Math.max(1, Math.min(options.attemptMs ?? ATTEMPT_MS, left)) });
    } catch (error) {
      if (signal?.aborted) throw new SpotError("E_INTERRUPTED", `Waiting for ${options.instanceId} was interrupted.`);
      if (!(error instanceof ConnectError) || error.code !== "E_SSH") throw error;
      if (clock.now() + POLL_MS >= end) {
        const message = `${options.instanceId} @ ${options.address} did not become reachable within ${Math.round(deadlineMs / 1000)} s.`;
        throw new ConnectError(
          error.stage,
          new SpotError("E_SSH", { message, cause: error.message, next: error.next, step: error.step }),
        );
      }
      if (error.message !== reason) onWaiting?.((reason = error.message));
    }
    await clock.sleep(POLL_MS, signal).catch(() => undefined); // an abort is seen by the next attempt
  }
}

interface Offer extends ConnectOptions {
  key: string;
  name: string;
  attemptMs: number;
}

async function proveHostKey(
  connection: NodeConnection,
  { key, token, instanceId, name, attemptMs }: Offer,
): Promise<void> {
  const { code, stdout, stderr } = await connection.run(`cat ${paths.hostKeyProof}`, { deadlineMs: attemptMs });
  if (code !== 0) {
    throw new SpotError("E_HOST_KEY", { message: `${name} has no proof of its host key.`, cause: stderr.trim() });
  }
  const shown = Buffer.from(stdout.trim());
  const right = Buffer.from(hostKeyProof(token, instanceId, key));
  if (shown.length !== right.length || !timingSafeEqual(shown, right)) {
    throw new SpotError("E_HOST_KEY", {
      message: `The host key that ${name} offers is not the one that the node made.`,
      cause: "Its proof does not fit: something stands between, or another machine answers at this address.",
    });
  }
}

interface Attempt {
  name: string;
  instanceId: string;
  username: string;
  pinned: string | undefined;
  offered: string | undefined;
}

/** The library's error, by the layer (`level`) that raised it. */
function explain(error: unknown, { name, instanceId, username, pinned, offered }: Attempt): ConnectError {
  const words = wordsOf(error);
  if (pinned !== undefined && offered !== undefined && offered !== pinned) {
    return new ConnectError("host-key", changedKey(instanceId));
  }
  if (words.includes("no matching host key")) {
    return new ConnectError(
      "host-key",
      new SpotError("E_HOST_KEY", { message: `${name} offers no ed25519 host key.`, cause: error }),
    );
  }
  if ((error as { level?: unknown }).level === "client-authentication") {
    return new ConnectError(
      pinned === undefined ? "host-key" : "login",
      new SpotError("E_SSH", {
        message: `${name} refuses the login of ${username} with this fleet's key${pinned === undefined ? ", and the proof of its host key is read after the login" : ""}.`,
        cause: error,
        next: "Check `username` and the key; while a node boots this passes by itself.",
        step: outside("correct-configuration", again()),
      }),
    );
  }
  return new ConnectError(
    "banner",
    new SpotError("E_SSH", { message: `The SSH handshake with ${name} failed: ${words}.`, cause: error }),
  );
}

async function at<T>(stage: ConnectStage, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new ConnectError(
      stage,
      isSpotError(error) ? error : new SpotError("E_SSH", { message: wordsOf(error), cause: error }),
    );
  }
}
