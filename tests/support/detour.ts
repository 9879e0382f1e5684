import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { run } from "../../sandbox/hosts/command";

/** Ports from which a relay goes on to the real host; outside the kernel's range for outgoing connections. */
const RELAY_PORTS = { first: 61_000, last: 61_999 };
let relayPort = RELAY_PORTS.first;
let made = 0;

/** Leads this machine's SSH connections to the hosts of a network to a port on loopback instead, until it is disposed. */
export async function detour(network: string, port: number): Promise<AsyncDisposable> {
  made += 1;
  const table = `spot_test_${process.pid}_${made}`;
  await run("nft", ["-f", "-"], {
    input: `
table ip ${table} {
  chain output {
    type nat hook output priority -100
    ip daddr ${network} tcp dport 22 tcp sport != ${RELAY_PORTS.first}-${RELAY_PORTS.last} redirect to :${port}
  }
}
`,
  });
  return {
    [Symbol.asyncDispose]: async () => {
      await run("nft", ["-f", "-"], { input: `delete table ip ${table}\n` });
    },
  };
}

/** A TCP relay between the client and a host, which a test makes fail in the middle. */
export interface Relay extends AsyncDisposable {
  /** Bytes from the client, on one connection, after which the fault comes. Infinity: never. */
  limit: number;
  fault: "reset" | "freeze";
  /** How often the fault came. */
  faults: number;
}

/** Puts a relay between this machine and the one host at `address`. */
export async function startRelay(network: string, address: () => string): Promise<Relay> {
  const relay = { limit: Infinity, fault: "reset" as Relay["fault"], faults: 0 };
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    relayPort = relayPort === RELAY_PORTS.last ? RELAY_PORTS.first : relayPort + 1;
    const host = connect({ host: address(), port: 22, localPort: relayPort });
    for (const socket of [client, host]) {
      sockets.add(socket);
      socket.on("error", () => undefined).on("close", () => (sockets.delete(socket), client.destroy(), host.destroy()));
    }
    let bytes = 0;
    client.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= relay.limit) {
        if (!host.write(chunk)) {
          client.pause();
          host.once("drain", () => client.resume());
        }
        return;
      }
      relay.faults += 1;
      if (relay.fault === "reset") {
        client.resetAndDestroy();
        host.resetAndDestroy();
      } else {
        client.pause();
      }
    });
    host.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const way = await detour(network, (server.address() as AddressInfo).port);
  return Object.assign(relay, {
    async [Symbol.asyncDispose]() {
      await way[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}
