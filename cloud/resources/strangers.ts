import { ownerOf } from "../../fleet/identity/ownership";
import type { Cloud } from "../clients";
import { findResources, type CloudObject } from "./find";

/** A VPC that cannot go, and what it holds that is not its owner's. */
export interface HeldVpc {
  region: string;
  vpc: string;
  by: CloudObject[];
}

/**
 * Splits what a VPC holds. What is not `mine` is a stranger: the VPC cannot go without it. `own` is what is to be
 * deleted. What AWS makes and ends together with another thing of the VPC is in neither list: that one stands for both.
 */
export function sorted(
  vpc: string,
  contents: readonly CloudObject[],
  mine: (object: CloudObject) => boolean,
): { own: CloudObject[]; strangers: CloudObject[] } {
  const holders = new Set([vpc, ...contents.map(({ id }) => id)]);
  const keptByAws = new Set(contents.flatMap(({ interfaces }) => interfaces ?? []));
  const alone = contents.filter(
    ({ id, endsWith }) => !keptByAws.has(id) && !(endsWith !== undefined && holders.has(endsWith)),
  );
  return {
    own: alone.filter((object) => mine(object) && object.managed === undefined),
    strangers: alone.filter((object) => !mine(object)),
  };
}

/**
 * What in these VPCs of a fleet is not the fleet's. Only VPCs that hold something such are answered.
 * @param stays what carries the fleet's ID and is not to go all the same
 * @throws what AWS said
 */
export async function heldVpcs(
  cloud: Cloud,
  lineage: string,
  vpcs: readonly { region: string; id: string }[],
  stays: ReadonlySet<string> = new Set(),
): Promise<HeldVpc[]> {
  const looked = await Promise.all(
    vpcs.map(async ({ region, id }) => {
      const contents = await findResources(cloud, region, [{ vpc: id }]);
      return {
        region,
        vpc: id,
        by: sorted(id, contents, (object) => ownerOf(object.tags, { lineage }) === "ours" && !stays.has(object.id))
          .strangers,
      };
    }),
  );
  return looked.filter(({ by }) => by.length > 0);
}

/** Things for a sentence: `instance i-1 (running) and security-group sg-1 (web)`. */
export function namesOf(objects: readonly CloudObject[]): string {
  const names = objects.map(({ kind, id, detail }) => `${kind} ${id}${detail ? ` (${detail})` : ""}`);
  return names.length < 2 ? names.join() : `${names.slice(0, -1).join(", ")} and ${names.slice(-1).join()}`;
}
