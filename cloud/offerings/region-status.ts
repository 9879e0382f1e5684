import { DescribeRegionsCommand } from "@aws-sdk/client-ec2";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import { GLOBAL_REGION, type Cloud } from "../clients";
import { awsError } from "../errors";
import { stated } from "../stated";

/** By region: `opt-in-not-required`, `opted-in` or `not-opted-in` (EC2 API reference, Region). */
export type RegionStatuses = () => Promise<ReadonlyMap<string, string>>;

/** Asks once, when first wanted, which regions the account has enabled. */
export function regionStatuses(cloud: Cloud): RegionStatuses {
  let answer: Promise<ReadonlyMap<string, string>> | undefined;
  return () => (answer ??= ask(cloud));
}

async function ask(cloud: Cloud): Promise<ReadonlyMap<string, string>> {
  try {
    const { Regions } = await cloud.ec2(GLOBAL_REGION).send(new DescribeRegionsCommand({ AllRegions: true }));
    return new Map((Regions ?? []).map((region) => [stated(region, "RegionName"), region.OptInStatus ?? ""]));
  } catch (error) {
    throw awsError(error, "asking AWS which regions are enabled");
  }
}

/**
 * Says plainly that a region is not enabled: the region itself would only claim that the credentials are wrong. An
 * account that may not ask is none the wiser, and the region's own answers count.
 * @throws SpotError E_REGION of class opt-in
 */
export async function refuseDisabledRegion({ cli }: Cloud, statuses: RegionStatuses, region: string): Promise<void> {
  const known = await statuses().catch(() => undefined);
  if (known?.get(region) !== "not-opted-in") return;
  throw new SpotError("E_REGION", {
    message: `${region} is not enabled in this account`,
    class: "opt-in",
    next: `Enable it (\`${cli} account enable-region --region-name ${region}\`, or AWS Console, Account, AWS Regions), or remove it from \`regions:\`.`,
    step: outside("change-account", again()),
  });
}
