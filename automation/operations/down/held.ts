import { wordsOf } from "../../../fleet/errors";
import type { FleetObject } from "../../../cloud/resources/find";
import { heldVpcs, namesOf, type HeldVpc } from "../../../cloud/resources/strangers";
import type { Session } from "../../session";

/** What AWS would be waited for in vain. A look that fails holds nothing up: AWS then says itself what it keeps. */
async function heldAmong(
  session: Session,
  lineage: string,
  found: FleetObject[],
  stays: ReadonlySet<string>,
): Promise<HeldVpc[]> {
  try {
    return await heldVpcs(
      session.cloud,
      lineage,
      found.filter(({ kind }) => kind === "vpc"),
      stays,
    );
  } catch (error) {
    session.reporter.emit({
      type: "message",
      level: "debug",
      subject: "down",
      message: `what the fleet's VPCs hold could not be looked at: ${wordsOf(error)}`,
    });
    return [];
  }
}

/**
 * Names what holds the VPCs among these objects, before anything is tried in vain.
 * @param stays what carries the fleet's ID and is not to go all the same
 */
export async function tellHeld(
  session: Session,
  lineage: string,
  found: FleetObject[],
  stays: ReadonlySet<string> = new Set(),
): Promise<HeldVpc[]> {
  const held = await heldAmong(session, lineage, found, stays);
  for (const { region, vpc, by } of held) {
    session.reporter.emit({
      type: "message",
      level: "warning",
      subject: region,
      message: `${vpc} stays with its network: it holds ${namesOf(by)}, which this fleet did not make. Delete that, then run this again`,
    });
  }
  return held;
}

/** Nodes end whatever holds their VPC; of its network nothing is taken away from under it. */
export function staysFor(held: HeldVpc[], { kind, region }: FleetObject): boolean {
  return kind !== "instance" && kind !== "volume" && held.some((one) => one.region === region);
}
