import type { Cloud } from "./rule";
import { instancesOf, items, text, type Node } from "../protocol/xml";

/** Filters of a Describe call as form fields. */
export function filterParams(filters: Record<string, string[]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(filters).flatMap(([name, values], index): [string, string][] => [
      [`Filter.${index + 1}.Name`, name],
      ...values.map((value, at): [string, string] => [`Filter.${index + 1}.Value.${at + 1}`, value]),
    ]),
  );
}

/** All instances of a region that match, page by page. */
export async function allInstances(
  cloud: Pick<Cloud, "moto">,
  region: string,
  filters: Record<string, string[]> = {},
): Promise<Node[]> {
  const found: Node[] = [];
  let next = "";
  do {
    const answer = await cloud.moto.ask(region, "DescribeInstances", {
      ...filterParams(filters),
      MaxResults: "1000",
      ...(next && { NextToken: next }),
    });
    found.push(...instancesOf(answer));
    next = text(answer, "nextToken");
  } while (next !== "");
  return found;
}

export async function interfaces(
  cloud: Cloud,
  region: string,
  filters: Record<string, string[]> = {},
): Promise<Node[]> {
  return items(await cloud.moto.ask(region, "DescribeNetworkInterfaces", filterParams(filters)), "networkInterfaceSet");
}

export async function availabilityZones(cloud: Cloud, region: string): Promise<string[]> {
  return items(await cloud.moto.ask(region, "DescribeAvailabilityZones"), "availabilityZoneInfo").map((zone) =>
    text(zone, "zoneName"),
  );
}

/** Where a launch would run, as far as the call says: its zone by name or by subnet. */
export async function zoneOf(cloud: Cloud, region: string, params: URLSearchParams): Promise<string | undefined> {
  const named = params.get("Placement.AvailabilityZone");
  // An empty one is none.
  if (named) return named;
  const subnet = params.get("SubnetId") ?? params.get("NetworkInterface.1.SubnetId");
  if (subnet === null) return undefined;
  const answer = await cloud.moto.ask(region, "DescribeSubnets", { "SubnetId.1": subnet });
  return text(items(answer, "subnetSet")[0], "availabilityZone");
}
