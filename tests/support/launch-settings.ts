import type { LaunchSettings } from "../../fleet/plan/launch-spec";

/** Each setting of a launch, with a value that is no default and that nothing else has. */
export const otherSettings: Record<keyof LaunchSettings, string | number> = {
  storageGb: 99,
  keyName: "key",
  instanceProfile: "profile",
  maxPrice: 0.5,
  cpuCredits: "unlimited",
};
