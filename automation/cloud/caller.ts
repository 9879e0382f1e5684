import { isIP } from "node:net";

/** AWS's own answer to "which address do I come from". */
const SERVICE = "https://checkip.amazonaws.com";

/** The caller's public address as a CIDR block of one address; undefined when it cannot be found out in time. */
export async function callerCidr(): Promise<string | undefined> {
  try {
    const answer = await fetch(SERVICE, { signal: AbortSignal.timeout(5000) });
    const address = (await answer.text()).trim();
    return cidrOfAddress(address);
  } catch {
    return undefined;
  }
}

export function cidrOfAddress(address: string): string | undefined {
  const family = isIP(address);
  return family === 0 ? undefined : `${address}/${family === 6 ? 128 : 32}`;
}
