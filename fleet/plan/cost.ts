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

export interface FleetCost {
  hourly: number;
  soFar: number;
  /** Per hour, over the nodes whose on-demand price is known. */
  savedHourly: number;
  /** Nodes whose price is not known and that are in no sum. */
  unknown: number;
}

export function fleetCost(costs: readonly NodeCost[]): FleetCost {
  const sum = (values: (number | null)[]): number => values.reduce<number>((total, value) => total + (value ?? 0), 0);
  return {
    hourly: sum(costs.map(({ hourly }) => hourly)),
    soFar: sum(costs.map(({ soFar }) => soFar)),
    savedHourly: sum(
      costs.map(({ hourly, onDemandHourly }) => (hourly && onDemandHourly ? onDemandHourly - hourly : 0)),
    ),
    unknown: costs.filter(({ hourly }) => hourly === null).length,
  };
}

/** `$0.0142`, `$12.40`: four digits where cents would be nothing. */
export function dollars(amount: number | null): string {
  if (amount === null) return "-";
  return `$${amount.toFixed(amount !== 0 && Math.abs(amount) < 1 ? 4 : 2)}`;
}
