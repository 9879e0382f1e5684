import type { Market } from "../model";
import { pluralize } from "../text/words";

/** A price that holds from a moment until the next point: USD per hour; milliseconds since 1970. */
export interface PricePoint {
  at: number;
  price: number;
}

const HOUR_MS = 3_600_000;

/** The price that holds now: the last point's. */
export function currentPrice(points: readonly PricePoint[]): number | undefined {
  return [...points].sort((a, b) => a.at - b.at).at(-1)?.price;
}

/**
 * What an instance came to between two moments, USD: each stretch at the price that held in it. Before the first point
 * its price is taken for granted. An estimate: AWS's bill has its own rounding, and storage and traffic besides.
 */
export function costBetween(points: readonly PricePoint[], from: number, to: number): number | undefined {
  const sorted = [...points].sort((a, b) => a.at - b.at);
  if (sorted.length === 0) return undefined;
  return sorted.reduce((sum, { at, price }, i) => {
    const begin = i === 0 ? from : Math.max(from, at);
    const end = Math.min(to, sorted[i + 1]?.at ?? to);
    return sum + (Math.max(0, end - begin) / HOUR_MS) * price;
  }, 0);
}

/** What one node costs, USD; null: not known. */
export interface NodeCost {
  /** Per hour, at the present price; 0 for a node that has ended. */
  hourly: number | null;
  /** Per hour on demand, as far as it is known. */
  onDemandHourly: number | null;
  soFar: number | null;
}

/** Sums over the nodes of which the figure is known; null: nothing is known, but of nodes that cost nothing. */
export interface FleetCost {
  hourly: number | null;
  soFar: number | null;
  /** Per hour, over the nodes whose on-demand price is known. */
  savedHourly: number | null;
  /** Nodes whose price is not known and that are in no sum. */
  unknown: number;
  /** Nodes of which it is not known what they came to. */
  unknownSoFar: number;
}

export function fleetCost(costs: readonly NodeCost[]): FleetCost {
  const hourly = costs.map((cost) => cost.hourly);
  const soFar = costs.map((cost) => cost.soFar);
  const saved = costs.map(({ hourly: now, onDemandHourly }) =>
    now === null || onDemandHourly === null ? null : now > 0 ? onDemandHourly - now : 0,
  );
  return {
    hourly: knownSum(hourly),
    soFar: knownSum(soFar),
    savedHourly: knownSum(saved),
    unknown: unknownIn(hourly),
    unknownSoFar: unknownIn(soFar),
  };
}

const isKnown = (value: number | null): value is number => value !== null;

function knownSum(values: readonly (number | null)[]): number | null {
  const known = values.filter(isKnown).reduce((sum, value) => sum + value, 0);
  return known === 0 && unknownIn(values) > 0 ? null : known;
}

const unknownIn = (values: readonly (number | null)[]): number => values.filter((value) => value === null).length;

/** `$0.0142`, `$12.40`: four digits where cents would be nothing; `unknown` for what is not known. */
export function dollars(amount: number | null): string {
  if (amount === null) return "unknown";
  return `$${amount.toFixed(amount !== 0 && Math.abs(amount) < 1 ? 4 : 2)}`;
}

/** A sum in words. @param unknown how many are not in it: then it is the least that it can be */
export const sumText = (amount: number | null, unknown: number): string =>
  amount !== null && unknown > 0 ? `at least ${dollars(amount)}` : dollars(amount);

/** Where AWS tells what on demand costs. */
export const ON_DEMAND_PRICES = "https://aws.amazon.com/ec2/pricing/on-demand/";

const HOURS_A_MONTH = 730;

/** What nodes cost an hour and a month, in words; undefined: nothing is known that is worth a line. */
export function forecastText(nodes: readonly { market: Market; hourly: number | null }[]): string | undefined {
  const hourly = knownSum(nodes.map((node) => node.hourly));
  const unknown = nodes.filter((node) => node.hourly === null);
  const onDemand = unknown.filter(({ market }) => market === "on-demand").length;
  const missing = [
    ...(onDemand > 0 ? [`${onDemand} on demand (${ON_DEMAND_PRICES})`] : []),
    ...(unknown.length > onDemand ? [`${unknown.length - onDemand} whose spot price AWS did not tell`] : []),
  ];
  if (nodes.length === 0 || (hourly === null && onDemand === 0)) return undefined;
  const known =
    hourly === null
      ? []
      : [
          `${sumText(hourly, unknown.length)} an hour at the present spot prices, ${sumText(hourly * HOURS_A_MONTH, unknown.length)} a month`,
        ];
  return [
    pluralize(nodes.length, "node"),
    ...known,
    ...(missing.length > 0 ? [`not known is the price of ${missing.join(" and of ")}`] : []),
    "storage and traffic not counted",
  ].join("; ");
}
