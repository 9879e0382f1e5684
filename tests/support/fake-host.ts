import { spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { Server, utils, type Connection, type ServerChannel } from "ssh2";
import { newPair } from "../../automation/ssh/key-pair";

/** A key pair made for one test: the private key as ssh2 wants it and the public key's base64 field. */
export interface TestKey {
  privateKey: string;
  publicBase64: string;
}

export function makeKey(type: "ed25519" | "rsa" = "ed25519"): TestKey {
  const privateKey = type === "ed25519" ? newPair().private : utils.generateKeyPairSync("rsa", { bits: 2048 }).private;
  const parsed = utils.parseKey(privateKey);
  if (parsed instanceof Error) throw parsed;
  return { privateKey, publicBase64: parsed.getPublicSSH().toString("base64") };
}

/** How the host answers one command: the code and the output, or what it does with the channel itself. */
export type Answer = { code: number; stdout?: string; stderr?: string } | ((session: Session) => void);

export interface Session {
  command: string;
  channel: ServerChannel;
  connection: Connection;
  /** The TCP socket beneath, to reset or to freeze it. */
  socket: Socket;
  /** What the host's end must wait for. */
  work: Set<Promise<unknown>>;
}

export interface FakeHostOptions {
  hostKey: TestKey;
  /** The one user key that is let in. Absent: every one is, as a relay would that wants to see what comes. */
  userKey?: TestKey;
  answer: (command: string) => Answer;
  /** Whether it opens one more channel now; always, by default. */
  admits?: () => boolean;
  /** Any free one by default. */
  port?: number;
}

/** An SSH server in this process that stands for a node: real handshakes, scripted commands, on loopback. */
export interface FakeHost extends AsyncDisposable {
  port: number;
  /** Every command that it was asked to run, in order. */
  commands: string[];
  /** Bytes that came in on standard input of all commands. */
  bytesReceived(): number;
  logins(): number;
}

export async function startFakeHost({
  hostKey,
  userKey,
  answer,
  admits,
  port: wanted = 0,
}: FakeHostOptions): Promise<FakeHost> {
  const commands: string[] = [];
  const sockets = new Set<Socket>();
  const work: Session["work"] = new Set();
  let bytes = 0;
  let logins = 0;
  const server = new Server({ hostKeys: [hostKey.privateKey] }, (connection) => {
    const socket = (connection as unknown as { _sock: Socket })._sock;
    sockets.add(socket);
    connection.on("error", () => undefined);
    connection.on("close", () => sockets.delete(socket));
    connection.on("authentication", (context) => {
      const known =
        context.method === "publickey" && (!userKey || context.key.data.toString("base64") === userKey.publicBase64);
      if (!known) {
        context.reject(["publickey"]);
        return;
      }
      if (context.signature) logins += 1;
      context.accept();
    });
    connection.on("session", (accept, reject) => {
      if (admits?.() === false) {
        reject();
        return;
      }
      accept().on("exec", (acceptExec, _reject, { command }) => {
        commands.push(command);
        const channel = acceptExec();
        channel.on("error", () => undefined);
        channel.on("data", (chunk: Buffer) => (bytes += chunk.length));
        const given = answer(command);
        if (typeof given === "function") {
          given({ command, channel, connection, socket, work });
          return;
        }
        channel.write(given.stdout ?? "");
        channel.stderr.write(given.stderr ?? "");
        channel.exit(given.code);
        channel.end();
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(wanted, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    commands,
    bytesReceived: () => bytes,
    logins: () => logins,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await Promise.all(work);
    },
  };
}

/** An answer that really runs the command in a shell of this machine, with its input and output on the channel. It may write as long as it runs, which the host's end waits for. */
export function really({ command, channel, work }: Session): void {
  const child = spawn("/bin/sh", ["-c", command], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => undefined);
  channel.pipe(child.stdin);
  child.stdout.on("data", (chunk: Buffer) => channel.write(chunk));
  child.stderr.on("data", (chunk: Buffer) => channel.stderr.write(chunk));
  work.add(once(child, "close"));
  child.on("close", (code) => {
    channel.exit(code ?? 1);
    channel.end();
  });
  channel.on("close", () => child.stdin.destroy());
}
