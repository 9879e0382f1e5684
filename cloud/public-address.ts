import { isIP } from "node:net";
import type { Caller } from "../fleet/checks";

/** AWS's own answer to "which address do I come from". */
const SERVICE = "https://checkip.amazonaws.com";

/** The address from which the nodes of a target see this machine; undefined when it cannot be found out in time. */
export async function detectPublicAddress({
  sandbox,
}: {
  sandbox?: { callerAddress: string };
}): Promise<Caller | undefined> {
  const cidr = cidrOfAddress(sandbox?.callerAddress ?? (await seenAddress()));
  return cidr === undefined ? undefined : { cidr, isCertain: sandbox !== undefined };
}

async function seenAddress(): Promise<string> {
  try {
    const answer = await fetch(SERVICE, { signal: AbortSignal.timeout(5000) });
    return (await answer.text()).trim();
  } catch {
    return "";
  }
}

function cidrOfAddress(address: string): string | undefined {
  const family = isIP(address);
  return family === 0 ? undefined : `${address}/${family === 6 ? 128 : 32}`;
}
