import { errorInfo } from "../../../fleet/errors";
import type { RegionInventory } from "../../../cloud/resources/inventory";
import { orphansAmong, tellUnexplained } from "../../session/orphans";
import { fleetRegions, type Session } from "../../session";
import type { DownResult } from "./result";
import { lookAtScope, type Scope } from "./scope";

type Coverage = Pick<DownResult, "regions" | "everywhere" | "notLookedAt">;

/** Lists once more what should be gone: what is left of it, and which regions answered. */
export async function proofOf(
  session: Session,
  scope: Scope,
): Promise<Pick<DownResult, "leftovers" | "others" | "unexplained" | "namesakes"> & Coverage> {
  const { looked, own, others } = await lookAtScope(session, scope);
  const { unexplained } = orphansAmong(session, own);
  tellUnexplained(session, unexplained);
  const used = fleetRegions(session, session.configured);
  return { leftovers: own, others, unexplained, namesakes: [], ...coverageOf(looked, used, scope.everywhere) };
}

/**
 * What was listed and what was not.
 * @param used the regions that the fleet is known to use, or is to use: these must have answered
 * @param everywhere the account has no other regions than those that were looked at
 */
export function coverageOf(looked: readonly RegionInventory[], used: readonly string[], everywhere: boolean): Coverage {
  const silent = new Map(looked.flatMap(({ region, error }) => (error ? [[region, error] as const] : [])));
  return {
    regions: [...new Set(looked.map(({ region }) => region))].filter((region) => !silent.has(region)),
    everywhere: everywhere && silent.size === 0,
    notLookedAt: [...silent].map(([region, error]) => ({
      region,
      error: errorInfo(error),
      everUsed: used.includes(region),
    })),
  };
}
