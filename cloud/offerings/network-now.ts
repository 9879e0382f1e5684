import type { FleetConfig } from "../../fleet/config";
import type { RegionPin } from "../../fleet/model";
import { networkId } from "../../fleet/plan/pins";
import type { Cloud } from "../clients";
import { requestFor } from "./offers";
import { lookUpGroups, lookUpVpc } from "./regions";

/**
 * The network that a region keeps, as the configuration has it now: with the security groups that it names. AWS is asked
 * only where what is known cannot tell what a name stands for.
 * @param kept the networks that fit the configuration: that with the most nodes first
 * @throws SpotError E_NETWORK for a group or VPC that is not there, E_CREDENTIALS or E_AWS
 */
export async function networkNow(
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
