import { DescribeRegionsCommand } from "@aws-sdk/client-ec2";
import { GLOBAL_REGION, type Cloud } from "./clients";
import { awsError } from "./errors";
import { stated } from "./stated";

/** Every region that the account can use, sorted. @throws SpotError of the class that AWS's error belongs to */
export async function enabledRegions(cloud: Cloud): Promise<string[]> {
  try {
    // Without AllRegions only those that are enabled are told; this region is enabled in every account.
    const { Regions } = await cloud.ec2(GLOBAL_REGION).send(new DescribeRegionsCommand({}));
    return (Regions ?? []).map((region) => stated(region, "RegionName")).sort();
  } catch (error) {
    throw awsError(error, "DescribeRegions");
  }
}

/** The same, and regions that are known to matter even where they are closed to the account. @throws as above */
export async function enabledRegionsAnd(cloud: Cloud, known: readonly string[]): Promise<string[]> {
  return [...new Set([...known, ...(await enabledRegions(cloud))])].sort();
}
