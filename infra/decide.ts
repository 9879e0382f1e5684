import * as pulumi from "@pulumi/pulumi";
import { cloudOf, type Cloud, type CloudPlace } from "../cloud/clients";
import { keptNetworks } from "../cloud/offerings/kept-networks";
import { Offers } from "../cloud/offerings/offers";
import { placeAll } from "../cloud/offerings/places";
import type { FleetConfig } from "../fleet/config";
import { errorInfo, SpotError, type ErrorInfo } from "../fleet/errors";
import { newLaunch } from "../fleet/identity/launch";
import type { Decision, NodePin, Pins, RegionPin, Slot } from "../fleet/model";
import { formerOf, groupsIn, keeps, keptNodes, networkFits, networksIn, placed, pinsOf } from "../fleet/plan/pins";
import { decisionSchema } from "../fleet/plan/stack-config";
import { again, outside } from "../fleet/steps";
import { readPublicKey } from "../project/public-key";
import type { DeclaredFleet } from "./fleet";
import { valueOf } from "./outputs";

/** What is declared when plain Pulumi runs the program, and why nothing could be decided in a region. */
export type Decided = { pins: Pins } & Pick<DeclaredFleet, "faults">;

/**
 * The pins as the configuration has them now: with a decision for each slot that has none pinned, or whose pinned one
 * does not fit any more, made by the rules by which `spot up` chooses a place. AWS is asked only where there is such a
 * slot. The state records a decision once: until `spot up` pins it, each run comes back to what was recorded.
 * A node that waits for its turn to leave a network goes on waiting. Whether the key pair and the instance profile exist
 * is not looked up.
 * @throws SpotError E_CREDENTIALS, which concerns every region; E_SSH_KEY, E_NETWORK where it is not known who may log in
 */
export async function decideOpen(
  { config, slots }: { config: FleetConfig; slots: readonly Slot[] },
  pins: Pins,
  place: CloudPlace,
): Promise<Decided> {
  const ssh = sshNow(config, pins.ssh);
  const cloud = cloudOf(place);
  try {
    const networks = Object.fromEntries(Object.entries(pins.regions).map(([region, pin]) => [region, [pin]]));
    const known = { regions: pins.regions, networks };
    const { regions, faults } = await keptNetworks(cloud, config, known, tellUnanswered);
    const kept = keptNodes(slots, { regions, nodes: pins.nodes, standsIn: standsIn(pins) }, config);
    return await decide(cloud, config, slots, { pins: { ...pins, regions, ssh }, kept, faults });
  } finally {
    cloud.close();
  }
}

function tellUnanswered(region: string, { message }: ErrorInfo): void {
  void pulumi.log.warn(`${region}: its security groups stay as they are pinned: ${message}`);
}

interface Known {
  pins: Pins;
  /** Of the slots whose pin fits. */
  kept: Record<string, NodePin>;
  faults: Map<string, ErrorInfo>;
}

async function decide(
  cloud: Cloud,
  config: FleetConfig,
  slots: readonly Slot[],
  { pins, kept, faults }: Known,
): Promise<Decided> {
  const former = formerOf(pins, slots);
  const waiting = new Set(Object.values(former).flatMap((left) => left.flatMap(({ nodes }) => Object.keys(nodes))));
  for (const name of waiting) if (pins.nodes[name]) kept[name] = pins.nodes[name];
  const open = slots.filter(({ name }) => !(name in kept) && !waiting.has(name));
  const groups = Object.entries(networksIn(pins)).map(([name, networks]) => [name, groupsIn(networks, name)] as const);
  const offers = new Offers(cloud, config, { regions: pins.regions, groups: Object.fromEntries(groups) });
  // What a slot's node is now only the state knows: where there is no place for it, nothing is declared of it.
  const decided = { regions: pins.regions, nodes: {} };
  const { nodes, regions, unplaced, homeless } = await placeAll({ open, kept, decided, offers, faults, avoided: [] });
  for (const region of homeless) if (!faults.has(region)) faults.set(region, await whyNone(offers, region));
  const made = await Promise.all(
    open.flatMap(({ name }) => {
      const pin = nodes[name];
      const network = pin && regions[pin.pool.region];
      return network ? [recordOnce(name, { pin, network, launch: newLaunch() }, config)] : [];
    }),
  );
  return { pins: withDecisions({ ...pins, nodes: kept, unplaced, former }, made, config), faults };
}

async function whyNone(offers: Offers, region: string): Promise<ErrorInfo> {
  const { error } = await offers.of(region);
  return error ?? errorInfo(new SpotError("E_NO_POOL", `${region} has no pool left for a node`));
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
async function recordOnce(name: string, decision: Decision, config: FleetConfig): Promise<[string, Decision]> {
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
function withDecisions(pins: Pins, made: readonly [string, Decision][], config: FleetConfig): Pins {
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

/** What only `spot up` can find out or make, and what stands for it in config.yaml. */
const OPEN: readonly {
  code: "E_NETWORK" | "E_SSH_KEY";
  isOpen: (config: FleetConfig, pinned: Pins["ssh"]) => boolean;
  message: string;
  lines: string;
}[] = [
  {
    code: "E_NETWORK",
    isOpen: ({ ssh }, { callers }) => ssh.allow.includes("auto") && callers.length === 0,
    message: "ssh.allow: `auto` stands for the address of whoever runs `spot up`, and none was confirmed yet",
    lines: "ssh:\n  allow: [203.0.113.7/32]",
  },
  {
    code: "E_SSH_KEY",
    isOpen: ({ ssh }, { publicKey }) => ssh.publicKeyPath === undefined && publicKey === "",
    message: "there is no key to log in with: `spot up` makes one on the machine that runs it",
    lines: "aws:\n  public_ssh_key_path: ~/.ssh/id_ed25519.pub\n  private_ssh_key_path: ~/.ssh/id_ed25519",
  },
];

/**
 * The address of whoever runs the program is not asked for, because that may be a service.
 * @throws SpotError E_NETWORK, E_SSH_KEY where it is not known who may log in
 */
export function refuseOpenAccess(config: FleetConfig, pinned: Pins["ssh"]): void {
  const open = OPEN.filter(({ isOpen }) => isOpen(config, pinned));
  const [first] = open;
  if (first)
    throw new SpotError(first.code, {
      message: open.map(({ message }) => message).join("; "),
      next: `Run \`spot up\`, or add to config.yaml, with what is yours:\n${open.map(({ lines }) => indented(lines)).join("\n")}`,
      step: outside("correct-configuration", again()),
    });
}

/** Who may log in. @throws as `refuseOpenAccess` */
function sshNow(config: FleetConfig, pinned: Pins["ssh"]): Pins["ssh"] {
  refuseOpenAccess(config, pinned);
  const { ssh } = config;
  return {
    allow: ssh.allow.filter((entry) => entry !== "auto"),
    callers: ssh.allow.includes("auto") ? pinned.callers : [],
    publicKey: ssh.publicKeyPath === undefined ? pinned.publicKey : readPublicKey(ssh.publicKeyPath),
  };
}

const indented = (lines: string): string => lines.replaceAll(/^/gm, "  ");
