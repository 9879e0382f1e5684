import pLimit, { type LimitFunction } from "p-limit";
import { allInstances } from "../model/ask";
import { AwsError, type Call } from "../protocol/call";
import type { Quota } from "../model/quotas";
import { instead, type Cloud, type Rule } from "../model/rule";
import { jsonAnswer, text } from "../protocol/xml";

const shown = (cloud: Cloud, region: string) =>
  cloud.quotas.of(region).map(({ code, name, value }) => ({
    ServiceCode: "ec2",
    ServiceName: "Amazon Elastic Compute Cloud (Amazon EC2)",
    QuotaArn: `arn:aws:servicequotas:${region}:123456789012:ec2/${code}`,
    QuotaCode: code,
    QuotaName: name,
    Value: value,
    Unit: "None",
    Adjustable: true,
    GlobalQuota: false,
  }));

/** Error codes and words as RunInstances answers them (EC2 API reference, "Error codes"). */
const refusals: Record<Quota["market"], (quota: Quota) => AwsError> = {
  spot: () => new AwsError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded"),
  "on-demand": ({ value }) =>
    new AwsError(
      "VcpuLimitExceeded",
      `You have requested more vCPU capacity than your current vCPU limit of ${value} allows for the instance bucket that the specified instance type belongs to.`,
    ),
};

/** Launches of one region, one after the other: two at once would each see room for itself. */
const launches = new Map<string, LimitFunction>();

function inTurn<T>(region: string, work: () => Promise<T>): Promise<T> {
  const limit = launches.get(region) ?? pLimit(1);
  launches.set(region, limit);
  return limit(work);
}

async function refuseAboveQuota(call: Call, cloud: Cloud): Promise<void> {
  const typeName = call.params.get("InstanceType") ?? "";
  const market = call.params.get("InstanceMarketOptions.MarketType") === "spot" ? "spot" : "on-demand";
  const quota = cloud.quotas.for(call.region, typeName, market);
  if (quota === undefined) return;
  const vcpusOf = async (name: string): Promise<number> =>
    (await cloud.types.type(cloud, call.region, name))?.vcpus ?? 0;
  const running = await allInstances(cloud, call.region, {
    "instance-state-name": ["pending", "running", "shutting-down", "stopping"],
  });
  const counted = running.filter(
    (instance) =>
      (text(instance, "instanceLifecycle") === "spot") === (market === "spot") &&
      quota.families.test(text(instance, "instanceType")),
  );
  const used = (await Promise.all(counted.map((instance) => vcpusOf(text(instance, "instanceType"))))).reduce(
    (sum, vcpus) => sum + vcpus,
    0,
  );
  const asked = (await vcpusOf(typeName)) * Number(call.params.get("MaxCount") ?? 1);
  if (used + asked > quota.value) throw refusals[market](quota);
}

export const quotaRules: Rule[] = [
  // vCPUs of what runs and of what is asked for ("Spot Instance quotas", EC2 User Guide); moto knows no limit.
  {
    on: "ec2:RunInstances",
    run: (call, next, cloud) =>
      inTurn(call.region, async () => {
        await refuseAboveQuota(call, cloud);
        return next();
      }),
  },
  instead("servicequotas:GetServiceQuota", (call, cloud) => {
    const found = shown(cloud, call.region).find(
      ({ ServiceCode, QuotaCode }) => ServiceCode === call.json["ServiceCode"] && QuotaCode === call.json["QuotaCode"],
    );
    if (found === undefined)
      throw new AwsError(
        "NoSuchResourceException",
        "The request failed because the specified service or quota does not exist.",
      );
    return jsonAnswer({ Quota: found });
  }),
  instead("servicequotas:ListServiceQuotas", (call, cloud) =>
    jsonAnswer({ Quotas: call.json["ServiceCode"] === "ec2" ? shown(cloud, call.region) : [] }),
  ),
];
