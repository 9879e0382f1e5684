import { DescribeSpotInstanceRequestsCommand, DescribeSpotPriceHistoryCommand } from "@aws-sdk/client-ec2";
import type { PricePoint } from "../../fleet/plan/cost";
import type { Cloud } from "../clients";
import { awsError } from "../errors";

/** Spot prices of one region, by `poolKey`. */
export type SpotPrices = Record<string, PricePoint[]>;

export const poolKey = (availabilityZone: string, instanceType: string): string =>
  `${availabilityZone} ${instanceType}`;

/** AWS keeps three months (DescribeSpotPriceHistory). */
const HISTORY_MS = 90 * 86_400_000;

/**
 * Linux spot prices of these types in every zone of a region since a moment; the price that held then is in it.
 * @throws SpotError E_CREDENTIALS, E_AWS
 */
export async function spotPrices(cloud: Cloud, region: string, types: string[], since: Date): Promise<SpotPrices> {
  const prices: SpotPrices = {};
  const StartTime = new Date(Math.max(since.getTime(), Date.now() - HISTORY_MS));
  try {
    let NextToken: string | undefined;
    do {
      const page = await cloud.ec2(region).send(
        new DescribeSpotPriceHistoryCommand({
          InstanceTypes: types as never[],
          ProductDescriptions: ["Linux/UNIX"],
          StartTime,
          NextToken,
        }),
      );
      for (const { AvailabilityZone, InstanceType, SpotPrice, Timestamp } of page.SpotPriceHistory ?? []) {
        (prices[poolKey(AvailabilityZone ?? "", InstanceType ?? "")] ??= []).push({
          at: Timestamp?.getTime() ?? 0,
          price: Number(SpotPrice),
        });
      }
      NextToken = page.NextToken || undefined;
    } while (NextToken);
    return prices;
  } catch (error) {
    throw awsError(error, `DescribeSpotPriceHistory in ${region}`);
  }
}

/**
 * What spot instances may cost at most, by instance id, USD per hour. A request without a limit of its own has the
 * on-demand price as its limit (EC2 User Guide, "Spot Instance requests"), which saves asking the price list.
 */
export async function spotLimits(cloud: Cloud, region: string, instanceIds: string[]): Promise<Record<string, number>> {
  try {
    const answer = await cloud.ec2(region).send(new DescribeSpotInstanceRequestsCommand({}));
    const wanted = new Set(instanceIds);
    return Object.fromEntries(
      (answer.SpotInstanceRequests ?? []).flatMap(({ InstanceId, SpotPrice }) =>
        InstanceId !== undefined && wanted.has(InstanceId) && SpotPrice ? [[InstanceId, Number(SpotPrice)]] : [],
      ),
    );
  } catch (error) {
    throw awsError(error, `DescribeSpotInstanceRequests in ${region}`);
  }
}
