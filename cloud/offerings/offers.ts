import type { FleetConfig, ProgramArchitecture } from "../../fleet/config";
import { errorInfo, isSpotError, SpotError, type ErrorInfo } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { candidatesOf, type Candidate } from "../../fleet/aws/pools";
import { refuseDisabledRegion, regionStatuses, type RegionStatuses } from "./region-status";
import { offerOf, type RegionOffer, type RegionRequest } from "./regions";
import type { RegionPin } from "../../fleet/model";
import { networkFits, withGroup, type RecordedGroup } from "../../fleet/plan/pins";
import type { Cloud } from "../clients";

export type Offered =
  | { offer: RegionOffer; candidates: Candidate[]; error?: undefined }
  | { offer?: undefined; candidates?: undefined; error: ErrorInfo };

/** What is decided of networks before anything is offered, by region. */
export interface DecidedNetworks {
  regions: Readonly<Record<string, RegionPin>>;
  groups: Readonly<Record<string, readonly RecordedGroup[]>>;
}

/** What the regions of the configuration offer: each is asked once in a run, and only when something is needed there. */
export class Offers {
  private readonly answers = new Map<string, Promise<Offered>>();
  private readonly statuses: RegionStatuses;

  constructor(
    private readonly cloud: Cloud,
    private readonly config: FleetConfig,
    private readonly decided: DecidedNetworks,
  ) {
    this.statuses = regionStatuses(cloud);
  }

  /**
   * The region's offer, or why there is none.
   * @throws SpotError E_CREDENTIALS when it is the credentials themselves, which concerns every region
   */
  of(region: string): Promise<Offered> {
    let answer = this.answers.get(region);
    if (answer === undefined) this.answers.set(region, (answer = this.ask(region)));
    return answer;
  }

  /** The regions where a node may go: its own, then, when that is allowed, the others in the configuration's order. */
  regionsFor(homeRegion: string): string[] {
    if (!this.config.allowOtherRegions) return [homeRegion];
    return [homeRegion, ...this.config.regions.map(({ name }) => name).filter((name) => name !== homeRegion)];
  }

  private async ask(name: string): Promise<Offered> {
    const { cloud, config } = this;
    const request = requestFor(config, name);
    const known = this.decided.regions[name];
    try {
      await refuseDisabledRegion(cloud, this.statuses, name);
      const offer = await offerOf(cloud, request, known && networkFits(known, config.network) ? known : undefined);
      const candidates = candidatesOf(name, offer.types, config.markets, config.spotPriceLimit);
      if (candidates.length === 0) throw tooDear(offer, config);
      return { offer: { ...offer, pin: withGroup(offer.pin, name, this.decided.groups[name]) }, candidates };
    } catch (error) {
      if (isSpotError(error) && error.code === "E_CREDENTIALS") throw error;
      return { error: errorInfo(error) };
    }
  }
}

export function requestFor(config: FleetConfig, name: string): RegionRequest {
  const region = config.regions.find((entry) => entry.name === name);
  if (!region) throw new SpotError("E_REGION", { message: `${name} is not in the configuration` });
  return {
    region: name,
    machineTypes: region.machineTypes,
    image: region.image,
    network: config.network,
    securityGroups: config.securityGroups,
    programs: downloadsOf(config),
  };
}

/** A local program tells its architecture only when it is read; the node names one that does not fit. */
function downloadsOf({ bacalhau }: FleetConfig): ProgramArchitecture[] | undefined {
  const downloads = bacalhau?.program.downloads;
  return downloads && (Object.keys(downloads) as ProgramArchitecture[]);
}

function tooDear({ region, types }: RegionOffer, { spotPriceLimit }: FleetConfig): SpotError {
  const prices = types.flatMap(({ name, prices }) =>
    Object.entries(prices).map(([zone, price]) => ({ text: `${name} in ${zone}: ${price}`, price })),
  );
  const cheapest = prices.sort((a, b) => a.price - b.price)[0];
  return new SpotError("E_NO_POOL", {
    message: `${region}: no spot pool costs ${spotPriceLimit ?? 0} US dollars an hour or less; the cheapest is ${cheapest?.text ?? "not known"}`,
    class: "price",
    next: "Raise max_price, name further machine types, or allow on-demand (`market: spot-then-on-demand`).",
    step: outside("correct-configuration", again()),
  });
}
