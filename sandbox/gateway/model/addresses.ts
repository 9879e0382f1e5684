import { isInNetwork } from "../../home/network";

/** Elements of EC2's answers that hold an address or a name under which an instance could be reached from outside. */
const outward = /<(ipAddress|publicIp|publicIpAddress|dnsName|publicDnsName)>([^<]+)</g;

/**
 * The first address or name in an answer that is not of the sandbox's network. There is none as long as moto takes its
 * addresses from moto/books.py; whoever follows a stranger's address connects to somebody's machine.
 */
export function foreignAddress(body: string, network: string): string | undefined {
  for (const [, , value] of body.matchAll(outward)) {
    if (value !== undefined && !value.endsWith(".internal") && !isInNetwork(value, network)) return value;
  }
  return undefined;
}
