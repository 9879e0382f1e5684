import { readFileSync } from "node:fs";
import path from "node:path";
import { costBetween, currentPrice, forecastText, type NodeCost, type PricePoint } from "../../../fleet/plan/cost";
import { wordsOf } from "../../../fleet/errors";
import type { Pool } from "../../../fleet/model";
import { poolKey, spotLimits, spotPrices, type SpotPrices } from "../../../cloud/offerings/prices";
import type { Session } from "../../session";
import { tryWriteFile } from "../../../system/atomic-file";
import type { ListedNode } from "./list";

/** Prices change by the hour at most; within one, `list` asks for none. */
const FRESH_MS = 3_600_000;

interface KeptPrices {
  /** When AWS was asked, and since when its answer tells. */
  at: number;
  since: number;
  types: string[];
  prices: SpotPrices;
}

/** Spot prices by region and pool. */
export type Prices = Map<string, SpotPrices>;

/**
 * The spot prices of some pools, kept for an hour beside the other caches. Without permission for them, or without an
 * answer, there are none: what a node costs is never worth a failure.
 * @param since the launch of the oldest instance
 */
export async function pricesOf(
  session: Session,
  pools: Pick<Pool, "region" | "instanceType">[],
  since: Date,
): Promise<Prices> {
  const regions = [...new Set(pools.map(({ region }) => region))].sort();
  const file = path.join(session.target.scratch, "prices.json");
  const kept = readKept(file);
  const now = Date.now();
  const asked = await Promise.all(
    regions.map(async (region) => {
      const types = [
        ...new Set(pools.filter((pool) => pool.region === region).map(({ instanceType }) => instanceType)),
      ].sort();
      const known = kept[region];
      if (
        known &&
        now - known.at < FRESH_MS &&
        known.since <= since.getTime() &&
        types.every((type) => known.types.includes(type))
      )
        return false;
      try {
        kept[region] = {
          at: now,
          since: since.getTime(),
          types,
          prices: await spotPrices(session.cloud, region, types, since),
        };
        return true;
      } catch (error) {
        session.reporter.emit({
          type: "message",
          level: "debug",
          subject: region,
          message: `no prices: ${wordsOf(error)}`,
        });
        return false;
      }
    }),
  );
  if (asked.includes(true)) tryWriteFile(file, JSON.stringify(kept));
  return new Map(regions.flatMap((region) => (kept[region] ? [[region, kept[region].prices] as const] : [])));
}

function readKept(file: string): Record<string, KeptPrices> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, KeptPrices>;
  } catch {
    // Not there, or not whole: it is a cache.
    return {};
  }
}

/**
 * What one listed node costs by these prices. Of one that AWS did not tell of, nothing is known: it may run. One that has
 * ended costs nothing any more.
 */
export function costOf(node: ListedNode, prices: Prices, now: number, onDemandHourly: number | null = null): NodeCost {
  if (node.state === "unknown") return { hourly: null, onDemandHourly, soFar: null };
  const points = pointsOf(node, prices);
  const isUp = node.state === "running" || node.state === "pending";
  const end = isUp ? now : endOf(node);
  const began = node.launchedAt === null ? undefined : Date.parse(node.launchedAt);
  return {
    hourly: isUp ? (currentPrice(points) ?? null) : 0,
    onDemandHourly,
    soFar: began === undefined || end === undefined ? null : (costBetween(points, began, end) ?? null),
  };
}

/** EC2 tells it in words only: `User initiated (2026-11-23 07:10:11 GMT)`. */
function endOf({ stateReason }: ListedNode): number | undefined {
  const found = /\((\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) (?:GMT|UTC)\)/.exec(stateReason ?? "");
  const [, date, time] = found ?? [];
  return date !== undefined && time !== undefined ? Date.parse(`${date}T${time}Z`) : undefined;
}

/** On-demand prices by instance id, as far as the spot requests tell. A fleet with a price limit has none to tell. */
export async function onDemandPrices(session: Session, nodes: ListedNode[]): Promise<Map<string, number>> {
  const spot = nodes.filter(({ market }) => market === "spot");
  const regions = [...new Set(spot.map(({ region }) => region))];
  const found = await Promise.all(
    regions.map(async (region) => {
      try {
        return Object.entries(
          await spotLimits(
            session.cloud,
            region,
            spot.filter((node) => node.region === region).map(({ instanceId }) => instanceId),
          ),
        );
      } catch (error) {
        session.reporter.emit({
          type: "message",
          level: "debug",
          subject: region,
          message: `no on-demand prices: ${wordsOf(error)}`,
        });
        return [];
      }
    }),
  );
  return new Map(found.flat());
}

/** What holds for a pool, as far as it is known. On-demand prices are another service's, with permissions of its own. */
const pointsOf = (pool: Pool, prices: Prices): PricePoint[] =>
  pool.market === "spot" ? (prices.get(pool.region)?.[poolKey(pool.availabilityZone, pool.instanceType)] ?? []) : [];

/** One line about what these nodes cost, or will: before anything is confirmed, and when it is known where they are. */
export async function tellCost(session: Session, pools: Pool[], what: string): Promise<void> {
  const prices = await pricesOf(session, pools, new Date());
  const forecast = forecastText(
    pools.map((pool) => ({ market: pool.market, hourly: currentPrice(pointsOf(pool, prices)) ?? null })),
  );
  if (forecast !== undefined)
    session.reporter.emit({ type: "message", level: "info", subject: "cost", message: `${what}: ${forecast}` });
}
