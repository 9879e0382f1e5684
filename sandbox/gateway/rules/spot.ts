import { AwsError, filtersOf, listOf, type Call } from "../protocol/call";
import { allInstances, availabilityZones } from "../model/ask";
import { onDemandPrice, pricedTypes, spotPrice } from "../model/prices";
import { after, instead, type Cloud, type Rule, type SpotRequest } from "../model/rule";
import { ec2Answer, items, parseXml, text, type Node } from "../protocol/xml";

/** Codes of "Spot request status" (EC2 User Guide) that an instance's end leads to. */
const closedBy: Record<string, { code: string; message: string }> = {
  "Server.SpotInstanceTermination": {
    code: "instance-terminated-no-capacity",
    message: "Your Spot Instance is terminated because there is no Spot capacity available.",
  },
};
const byUser = {
  code: "instance-terminated-by-user",
  message: "Spot Instance terminated due to user-initiated termination.",
};

const interrupted = { code: "marked-for-termination", message: "Your Spot Instance is marked for termination." };

function stateOf(
  instance: Node,
  { cancelled, marked }: Pick<SpotRequest, "cancelled" | "marked">,
): { state: string; status: { code: string; message: string } } {
  const ended = ["shutting-down", "terminated"].includes(text(instance, "instanceState", "name"));
  if (ended)
    return {
      state: cancelled ? "cancelled" : "closed",
      status: closedBy[text(instance, "stateReason", "code")] ?? byUser,
    };
  if (cancelled)
    return {
      state: "cancelled",
      status: {
        code: "request-canceled-and-instance-running",
        message: "Your Spot request is canceled, but your instance is still running.",
      },
    };
  if (marked) return { state: "active", status: interrupted };
  return { state: "active", status: { code: "fulfilled", message: "Your spot request is fulfilled." } };
}

async function describeRequest(
  cloud: Cloud,
  region: string,
  instance: Node,
): Promise<Record<string, unknown> & { spotInstanceRequestId: string; state: string; instanceId: string }> {
  const id = text(instance, "spotInstanceRequestId");
  const kept = cloud.spotRequests.get(id);
  const { state, status } = stateOf(instance, kept ?? { cancelled: false });
  const typeName = text(instance, "instanceType");
  const type = await cloud.types.type(cloud, region, typeName);
  const launched = text(instance, "launchTime");
  return {
    spotInstanceRequestId: id,
    // With six decimals, however it was asked for.
    spotPrice: Number(kept?.maxPrice ?? (type ? onDemandPrice(typeName, type, region) : 0)).toFixed(6),
    type: "one-time",
    state,
    status: { ...status, updateTime: launched },
    launchSpecification: {
      imageId: text(instance, "imageId"),
      instanceType: typeName,
      subnetId: text(instance, "subnetId"),
      placement: { availabilityZone: text(instance, "placement", "availabilityZone") },
    },
    instanceId: text(instance, "instanceId"),
    createTime: launched,
    productDescription: "Linux/UNIX",
    launchedAvailabilityZone: text(instance, "placement", "availabilityZone"),
    instanceInterruptionBehavior: "terminate",
    tagSet: { item: kept?.tags ?? [] },
  };
}

/** Tags that a launch asks for on one kind of resource. */
function launchTags(params: URLSearchParams, resourceType: string): { key: string; value: string }[] {
  const tags: { key: string; value: string }[] = [];
  for (let at = 1; params.has(`TagSpecification.${at}.ResourceType`); at++) {
    if (params.get(`TagSpecification.${at}.ResourceType`) !== resourceType) continue;
    for (let tag = 1; params.has(`TagSpecification.${at}.Tag.${tag}.Key`); tag++) {
      tags.push({
        key: params.get(`TagSpecification.${at}.Tag.${tag}.Key`) as string,
        value: params.get(`TagSpecification.${at}.Tag.${tag}.Value`) ?? "",
      });
    }
  }
  return tags;
}

async function requests(call: Call, cloud: Cloud): ReturnType<typeof describeAll> {
  return describeAll(call, cloud, listOf(call.params, "SpotInstanceRequestId"));
}

