import type { FleetConfig } from "../config";
import type { Slot } from "../model";

/**
 * The places of the fleet, region by region in the configuration's order. A slot's name depends on its region and
 * its ordinal there, and on nothing else: another region's count never renames a node, and a larger count only adds.
 */
export function slotsOf(config: Pick<FleetConfig, "regions">): Slot[] {
  return config.regions.flatMap(({ name, count }) =>
    Array.from({ length: count }, (_, ordinal) => ({ name: `${name}-${ordinal}`, homeRegion: name, ordinal })),
  );
}
