import * as pulumi from "@pulumi/pulumi";
import { cloudOf, type Cloud, type CloudPlace } from "../cloud/clients";
import { networkNow } from "../cloud/offerings/network-now";
import { Offers } from "../cloud/offerings/offers";
import { placeAll } from "../cloud/offerings/places";
import type { FleetConfig } from "../fleet/config";
import { errorInfo, isSpotError, SpotError, type ErrorInfo } from "../fleet/errors";
import { newLaunch } from "../fleet/identity/launch";
import type { Decision, Pins, RegionPin, Slot } from "../fleet/model";
import { formerOf, groupsIn, keeps, keptNodes, networkFits, networksIn, placed, pinsOf } from "../fleet/plan/pins";
import { decisionSchema } from "../fleet/plan/stack-config";
import { again, outside } from "../fleet/steps";
import { readPublicKey } from "../project/public-key";
import { valueOf } from "./outputs";

/** What is declared when plain Pulumi runs the program. */
export interface Decided {
  pins: Pins;
  /** Why nothing could be decided in a region, by region. What is there stays as it is. */
  faults: ReadonlyMap<string, ErrorInfo>;
}

/**
 * The pins as the configuration has them now, by the rules of `spot up`: with a decision for each slot that has none, or
 * whose node does not fit any more. AWS is asked only then. The state records each decision once: until `spot up` pins
 * it, a later run that has to decide takes what was recorded.
 * @throws SpotError E_CREDENTIALS, which concerns every region; E_SSH_KEY; E_NETWORK where it is not known who may log in
 */
export async function decideOpen(
  { config, slots }: { config: FleetConfig; slots: readonly Slot[] },
  pins: Pins,
  place: CloudPlace,
): Promise<Decided> {
  const ssh = sshNow(config, pins.ssh);
  const cloud = cloudOf(place);
  try {
    const { regions, faults } = await networksNow(cloud, config, pins.regions);
    return await decide(cloud, config, slots, { ...pins, regions, ssh }, { standsIn: standsIn(pins), faults });
  } finally {
    cloud.close();
  }
}

async function decide(
  cloud: Cloud,
  config: FleetConfig,
  slots: readonly Slot[],
  pins: Pins,
  { standsIn, faults }: { standsIn: Record<string, RegionPin>; faults: Map<string, ErrorInfo> },
): Promise<Decided> {
  const former = formerOf(pins, slots);
  const waiting = new Set(Object.values(former).flatMap((left) => left.flatMap(({ nodes }) => Object.keys(nodes))));
  const kept = keptNodes(slots, { ...pins, standsIn }, config);
  for (const name of waiting) if (pins.nodes[name]) kept[name] = pins.nodes[name];
  const open = slots.filter(({ name }) => !(name in kept) && !waiting.has(name));
  const groups = Object.entries(networksIn(pins)).map(([name, networks]) => [name, groupsIn(networks, name)] as const);
  const offers = new Offers(cloud, config, { regions: pins.regions, groups: Object.fromEntries(groups) });
  const found = await placeAll({ open, kept, decided: pins, offers, faults, avoided: [] });
  for (const region of found.homeless) {
    const { error } = await offers.of(region);
    if (error && !faults.has(region)) faults.set(region, error);
  }
  const made = await Promise.all(
    open.flatMap(({ name }) => {
      const pin = found.nodes[name];
      const network = pin && found.regions[pin.pool.region];
      const isNew = pin !== pins.nodes[name];
      return network && isNew ? [recorded(name, { pin, network, launch: newLaunch() }, config)] : [];
    }),
  );
  return { pins: joined({ ...pins, nodes: found.nodes, unplaced: found.unplaced, former }, made, config), faults };
}

/** The network of each region that keeps its own, with the security groups that the configuration names now. */
async function networksNow(
  cloud: Cloud,
  config: FleetConfig,
  decided: Pins["regions"],
): Promise<{ regions: Pins["regions"]; faults: Map<string, ErrorInfo> }> {
  const regions = { ...decided };
  const faults = new Map<string, ErrorInfo>();
  await Promise.all(
    config.regions.map(async ({ name }) => {
      const kept = decided[name];
      if (!kept || !networkFits(kept, config.network)) return;
      try {
        regions[name] = (await networkNow(cloud, config, name, [kept])) ?? kept;
      } catch (error) {
        if (isSpotError(error) && error.code === "E_CREDENTIALS") throw error;
        faults.set(name, errorInfo(error));
      }
    }),
  );
  return { regions, faults };
}

function standsIn(pins: Pins): Record<string, RegionPin> {
  return Object.fromEntries(
    Object.entries(pins.nodes).flatMap(([name, { pool }]) => {
      const network = pins.regions[pool.region];
      return network ? [[name, network] as const] : [];
    }),
  );
}

/**
 * A slot's decision as the state has it: this one, where none that fits the configuration was recorded before. What is
 * recorded never changes; a decision that fits no more is followed by another one.
 */
async function recorded(name: string, decision: Decision, config: FleetConfig): Promise<[string, Decision]> {
  for (let nth = 1; ; nth++) {
    const stash = new pulumi.Stash(
      nth === 1 ? name : `${name}#${nth}`,
      { input: decision },
      { ignoreChanges: ["input"] },
    );
    const found = decisionSchema.safeParse(await valueOf(stash.output));
    // Outside the targets of a run nothing is recorded.
    if (!found.success || found.data.launch === decision.launch) return [name, decision];
    if (keeps(found.data.pin, found.data.network, config)) return [name, found.data];
  }
}

/** The pins with these decisions: each region's network is that which its nodes are to be in. */
function joined(pins: Pins, made: readonly [string, Decision][], config: FleetConfig): Pins {
  const moved = new Set(made.map(([, { pin }]) => pin.pool.region));
  const staying = Object.entries(pins.regions).filter(
    ([region, network]) => networkFits(network, config.network) || !moved.has(region),
  );
  let next = { ...pins, regions: Object.fromEntries(staying) };
  for (const [name, { pin, network, launch }] of made) {
    next = { ...placed(next, name, { node: pin, region: network }), launches: { ...next.launches, [name]: launch } };
  }
  return { ...pinsOf(next), former: pins.former };
}

/** Who may log in: the address of whoever runs the program is not asked for, because that may be a service. */
function sshNow({ ssh }: FleetConfig, pinned: Pins["ssh"]): Pins["ssh"] {
  const callers = ssh.allow.includes("auto") ? pinned.callers : [];
  if (ssh.allow.includes("auto") && callers.length === 0)
    throw new SpotError("E_NETWORK", {
      message: "ssh.allow: `auto` stands for the address of whoever runs `spot up`, and none was confirmed yet",
      next: "Run `spot up`, or name your address in config.yaml:\n  ssh:\n    allow: [203.0.113.7/32]",
      step: outside("correct-configuration", again()),
    });
  return {
    allow: ssh.allow.filter((entry) => entry !== "auto"),
    callers,
    publicKey: ssh.publicKeyPath === undefined ? pinned.publicKey : readPublicKey(ssh.publicKeyPath),
  };
}
