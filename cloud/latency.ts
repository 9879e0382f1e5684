import { Resolver } from "node:dns";
import { connect } from "node:net";

/** Where the EC2 API of a region answers (AWS General Reference, "Amazon EC2 endpoints and quotas"). */
export const ec2Endpoint = (region: string): Place => ({ host: `ec2.${region}.amazonaws.com`, port: 443 });

export interface Place {
  host: string;
  port: number;
}

/**
 * How long a TCP connection to each region's API takes to open, in milliseconds: all at once, nothing is sent, no
 * credentials are needed. A region that does not answer before the deadline is not in the result.
 * @param placeOf a region's endpoint
 */
export async function latencies(
  regions: readonly string[],
  deadlineMs: number,
  placeOf: (region: string) => Place,
): Promise<Map<string, number>> {
  // The system's own resolver cannot be given up: without a network, this process could not end for as long as it asks.
  const resolver = new Resolver();
  const measured = await Promise.all(
    regions.map(async (region) => [region, await connectTime(placeOf(region), resolver, deadlineMs)] as const),
  );
  resolver.cancel();
  return new Map(measured.flatMap(([region, ms]) => (ms === undefined ? [] : [[region, ms]])));
}

/** From the resolved name to the open connection; undefined when there is none. */
function connectTime({ host, port }: Place, resolver: Resolver, deadlineMs: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    let began = performance.now();
    const socket = connect({
      host,
      port,
      timeout: deadlineMs,
      autoSelectFamily: false,
      lookup: (name, _options, found) =>
        // A name that is not found has no addresses, whatever the types say.
        resolver.resolve4(name, (error, addresses: string[] | undefined) => found(error, addresses?.[0] ?? "", 4)),
    });
    const settle = (ms?: number) => {
      socket.destroy();
      resolve(ms);
    };
    socket.once("lookup", () => (began = performance.now()));
    socket.once("connect", () => settle(performance.now() - began));
    socket.once("timeout", () => settle());
    socket.on("error", () => settle());
  });
}
