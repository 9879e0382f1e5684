import { nextPool, type Choice, type PoolPattern } from "../../fleet/aws/pools";
import type { ErrorInfo } from "../../fleet/errors";
import type { NodePin, Pins, RegionPin, Slot } from "../../fleet/model";
import type { Offers } from "./offers";
import type { RegionOffer } from "./regions";

export interface Placing {
  /** Slots that need a place. */
  open: readonly Slot[];
  /** Of the slots that keep theirs, by slot name. */
  kept: Readonly<Record<string, NodePin>>;
  /** What is decided so far. `nodes`: of the open slots too, where they have a node. */
  decided: { regions: Readonly<Record<string, RegionPin>>; nodes: Readonly<Record<string, NodePin>> };
  offers: Offers;
  /** Why nothing can be made in a region, by region. */
  faults: ReadonlyMap<string, ErrorInfo>;
  /** Pools that were closed a moment ago. */
  avoided: readonly PoolPattern[];
}

/** Where the nodes go, and the home regions of those that no pool has room for. */
export type Placed = Pick<Pins, "nodes" | "regions" | "unplaced"> & { homeless: ReadonlySet<string> };

/**
 * A place for each open slot, one after the other, so that each sees where the others are.
 * @throws SpotError E_CREDENTIALS when it is the credentials themselves, which concerns every region
 */
export async function placeAll({ open, kept, decided, offers, faults, avoided }: Placing): Promise<Placed> {
  const nodes = { ...kept };
  const regions = { ...decided.regions };
  const unplaced: Record<string, string> = {};
  const homeless = new Set<string>();
  const closed = [...faults.keys()].map((region) => ({ region }));
  for (const slot of open) {
    const taken = Object.values(nodes).map(({ pool }) => pool);
    const place = await placeFor(slot, offers, { closed, avoided, taken });
    const before = decided.nodes[slot.name];
    if (!place) homeless.add(slot.homeRegion);
    if (place) {
      regions[place.offer.region] = place.offer.pin;
      nodes[slot.name] = place.pin;
    } else if (before) {
      // A node that runs keeps running as it is: a region that does not answer is no reason to delete it.
      nodes[slot.name] = before;
    } else {
      unplaced[slot.name] = faults.get(slot.homeRegion)?.message ?? "no pool has room";
    }
  }
  return { nodes, regions, unplaced, homeless };
}

/** Where a slot can go: its own region first, then the others that are allowed. Undefined: nowhere. */
export async function placeFor(
  slot: Slot,
  offers: Offers,
  choice: Choice,
): Promise<{ pin: NodePin; offer: RegionOffer } | undefined> {
  for (const region of offers.regionsFor(slot.homeRegion)) {
    const { offer, candidates } = await offers.of(region);
    const found = candidates && nextPool(candidates, choice);
    if (offer && found) return { pin: { ami: found.ami, pool: found.pool }, offer };
  }
  return undefined;
}
