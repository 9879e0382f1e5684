import { run } from "./command";
import type { AddressRule, Reach } from "./driver";

export const METADATA_ADDRESS = "169.254.169.254";

/*
 * What EC2 lets through to an instance and out of it, as a firewall in the namespace of its host: it stands where the
 * host's interface is, as security groups do, the host itself may not change it, and it goes with the namespace. What
 * is not let through is dropped without an answer.
 */

/** Lets through what the rules name and its replies; the metadata service is reached whatever the rules say, as on EC2. */
export function admissionRules({ internet, ingress, egress }: Reach): string {
  const passing = (end: "saddr" | "daddr", rules: readonly AddressRule[]): string[] =>
    internet.flatMap((block) => [
      `ip ${end} ${block} ct state established,related accept`,
      ...rules.map((rule) => `ip ${end} ${block} ip ${end} ${rule.cidr} ${trafficOf(rule)}accept`),
    ]);
  return `
add table inet admission
delete table inet admission
table inet admission {
  chain input {
    type filter hook input priority filter; policy drop
    iifname "lo" accept
    ip saddr ${METADATA_ADDRESS} ct state established accept
    ${passing("saddr", ingress).join("\n    ")}
  }
  chain output {
    type filter hook output priority filter; policy drop
    oifname "lo" accept
    ip daddr ${METADATA_ADDRESS} accept
    ${passing("daddr", egress).join("\n    ")}
  }
}
`;
}

/** A rule's protocol and ports in the firewall's words, with a space at the end; nothing for all traffic. */
function trafficOf({ protocol, fromPort, toPort }: AddressRule): string {
  if (protocol === "-1") return "";
  if (protocol !== "tcp" && protocol !== "udp") return `ip protocol ${protocol} `;
  return `${protocol} dport ${fromPort ?? 0}-${toPort ?? 65_535} `;
}

/** Puts these rules in the place of those before, in one step. */
export async function admit(namespace: string, reach: Reach): Promise<void> {
  await run("nsenter", [`--net=/run/netns/${namespace}`, "nft", "-f", "-"], { input: admissionRules(reach) });
}
