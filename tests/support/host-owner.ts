import { createNspawnDriver, type NspawnOptions } from "../../sandbox/hosts/nspawn";
import type { HostSpec } from "../../sandbox/hosts/driver";
import { rootsOf } from "../../sandbox/daemon/roots";

/**
 * A process that owns a driver of the standard hosts, so that a test can kill it. Argument: driver options and a host as JSON; says
 * "up" once the host is under way, then lives until it is killed.
 */
const { options, host } = JSON.parse(process.argv[2] ?? "") as {
  options: Omit<NspawnOptions, "roots" | "report" | "onEnded">;
  host: HostSpec;
};

async function main(): Promise<void> {
  const driver = await createNspawnDriver({
    ...options,
    roots: rootsOf.hosts,
    report: () => undefined,
    onEnded: () => undefined,
  });
  await driver.launch({ ...host, userData: Buffer.alloc(0) });
  process.stdout.write("up\n");
}

void main();
