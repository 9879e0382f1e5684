import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { answerMetadata, type MetadataInstance } from "./metadata";

export interface MetadataServer {
  port: number;
  close(): Promise<void>;
}

/**
 * Serves instance metadata on the bridge, at a free port.
 * @param instanceAt tells which instance has an address; the caller's address is its identity.
 */
export async function startMetadataServer(
  address: string,
  instanceAt: (source: string) => MetadataInstance | undefined,
): Promise<MetadataServer> {
  const secret = randomBytes(32);
  const server = createServer((request, response) => {
    const { status, headers, body } = answerMetadata(
      { method: request.method ?? "", path: request.url ?? "", headers: request.headers },
      instanceAt(request.socket.remoteAddress ?? ""),
      { secret, now: new Date() },
    );
    request.resume();
    response.writeHead(status, { server: "EC2ws", "content-length": Buffer.byteLength(body), ...headers });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  server.listen(0, address);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
