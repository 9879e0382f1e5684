import { isBurstable } from "../aws/machine-types";
import type { FleetConfig } from "../config";
import type { NodePin, Slot } from "../model";

/**
 * What the configuration says of a launch, beside image, pool, network and user data: given to EC2 once, and fixed for the
 * instance's life. All of it is declared (`SpotNode` uses it whole) and all of it makes the node's generation, so a
 * setting that is added here is in both. One that is unset leaves the generation as it was before that setting existed.
 */
export type LaunchSettings = {
  /** Of the root volume, in GiB. */
  storageGb: number;
  /** Of a key pair in EC2. */
  keyName: string | undefined;
  /** Name of an IAM instance profile. */
  instanceProfile: string | undefined;
  /** US dollars an hour; unset: up to the on-demand price. */
  maxPrice: number | undefined;
  /** How a burstable node pays for more than its baseline; unset: `standard`, and always unset on other types. */
  cpuCredits: "unlimited" | undefined;
};

/** @param machineType what means nothing on it is unset: a change of that is no reason to replace such a node */
export function launchSettingsOf(config: FleetConfig, machineType: string): LaunchSettings {
  return {
    storageGb: config.storageGb,
    keyName: config.ssh.keyName,
    instanceProfile: config.instanceProfile,
    maxPrice: config.spotPriceLimit,
    cpuCredits: config.cpuCredits === "unlimited" && isBurstable(machineType) ? "unlimited" : undefined,
  };
}

/** How one node is launched: all that its instance is declared from. */
export interface LaunchSpec {
  slot: Slot;
  pin: NodePin;
  settings: LaunchSettings;
  /** What the node is made of, as one name. */
  generation: string;
  /**
   * The rendered user data.
   * @param token the node's secret
   */
  userData(token: string): string;
}
