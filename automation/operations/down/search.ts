import { Tag } from "../../../fleet/model";
import { shortName } from "../../../fleet/identity/ownership";
import { enabledRegionsAnd } from "../../../cloud/enabled-regions";
import type { FleetObject } from "../../../cloud/resources/find";
import { inventoryOfStack, patiently } from "../../../cloud/resources/inventory";
import { fleetRegions, isUnrecorded, type Session } from "../../session";
import { coverageOf } from "./proof";
import { nothingFound, type DownRequest, type DownResult } from "./result";

/** The whole fleet is meant, and nothing here tells of one. */
export function isSearch(session: Session, { nodes, region }: DownRequest): boolean {
  return isUnrecorded(session) && nodes === undefined && region === undefined;
}

/**
 * Nothing here tells of a fleet, which is no proof that there is none: its record may be lost, or on another machine.
 * So its name is looked for in the whole account. Ends nothing: what is found may be somebody else's.
 */
export async function searchByName(session: Session): Promise<Omit<DownResult, "account">> {
  const regions = await enabledRegionsAnd(session.cloud, session.configured);
  const looked = await patiently(
    (silent) => inventoryOfStack(session.cloud, shortName(session.target.stack), silent),
    regions,
    session.interrupts.soft,
  );
  const fleets = new Map<string, FleetObject[]>();
  for (const object of looked.flatMap(({ objects }) => objects)) {
    const lineage = object.tags[Tag.lineage] ?? "none";
    fleets.set(lineage, [...(fleets.get(lineage) ?? []), object]);
  }
  const namesakes = [...fleets].map(([lineage, objects]) => ({ lineage, objects }));
  const used = fleetRegions(session, session.configured);
  return { ...nothingFound(), namesakes, ...coverageOf(looked, used, true) };
}
