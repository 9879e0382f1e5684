import { BlockList, connect, isIP, type Socket } from "node:net";
import { SpotError } from "../../fleet/errors";

/** Decides which addresses this run may connect to. Every outward connection to a node asks it first. */
export interface DialPolicy {
  /** Returns when the address is allowed; throws SpotError E_ADDRESS_REFUSED otherwise. Opens nothing. */
  assertAllowed(address: string): void;
}

/** The policy for real AWS: a fleet's nodes have public addresses of any kind. */
export function openDialPolicy(): DialPolicy {
  return { assertAllowed: () => undefined };
}

/**
 * The policy of the sandbox: loopback and the sandbox's own network, written as literal addresses. A name is refused
 * too, because what it resolves to is not known before the connection is made.
 * @param network IPv4 CIDR block, such as `198.18.0.0/15`.
 */
export function sandboxDialPolicy(network: string): DialPolicy {
  const [base = "", prefix = ""] = network.split("/");
  const allowed = new BlockList();
  allowed.addSubnet(base, Number.parseInt(prefix, 10), "ipv4");
  allowed.addSubnet("127.0.0.0", 8, "ipv4");
  allowed.addAddress("::1", "ipv6");
  return {
    assertAllowed(address) {
      const family = isIP(address);
      if (family !== 0 && allowed.check(address, family === 6 ? "ipv6" : "ipv4")) return;
      throw new SpotError("E_ADDRESS_REFUSED", {
        message: `Connecting to ${address} was refused: it is neither loopback nor in the sandbox's network ${network}.`,
      });
    },
  };
}

/** Opens a TCP connection after the policy allowed it. The one place in this project where a node is dialled. */
export function dial(policy: DialPolicy, address: string, port: number): Socket {
  policy.assertAllowed(address);
  const socket = connect({ host: address, port });
  socket.setNoDelay(true);
  return socket;
}
