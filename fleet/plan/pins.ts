import type { FleetConfig } from "../config";
import type { FormerNetwork, NodePin, Pins, RegionPin, Slot } from "../model";

/** The fleet's own security group in a network, as the state has it. */
export interface RecordedGroup {
  /** Its logical name. */
  name: string;
  /** As `networkId` has it. */
  network: string;
}

/** The `networkId` of what is made for the fleet. */
export const MADE = "create";

/** What tells the networks of one region apart: none has more than one that is made for the fleet. */
export function networkId(pin: RegionPin): string {
  return pin.network === "create" ? MADE : pin.vpcId;
}

/** A network with the name of the fleet's own group in it: that which is recorded, else one that no other network's has. */
export function withGroup(pin: RegionPin, region: string, recorded: readonly RecordedGroup[] = []): RegionPin {
  const own = recorded.find(({ network }) => network === networkId(pin))?.name;
  const taken = new Set(recorded.map(({ name }) => name));
  let group = own ?? region;
  for (let next = 2; own === undefined && taken.has(group); next++) group = `${region}-${next}`;
  return group === region ? pin : { ...pin, group };
}

/**
 * Does what is recorded still fit what the configuration asks for? A node keeps its pool and image; machine types,
 * markets and network are the user's to change, and a change of them decides anew. A node in another region than its
 * own was made as that region's nodes are, and is judged by that region's settings.
 */
export function keeps(pin: NodePin | undefined, region: RegionPin | undefined, config: FleetConfig): boolean {
  const wanted = config.regions.find(({ name }) => name === pin?.pool.region);
  if (!pin || !region || !wanted) return false;
  const { instanceType, market } = pin.pool;
  return (
    wanted.machineTypes.includes(instanceType) &&
    config.markets.includes(market) &&
    networkFits(region, config.network) &&
    imageFits(pin.ami, wanted.image)
  );
}

/**
 * Of the slots that have a node: where it fits what the configuration asks for, in the network that its region has.
 * @param decided `standsIn`: the network of each node, by its name
 */
export function keptNodes(
  slots: readonly Slot[],
  decided: {
    regions: Readonly<Record<string, RegionPin>>;
    nodes: Readonly<Record<string, NodePin>>;
    standsIn: Readonly<Record<string, RegionPin>>;
  },
  config: FleetConfig,
): Record<string, NodePin> {
  return Object.fromEntries(
    slots.flatMap(({ name }) => {
      const pin = decided.nodes[name];
      const place = decided.standsIn[name];
      const region = pin && decided.regions[pin.pool.region];
      const stands = place && region && networkId(place) === networkId(region);
      return pin && stands && keeps(pin, place, config) ? [[name, pin]] : [];
    }),
  );
}

/** An existing network is kept as recorded unless another one is named; a made one only fits `create`. */
export function networkFits(pin: RegionPin, network: string): boolean {
  if (network === "create") return pin.network === "create";
  return pin.network === "existing" && (network === "default" || pin.vpcId === network);
}

/** A named image follows its distribution and is decided once; an AMI id is what the user says it is. */
function imageFits(ami: string, image: string): boolean {
  return !image.startsWith("ami-") || ami === image;
}

/** Pins put together: what is kept, what was decided now, and what could not be. */
export function pinsOf(parts: {
  nodes: Record<string, NodePin>;
  launches: Record<string, string>;
  regions: Record<string, RegionPin>;
  unplaced: Record<string, string>;
  ssh: Pins["ssh"];
}): Pins {
  const used = new Set(Object.values(parts.nodes).map(({ pool }) => pool.region));
  return {
    version: 1,
    regions: Object.fromEntries(
      Object.entries(parts.regions)
        .filter(([region]) => used.has(region))
        .sort(byKey),
    ),
    nodes: Object.fromEntries(Object.entries(parts.nodes).sort(byKey)),
    launches: Object.fromEntries(
      Object.entries(parts.launches)
        .filter(([name]) => name in parts.nodes)
        .sort(byKey),
    ),
    unplaced: parts.unplaced,
    ssh: parts.ssh,
  };
}

/** The networks that pins declare, by region: that which is decided first. */
export function networksIn(pins: Pins): Record<string, RegionPin[]> {
  const regions = new Set([...Object.keys(pins.regions), ...Object.keys(pins.former ?? {})]);
  return Object.fromEntries(
    [...regions].map((region) => {
      const decided = pins.regions[region];
      const former = pins.former?.[region]?.map(({ network }) => network) ?? [];
      return [region, decided ? [decided, ...former] : former];
    }),
  );
}

/** The fleet's own security group in each of these networks of a region. */
export function groupsIn(networks: readonly RegionPin[], region: string): RecordedGroup[] {
  return networks.map((pin) => ({ name: pin.group ?? region, network: networkId(pin) }));
}

/** The networks that nodes wait for their turn to leave, with those of these slots alone. */
export function formerOf({ former = {} }: Pins, slots: readonly Slot[]): Record<string, FormerNetwork[]> {
  const wanted = new Set(slots.map(({ name }) => name));
  return Object.fromEntries(
    Object.entries(former).flatMap(([region, left]): [string, FormerNetwork[]][] => {
      const waiting = left.flatMap(({ network, nodes }): FormerNetwork[] => {
        const own = Object.entries(nodes).filter(([name]) => wanted.has(name));
        return own.length === 0 ? [] : [{ network, nodes: Object.fromEntries(own) }];
      });
      return waiting.length === 0 ? [] : [[region, waiting]];
    }),
  );
}

/** The pins with a slot in another place. A region's pin stays as it was decided, with the zones that it did not need so far. */
export function placed(pins: Pins, name: string, { node, region }: { node: NodePin; region: RegionPin }): Pins {
  const decided = pins.regions[node.pool.region];
  return {
    ...pins,
    nodes: { ...pins.nodes, [name]: node },
    regions: { ...pins.regions, [node.pool.region]: decided ? withZonesOf(decided, region) : region },
  };
}

/** What is decided of a network are the zones that were in use, or that there were. */
function withZonesOf(decided: RegionPin, offered: RegionPin): RegionPin {
  if (networkId(decided) !== networkId(offered)) return decided;
  if (decided.network === "existing" && offered.network === "existing")
    return { ...decided, subnets: { ...offered.subnets, ...decided.subnets } };
  if (decided.network === "create" && offered.network === "create") {
    const availabilityZones = [...new Set([...decided.availabilityZones, ...offered.availabilityZones])].sort();
    return { ...decided, availabilityZones };
  }
  return decided;
}

/** The pins without some slots. @param reasons why each has no place, by slot name */
export function unplaced(pins: Pins, reasons: Readonly<Record<string, string>>): Pins {
  return {
    ...pins,
    nodes: Object.fromEntries(Object.entries(pins.nodes).filter(([name]) => !(name in reasons))),
    unplaced: { ...pins.unplaced, ...reasons },
  };
}

const byKey = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);