async function describeAll(call: Call, cloud: Cloud, ids: string[]) {
  const instances = await allInstances(cloud, call.region, { "instance-lifecycle": ["spot"] });
  const known = new Set(instances.map((instance) => text(instance, "spotInstanceRequestId")));
  for (const id of ids)
    if (!known.has(id))
      throw new AwsError(
        "InvalidSpotInstanceRequestID.NotFound",
        `The spot instance request ID '${id}' does not exist`,
      );
  const wanted = instances.filter(
    (instance) => ids.length === 0 || ids.includes(text(instance, "spotInstanceRequestId")),
  );
  return Promise.all(wanted.map((instance) => describeRequest(cloud, call.region, instance)));
}

type Described = Awaited<ReturnType<typeof describeAll>>[number];

const requestFilters: Record<string, (request: Described) => string> = {
  "spot-instance-request-id": (request) => request.spotInstanceRequestId,
  "instance-id": (request) => request.instanceId,
  state: (request) => request.state,
};

function matches(request: Described, filters: Map<string, string[]>): boolean {
  return [...filters].every(([name, values]) => {
    const { item: tags } = request["tagSet"] as { item: SpotRequest["tags"] };
    if (name === "tag-key") return tags.some(({ key }) => values.includes(key));
    if (name.startsWith("tag:")) return tags.some(({ key, value }) => name === `tag:${key}` && values.includes(value));
    const read = requestFilters[name];
    if (read === undefined) throw new AwsError("InvalidParameterValue", `The filter '${name}' is invalid`);
    return values.includes(read(request));
  });
}

/** Spot requests and prices: moto launches spot instances without either. The request ids come from moto/books.py. */
export const spotRules: Rule[] = [
  after("ec2:RunInstances", (call, answer, cloud) => {
    if (call.params.get("InstanceMarketOptions.MarketType") !== "spot") return;
    const maxPrice = call.params.get("InstanceMarketOptions.SpotOptions.MaxPrice") ?? undefined;
    for (const instance of items(parseXml(answer.body), "instancesSet")) {
      cloud.spotRequests.set(text(instance, "spotInstanceRequestId"), {
        tags: launchTags(call.params, "spot-instances-request"),
        maxPrice,
        cancelled: false,
      });
    }
  }),
  instead("ec2:DescribeSpotInstanceRequests", async (call, cloud) => {
    const filters = filtersOf(call.params);
    const item = (await requests(call, cloud)).filter((request) => matches(request, filters));
    return ec2Answer("DescribeSpotInstanceRequests", { spotInstanceRequestSet: { item } });
  }),
  instead("ec2:CancelSpotInstanceRequests", async (call, cloud) => {
    const item = (await requests(call, cloud)).map(({ spotInstanceRequestId: id, state }) => {
      const kept = cloud.spotRequests.get(id);
      if (kept !== undefined && state === "active") kept.cancelled = true;
      return { spotInstanceRequestId: id, state: state === "active" ? "cancelled" : state };
    });
    return ec2Answer("CancelSpotInstanceRequests", { spotInstanceRequestSet: { item } });
  }),
  // One row per type and zone that offers it: the price that holds now.
  instead("ec2:DescribeSpotPriceHistory", async (call, cloud) => {
    const filters = filtersOf(call.params);
    const chosen = (list: string, filter: string): string[] => [
      ...listOf(call.params, list),
      ...(filters.get(filter) ?? []),
    ];
    const types = chosen("InstanceType", "instance-type");
    const products = chosen("ProductDescription", "product-description");
    const zone = call.params.get("AvailabilityZone");
    const zones =
      zone === null ? (filters.get("availability-zone") ?? (await availabilityZones(cloud, call.region))) : [zone];
    const hour = new Date(Math.floor(cloud.now().getTime() / 3_600_000) * 3_600_000 - 3_600_000).toISOString();
    const rows = await Promise.all(
      (types.length > 0 ? types : pricedTypes).map(async (name) => {
        const type = await cloud.types.type(cloud, call.region, name);
        if (type === undefined) return [];
        const offered = await cloud.types.offeredIn(cloud, call.region, name);
        return zones
          .filter((at) => offered.includes(at))
          .map((at) => ({
            instanceType: name,
            productDescription: "Linux/UNIX",
            spotPrice: spotPrice(name, type, at).toFixed(6),
            timestamp: hour,
            availabilityZone: at,
          }));
      }),
    );
    const linux = products.length === 0 || products.some((product) => product.startsWith("Linux/UNIX"));
    return ec2Answer("DescribeSpotPriceHistory", { spotPriceHistorySet: { item: linux ? rows.flat() : [] } });
  }),
];
