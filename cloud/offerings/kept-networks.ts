import type { FleetConfig } from "../../fleet/config";
import { errorInfo, isSpotError, type ErrorInfo } from "../../fleet/errors";
import type { RegionPin } from "../../fleet/model";
import { networkFits, networkId } from "../../fleet/plan/pins";
import type { Cloud } from "../clients";
import { requestFor } from "./offers";
import { lookUpGroups, lookUpVpc } from "./regions";

/**
 * The networks that regions keep, as the configuration has them now: with the security groups that it names. AWS is asked
 * only where what is known cannot tell what a name stands for.
 * @param known the network of each region; `networks`: every one that it has, that with the most nodes first
 * @param unanswered told of a region whose groups stay as they are, because an answer did not come
 * @returns `faults`: why a region has to stay as it is, by region
 * @throws SpotError E_CREDENTIALS (which concerns every region)
 */
export async function keptNetworks(
  cloud: Cloud,
  config: FleetConfig,
  known: {
    regions: Readonly<Record<string, RegionPin>>;
    networks: Readonly<Record<string, readonly RegionPin[]>>;
  },
  unanswered: (region: string, error: ErrorInfo) => void,
): Promise<{ regions: Record<string, RegionPin>; faults: Map<string, ErrorInfo> }> {
  const regions = { ...known.regions };
  const faults = new Map<string, ErrorInfo>();
  await Promise.all(
    config.regions.map(async ({ name }) => {
      const kept = (known.networks[name] ?? []).filter((pin) => networkFits(pin, config.network));
      try {
        const pin = await networkNow(cloud, config, name, kept);
        if (pin) regions[name] = pin;
      } catch (error) {
        if (isSpotError(error) && error.code === "E_CREDENTIALS") throw error;
        const fault = errorInfo(error);
        if (fault.code === "E_NETWORK") faults.set(name, fault);
        else unanswered(name, fault);
      }
    }),
  );
  return { regions, faults };
}

/** @param kept those that fit the configuration */
async function networkNow(
  cloud: Cloud,
  config: FleetConfig,
  region: string,
  kept: readonly RegionPin[],
): Promise<RegionPin | undefined> {
  const request = requestFor(config, region);
  // Between two existing networks only AWS can tell which of them is the default.
  const vpcId = kept.length > 1 ? await lookUpVpc(cloud, request) : undefined;
  const pin = kept.find((one) => networkId(one) === vpcId) ?? kept[0];
  if (pin?.network !== "existing" || isSame(pin.securityGroups, config.securityGroups)) return pin;
  return { ...pin, securityGroups: await lookUpGroups(cloud, request, pin.vpcId) };
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one) => b.includes(one));
}
