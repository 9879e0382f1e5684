/** How long AWS takes for what moto does at once, milliseconds. Set by `PUT /_spot/timings`; 0 is at once. */
export interface Timings {
  /** An instance that was just made is not known to calls that name its id, and missing from listings. */
  newIdUnknownMs: number;
  /** A NAT gateway that was told to go is `deleting`, and its subnet in use. */
  natDeletingMs: number;
}

export const defaultTimings: Readonly<Timings> = { newIdUnknownMs: 0, natDeletingMs: 0 };

/** Reads a partial change. Throws an Error that names what is wrong. */
export function parseTimings(value: unknown): Partial<Timings> {
  const entries = Object.entries(typeof value === "object" && value !== null ? value : {});
  for (const [name, ms] of entries) {
    if (!(name in defaultTimings))
      throw new Error(`unknown timing ${name}; known: ${Object.keys(defaultTimings).join(", ")}`);
    if (typeof ms !== "number" || ms < 0) throw new Error(`${name} is not a number of milliseconds`);
  }
  return Object.fromEntries(entries);
}
