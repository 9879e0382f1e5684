import { isIP } from "node:net";
import type { Target } from "../target";

/** AWS's own answer to "which address do I come from". */
const SERVICE = "https://checkip.amazonaws.com";

/** The address from which the nodes of a target see this machine, as a CIDR block of one; undefined when it cannot be found out in time. */
export async function callerOf({ sandbox }: Pick<Target, "sandbox">): Promise<string | undefined> {
  return sandbox ? cidrOfAddress(sandbox.callerAddress) : await callerCidr();
}

async function callerCidr(): Promise<string | undefined> {
  try {
    const answer = await fetch(SERVICE, { signal: AbortSignal.timeout(5000) });
    const address = (await answer.text()).trim();
    return cidrOfAddress(address);
  } catch {
    return undefined;
  }
}

function cidrOfAddress(address: string): string | undefined {
  const family = isIP(address);
  return family === 0 ? undefined : `${address}/${family === 6 ? 128 : 32}`;
}
