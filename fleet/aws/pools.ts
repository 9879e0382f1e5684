import type { Market, Pool } from "../model";

/** A pool that a node may be launched in, with what that launch needs. */
export interface Candidate {
  pool: Pool;
  ami: string;
  /** US dollars per hour of a spot pool, when AWS told it. */
  price?: number;
}

/** One machine type as a region offers it. */
export interface TypeOffer {
  name: string;
  /** The image that fits the type's architecture there. */
  ami: string;
  vcpus: number;
  zones: string[];
  /** Spot price by zone, US dollars per hour; a zone without one has no known price. */
  prices: Readonly<Record<string, number>>;
}

/** How much of a region an answer of AWS rules out. To add one, add a row to `poolFields`. */
export type PoolScope = "pool" | "zone" | "market";

/** Some fields of a pool: stands for every pool that has the same values there. */
export type PoolPattern = Partial<Pool>;

const poolFields: Readonly<Record<PoolScope, readonly (keyof Pool)[]>> = {
  pool: ["region", "availabilityZone", "instanceType", "market"],
  zone: ["region", "availabilityZone"],
  market: ["region", "market"],
};

/** All pools that are ruled out with this one. */
export function patternOf(pool: Pool, scope: PoolScope): PoolPattern {
  return Object.fromEntries(poolFields[scope].map((field) => [field, pool[field]]));
}

export function isIn(pool: Pool, patterns: readonly PoolPattern[]): boolean {
  return patterns.some((pattern) =>
    (Object.keys(pattern) as (keyof Pool)[]).every((field) => pattern[field] === pool[field]),
  );
}

/** `us-west-2a, t3.medium, spot`: a pool as tables and messages name it. */
export function poolText({ availabilityZone, instanceType, market }: Pool): string {
  return `${availabilityZone}, ${instanceType}, ${market}`;
}

/**
 * Every pool of a region that will do, the most wanted first: market before type (on demand only when no spot type has
 * room), types in the order of the configuration, zones by price. A spot pool that costs more than `maxPrice` is none.
 */
export function candidatesOf(
  region: string,
  types: readonly TypeOffer[],
  markets: readonly Market[],
  maxPrice: number | undefined,
): Candidate[] {
  return markets.flatMap((market) =>
    types.flatMap(({ name, ami, zones, prices }) =>
      zones
        .map(
          (zone): Candidate => ({
            pool: { region, availabilityZone: zone, instanceType: name, market },
            ami,
            ...(market === "spot" && prices[zone] !== undefined ? { price: prices[zone] } : {}),
          }),
        )
        .filter(({ price }) => price === undefined || maxPrice === undefined || price <= maxPrice)
        .sort(
          (a, b) =>
            (a.price ?? Infinity) - (b.price ?? Infinity) || byName(a.pool.availabilityZone, b.pool.availabilityZone),
        ),
    ),
  );
}

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export interface Choice {
  /** Pools that this run has found out to be closed. */
  closed: readonly PoolPattern[];
  /** Pools that were closed a moment ago: taken only when nothing else is left. */
  avoided: readonly PoolPattern[];
  /** Where nodes are already, so that they spread. */
  taken: readonly Pool[];
}

/**
 * The next pool for a node: the first market and type that has an open pool, there the zone with the fewest nodes of
 * the fleet, of those the cheapest. Undefined when every pool is closed.
 * @param candidates in order of preference (`candidatesOf`)
 */
export function nextPool(candidates: readonly Candidate[], { closed, avoided, taken }: Choice): Candidate | undefined {
  const open = candidates.filter(({ pool }) => !isIn(pool, closed));
  const fresh = open.filter(({ pool }) => !isIn(pool, avoided));
  const [first, ...others] = fresh.length > 0 ? fresh : open;
  if (first === undefined) return undefined;
  const load = (pool: Pool): number =>
    taken.filter(({ availabilityZone }) => availabilityZone === pool.availabilityZone).length;
  return others
    .filter(
      ({ pool }) =>
        pool.market === first.pool.market &&
        pool.instanceType === first.pool.instanceType &&
        pool.region === first.pool.region,
    )
    .reduce((best, other) => (load(other.pool) < load(best.pool) ? other : best), first);
}
