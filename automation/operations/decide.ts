import path from "node:path";
import type { FleetConfig, RegionConfig } from "../../fleet/config";
import { errorInfo, isSpotError, SpotError, type ErrorInfo } from "../../fleet/errors";
import type { NodePin, Pins, RegionPin } from "../../fleet/model";
import { slotsOf } from "../../fleet/plan";
import { callerCidr, cidrOfAddress } from "../cloud/caller";
import { offerOf, type RegionOffer } from "../cloud/regions";
import { fleetKeyPair, userKeyPair, type KeyPair } from "../node/key-pair";
import { keeps, networkFits, pinsOf, placed, recordedPins } from "../pins";
import type { Session } from "../session";

/** Everything that is decided before anything is changed. */
export interface Decisions {
  pins: Pins;
  keyPair: KeyPair;
  /** Regions in which something is needed and nothing could be decided. The others go on. */
  failedRegions: { region: string; error: ErrorInfo }[];
  /** An address that `auto` stands for now and that no rule admits yet. */
  newCaller?: string;
}

/**
 * Decides zone, image and network of every slot that has none yet, by asking all regions concerned in parallel.
 * What exists keeps what it has: with nothing new this asks AWS nothing.
 * @throws SpotError E_CREDENTIALS (which concerns every region), E_SSH_KEY, E_KEY_LOST
 */
export async function decide(session: Session, config: FleetConfig): Promise<Decisions> {
  const keyPair = keyPairOf(session, config);
  const recorded = recordedPins(session.state);
  const slots = slotsOf(config);
  const nodes: Record<string, NodePin> = {};
  const regions: Record<string, RegionPin> = { ...recorded.regions };
  const unplaced: Record<string, string> = {};
  const failedRegions: Decisions["failedRegions"] = [];

  for (const slot of slots) {
    const pin = recorded.nodes[slot.name];
    if (pin && keeps(slot, pin, regions[pin.pool.region], config)) nodes[slot.name] = pin;
  }
  const open = slots.filter((slot) => !nodes[slot.name]);
  const needed = config.regions.filter(({ name }) => open.some((slot) => slot.homeRegion === name));
  const offers = await Promise.all(needed.map((region) => offered(session, config, region, recorded.regions[region.name])));
  for (const { region, offer, error } of offers) {
    const here = open.filter((slot) => slot.homeRegion === region.name);
    if (offer) {
      regions[region.name] = offer.pin;
      for (const slot of here) nodes[slot.name] = placed(slot, offer, region.machineType);
      continue;
    }
    failedRegions.push({ region: region.name, error });
    for (const slot of here) {
      // A node that runs keeps running as it is: a region that does not answer is no reason to delete it.
      const pin = recorded.nodes[slot.name];
      if (pin) nodes[slot.name] = pin;
      else unplaced[slot.name] = error.message;
    }
  }
  const { callers, newCaller } = await callersOf(session, config, recorded.callers);
  const allow = config.ssh.allow.filter((entry) => entry !== "auto");
  return {
    pins: pinsOf({ nodes, regions, unplaced, ssh: { allow, callers, publicKey: keyPair.publicKey } }),
    keyPair,
    failedRegions,
    newCaller,
  };
}

type Offered = { region: RegionConfig; offer: RegionOffer; error?: undefined } | { region: RegionConfig; offer?: undefined; error: ErrorInfo };

async function offered(session: Session, config: FleetConfig, region: RegionConfig, known: RegionPin | undefined): Promise<Offered> {
  const request = { region: region.name, machineType: region.machineType, image: region.image, network: config.network, securityGroups: config.securityGroups };
  try {
    return { region, offer: await offerOf(session.cloud, request, known && networkFits(known, config.network) ? known : undefined) };
  } catch (error) {
    if (isSpotError(error) && error.class === "auth" && !refusedInOneRegion(error)) throw error;
    return { region, error: errorInfo(error) };
  }
}

/** AWS says "auth" of a region that is not enabled, too; only that does not concern the others. */
function refusedInOneRegion(error: SpotError): boolean {
  return /OptInRequired|AuthFailure|UnauthorizedOperation/.test(`${error.message} ${String((error.cause as Error | undefined)?.name)}`);
}

/** The key pair that logs in: the one named in config.yaml, else the fleet's own. @throws SpotError E_SSH_KEY, E_KEY_LOST */
export function keyPairOf(session: Session, config: FleetConfig): KeyPair {
  const { privateKeyPath, publicKeyPath } = config.ssh;
  if (privateKeyPath && publicKeyPath) return userKeyPair(privateKeyPath, publicKeyPath);
  return fleetKeyPair(path.join(session.keys), session.state.nodes.length === 0);
}

async function callersOf(session: Session, config: FleetConfig, recorded: string[]): Promise<{ callers: string[]; newCaller?: string }> {
  if (!config.ssh.allow.includes("auto")) return { callers: [] };
  const { sandbox } = session.target;
  const current = sandbox ? cidrOfAddress(sandbox.callerAddress) : await callerCidr();
  if (current === undefined) {
    if (recorded.length > 0) return { callers: recorded };
    throw new SpotError("E_NETWORK", {
      message: "ssh.allow: the address from which you reach the internet could not be found out",
      next: "Name it under `ssh: allow:` in config.yaml, as a CIDR block such as 203.0.113.7/32.",
    });
  }
  if (recorded.includes(current)) return { callers: recorded };
  return { callers: [...recorded, current].sort(), newCaller: current };
}
