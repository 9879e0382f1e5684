import { shellQuote } from "../text/shell-quote";
import type { Drift, Place, SeenRoute, SeenRule } from "./types";

/** `tcp 22 from 203.0.113.0/24 (SSH)`. */
export function ruleWords(rule: SeenRule): string {
  const { isEgress, protocol, fromPort, toPort, description } = rule;
  const ports = fromPort === undefined ? "" : fromPort === toPort ? ` ${fromPort}` : ` ${fromPort}-${toPort ?? ""}`;
  const what = protocol === "-1" ? "everything" : `${protocol}${ports}`;
  const peer = rule.cidrIpv4 ?? rule.cidrIpv6 ?? rule.referencedGroup ?? rule.prefixList ?? "nobody";
  return `${what} ${isEgress ? "to" : "from"} ${peer}${description ? ` (${description})` : ""}`;
}

/** `0.0.0.0/0 by igw-1`. */
export function routeWords({ destination, target }: Pick<SeenRoute, "destination" | "target">): string {
  return `${destination} by ${target || "nothing"}`;
}

/** The commands of AWS's command line that take away what somebody added: nothing here does it for them. */
export const removal = {
  rule: (place: Place, { id, group, isEgress }: SeenRule): string =>
    aws(`revoke-security-group-${isEgress ? "egress" : "ingress"}`, place, {
      "group-id": group,
      "security-group-rule-ids": id,
    }),
  route: (place: Place, table: string, { destination, target }: SeenRoute): string =>
    // A route to an endpoint goes with the endpoint's association alone.
    target.startsWith("vpce-")
      ? aws("modify-vpc-endpoint", place, { "vpc-endpoint-id": target, "remove-route-table-ids": table })
      : aws("delete-route", place, { "route-table-id": table, [destinationOption(destination)]: destination }),
};

function destinationOption(destination: string): string {
  if (destination.startsWith("pl-")) return "destination-prefix-list-id";
  return destination.includes(":") ? "destination-ipv6-cidr-block" : "destination-cidr-block";
}

function aws(command: string, { awsCli, region }: Place, options: Record<string, string>): string {
  const words = Object.entries({ region, ...options }).map(([name, value]) => `--${name} ${shellQuote(value)}`);
  return `${awsCli} ec2 ${command} ${words.join(" ")}`;
}

/** What happened to it, for a person: `rule tcp 22 from 203.0.113.0/24 (SSH) was removed outside this tool`. */
export function driftWords({ kind, id, was, is }: Drift): string {
  if (kind === "instance") return instanceWords(id, is);
  const name = kind === "security-groups" ? "security groups" : kind.replace("-", " ");
  const verb = kind === "security-groups" ? "were" : "was";
  if (was === null) return `${name} ${is ?? id} was added outside this tool`;
  if (is === null) return `${name} ${was} was removed outside this tool`;
  return `${name} ${verb} changed outside this tool: ${was} became ${is}`;
}

function instanceWords(id: string, state: string | null): string {
  if (state === null) return `instance ${id} is gone`;
  return state.startsWith("stop") ? `instance ${id} was stopped outside this tool` : `instance ${id} has ended`;
}

/** One difference as a line for a person: where it is, what it is, and what ends it. */
export function driftLine(drift: Drift): string {
  const { region, node, heals } = drift;
  const where = node === undefined ? region : `${region}, ${node}`;
  return `${where}: ${driftWords(drift)}. ${heals.startsWith("`") ? heals : `This removes it: ${heals}`}`;
}
