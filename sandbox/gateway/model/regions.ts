export type OptIn = "opt-in-not-required" | "opted-in" | "not-opted-in";

const names = (list: string, status: OptIn): [string, OptIn][] => list.split(" ").map((name) => [name, status]);

/**
 * The commercial regions as a new account sees them (docs: "Enable or disable AWS Regions in your account"): 17 are
 * on, the others must be enabled. Three of those count as enabled here, so that this status can be met too.
 */
export const regions: ReadonlyMap<string, OptIn> = new Map([
  ...names(
    "ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-southeast-1 ap-southeast-2 ca-central-1 eu-central-1 eu-north-1 eu-west-1 eu-west-2 eu-west-3 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2",
    "opt-in-not-required",
  ),
  ...names("af-south-1 ap-southeast-3 eu-south-1", "opted-in"),
  ...names(
    "ap-east-1 ap-east-2 ap-south-2 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-west-1 eu-central-2 eu-south-2 il-central-1 me-central-1 me-south-1 mx-central-1",
    "not-opted-in",
  ),
]);

/** In which an account may do anything: it exists, and is enabled. */
export const isUsable = (region: string): boolean => (regions.get(region) ?? "not-opted-in") !== "not-opted-in";

export const usableRegions = (): string[] => [...regions.keys()].filter(isUsable);
