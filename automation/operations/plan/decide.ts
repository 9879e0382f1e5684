import path from "node:path";
import type { FleetConfig } from "../../../fleet/config";
import { SpotError, type ErrorInfo } from "../../../fleet/errors";
import { again, outside } from "../../../fleet/steps";
import { launchesOf } from "../../../fleet/identity/launch";
import type { Pins } from "../../../fleet/model";
import { slotsOf } from "../../../fleet/plan/slots";
import { detectPublicAddress } from "../../../cloud/public-address";
import { holdsNothing, type StackState } from "../../engine/state";
import { fleetKeyPair, userKeyPair, type KeyPair } from "../../ssh/key-pair";
import { networksNow } from "./network-now";
import { keptNodes, pinsOf } from "../../../fleet/plan/pins";
import { callersOf as confirmedIn, recordedPins, withFormer, withGroupsOf, type RecordedPins } from "./recorded-pins";
import { UnavailableOfferings } from "../../../cloud/offerings/unavailable-offerings";
import type { Session } from "../../session";
import { Offers } from "../../../cloud/offerings/offers";
import { placeAll } from "../../../cloud/offerings/places";
import { regionReport } from "./region-checks";

/** Everything that is decided before anything is changed. */
export interface Decisions {
  pins: Pins;
  /** What the regions offer, for whatever must be decided later in the run. */
  offers: Offers;
  keyPair: KeyPair;
  /** Of the regions that were asked whether what the configuration names works there: why it does not, where it does not. */
  asked: ReadonlyMap<string, ErrorInfo | undefined>;
  /** Regions in which something is needed and nothing could be decided. The others go on. */
  failedRegions: { region: string; error: ErrorInfo }[];
  /** What `auto` stands for now, as a CIDR block. Absent: it is not asked for, or could not be found out. */
  caller?: string;
}

/**
 * Decides zone, machine type, market, image and network of every slot that has none yet, by asking all regions
 * concerned in parallel. What exists keeps what it has: with nothing new this asks AWS nothing.
 * @param found what was decided before; `before`: what was recorded until what happened outside was written there; `held`:
 *   regions in which nothing can be planned, and why
 * @throws SpotError E_CREDENTIALS (which concerns every region), E_SSH_KEY, E_KEY_LOST
 */
export async function decide(
  session: Session,
  config: FleetConfig,
  {
    before = session.state,
    found = recordedPins(withGroupsOf(session.state, before), config.network),
    held = new Map(),
  }: { found?: RecordedPins; before?: StackState; held?: ReadonlyMap<string, ErrorInfo> } = {},
): Promise<Decisions> {
  const keyPair = keyPairOf(session, config);
  const networks = await networksNow(session, config, found);
  const recorded = { ...found, regions: networks.regions };
  const offers = new Offers(session.cloud, config, recorded);
  const slots = slotsOf(config);
  const kept = keptNodes(slots, recorded, config);
  const open = slots.filter(({ name }) => !kept[name]);
  const needed = [...new Set(open.map(({ homeRegion }) => homeRegion))];
  const [{ callers, caller }, unfit] = await Promise.all([
    callersOf(session, config, [...recorded.callers, ...confirmed(session, before)]),
    faultsOf(session, config, offers, needed),
  ]);
  const unknown = new Map([...networks.faults, ...held]);
  const faults = new Map([...unfit, ...unknown]);
  const { nodes, regions, unplaced, homeless } = await placeAll({
    open,
    kept,
    decided: recorded,
    offers,
    faults,
    avoided: new UnavailableOfferings(session.target.scratch).current(),
  });
  tellMoved(session, unfit, homeless);
  const allow = config.ssh.allow.filter((entry) => entry !== "auto");
  const pins = pinsOf({
    nodes,
    launches: launchesOf(Object.keys(nodes), session.state.nodes),
    regions,
    unplaced,
    ssh: { allow, callers, publicKey: keyPair.publicKey },
  });
  // What stays because no place was found for it may stand in a network that its region leaves.
  const moving = session.state.nodes.filter(({ name, pin }) => nodes[name] !== pin);
  return {
    pins: withFormer(pins, session.state, new Set(moving.map(({ instanceId }) => instanceId))),
    offers,
    keyPair,
    asked: new Map([...needed, ...unknown.keys()].map((region) => [region, faults.get(region)])),
    failedRegions: [...faults].flatMap(([region, error]) =>
      homeless.has(region) || unknown.has(region) ? [{ region, error }] : [],
    ),
    caller,
  };
}

/**
 * What stands in the way of these regions, by region; what is only a warning is told.
 * @throws SpotError E_CREDENTIALS (which concerns every region)
 */
export async function faultsOf(
  session: Session,
  config: FleetConfig,
  offers: Offers,
  regions: readonly string[],
): Promise<ReadonlyMap<string, ErrorInfo>> {
  const faults = await Promise.all(
    regions.map(async (region): Promise<[string, ErrorInfo][]> => {
      const count = slotsOf(config).filter(({ homeRegion }) => homeRegion === region).length;
      const { findings } = await regionReport(session, config, region, count, offers, "up");
      for (const { error } of findings.filter(({ level }) => level === "warning")) {
        session.reporter.emit({ type: "message", level: "warning", subject: region, message: error.message, error });
      }
      const fault = findings.find(({ level }) => level === "error");
      return fault ? [[region, fault.error]] : [];
    }),
  );
  return new Map(faults.flat());
}

function tellMoved({ reporter }: Session, faults: ReadonlyMap<string, ErrorInfo>, homeless: ReadonlySet<string>): void {
  for (const [region, error] of faults) {
    if (!homeless.has(region))
      reporter.emit({
        type: "message",
        level: "warning",
        subject: region,
        message: `its nodes go to other regions: ${error.message}`,
        error,
      });
  }
}

/** The key pair that logs in: the one named in config.yaml, else the fleet's own. @throws SpotError E_SSH_KEY, E_KEY_LOST */
export function keyPairOf(session: Session, config: FleetConfig): KeyPair {
  const { privateKeyPath, publicKeyPath } = config.ssh;
  if (privateKeyPath && publicKeyPath) return userKeyPair(privateKeyPath, publicKeyPath);
  return fleetKeyPair(path.join(session.keys), session.state.nodes.length === 0);
}

/**
 * Addresses that were confirmed and whose rules may be gone: a rule that somebody removed, or that the last run could not
 * make again, is no reason to lock its user out.
 */
function confirmed({ settings }: Session, before: StackState): string[] {
  return holdsNothing(before) ? [] : [...confirmedIn(before), ...(settings.pins?.ssh.callers ?? [])];
}

async function callersOf(
  session: Session,
  config: FleetConfig,
  recorded: string[],
): Promise<{ callers: string[]; caller?: string }> {
  if (!config.ssh.allow.includes("auto")) return { callers: [] };
  const current = (await detectPublicAddress(session.target))?.cidr;
  if (current === undefined) {
    if (recorded.length > 0) return { callers: [...new Set(recorded)].sort() };
    throw unknownCaller();
  }
  return { callers: [...new Set([...recorded, current])].sort(), caller: current };
}

export function unknownCaller(): SpotError {
  return new SpotError("E_NETWORK", {
    message: "ssh.allow: the address from which you reach the internet could not be found out",
    next: "Name it under `ssh: allow:` in config.yaml, as a CIDR block such as 203.0.113.7/32.",
    step: outside("correct-configuration", again()),
  });
}
