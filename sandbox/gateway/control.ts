import { allInstances } from "./model/ask";
import type { Answer } from "./protocol/call";
import type { CallCounter } from "./counter";
import type { Faults } from "./faults";
import { endReasons } from "./model/instances";
import type { RateLimits } from "./limits";
import type { Cloud } from "./model/rule";
import type { Policies } from "./policy/statement";
import { parseTimings } from "./model/timings";
import { tagsOf, text } from "./protocol/xml";

/** What the control paths work on. */
export interface Controls {
  cloud: Cloud;
  counter: CallCounter;
  faults: Faults;
  limits: RateLimits;
  policies: Policies;
  identity: object;
  /** Makes the sandbox as it was when it started. */
  reset: () => Promise<void>;
  setPolicies: (policies: Policies) => void;
}

type Handler = (controls: Controls, body: string) => unknown;

const DEFAULT_NOTICE_S = 120;

/** The sandbox's own paths, beside AWS's. Bodies and answers are JSON. */
const routes: Record<string, Handler> = {
  "GET /_spot/status": ({ identity, cloud, limits }) => ({
    ...identity,
    instances: cloud.instances.count,
    limits: limits.enabled,
  }),
  "POST /_spot/reset": ({ reset }) => reset(),
  "GET /_spot/calls": ({ counter }) => counter.counts(),
  "DELETE /_spot/calls": ({ counter }) => counter.reset(),
  "GET /_spot/faults": ({ faults }) => faults.list(),
  "POST /_spot/faults": async ({ faults }, body) => {
    const { parseFaults } = await import("./fault-schema.js");
    return { ids: faults.add(parseFaults(JSON.parse(body))) };
  },
  "DELETE /_spot/faults": ({ faults }) => faults.clear(),
  "PUT /_spot/limits": ({ limits }, body) => {
    const { enabled } = JSON.parse(body) as { enabled?: unknown };
    if (typeof enabled !== "boolean") throw new Error('expected {"enabled": true} or {"enabled": false}');
    limits.enable(enabled);
    return { enabled };
  },
  "GET /_spot/policy": ({ policies: { documents } }) => ({ documents }),
  // {documents}: IAM policies, in place of those in force; an empty list takes them away.
  "PUT /_spot/policy": async ({ setPolicies }, body) => {
    const { documents } = JSON.parse(body) as { documents?: unknown };
    if (documents === undefined) throw new Error('expected {"documents": [...]}');
    const { parsePolicies } = await import("./policy/document.js");
    const policies = parsePolicies(documents);
    setPolicies(policies);
    return { documents: policies.documents };
  },
  // {code, value, region?}: without a region, for all that have no value of their own.
  "PUT /_spot/quotas": ({ cloud }, body) => {
    const { code, value, region } = JSON.parse(body) as { code: string; value: number; region?: string };
    cloud.quotas.set(code, value, region);
    return { code, value, region };
  },
  "PUT /_spot/timings": ({ cloud }, body) => Object.assign(cloud.timings, parseTimings(JSON.parse(body))),
  "GET /_spot/instances": async ({ cloud }) => {
    const perRegion = await Promise.all(
      cloud.instances.places.map(async ({ region, moto }) =>
        (await allInstances({ moto }, region)).map((instance) => ({
          id: text(instance, "instanceId"),
          account: moto.account,
          region,
          availabilityZone: text(instance, "placement", "availabilityZone"),
          state: text(instance, "instanceState", "name"),
          address: text(instance, "ipAddress"),
          tags: tagsOf(instance),
        })),
      ),
    );
    return perRegion.flat();
  },
  // {instanceId, region}: of an instance that has ended.
  "POST /_spot/forget": async ({ cloud }, body) => {
    const { instanceId, region } = JSON.parse(body) as { instanceId: string; region: string };
    const [instance] = await allInstances(cloud, region, { "instance-id": [instanceId] });
    if (text(instance, "instanceState", "name") !== "terminated") throw new Error(`${instanceId} has not ended`);
    await cloud.moto.forgotten(region, instanceId);
    return {};
  },
  // {instanceId, kind: "interruption" | "rebalance", seconds?}: EC2 tells the host, and an interruption ends it then.
  "POST /_spot/notices": async ({ cloud }, body) => {
    const {
      instanceId,
      kind,
      seconds = DEFAULT_NOTICE_S,
    } = JSON.parse(body) as { instanceId: string; kind: string; seconds?: number };
    if (typeof seconds !== "number" || !(seconds >= 0)) throw new Error("seconds is a number, 0 or more");
    if (cloud.instances.placeOf(instanceId) === undefined) throw new Error(`no running instance ${instanceId}`);
    // A recommendation carries the time at which it was made, a notice the time of the end.
    const at = new Date(cloud.now().getTime() + (kind === "interruption" ? seconds * 1_000 : 0));
    if (kind === "rebalance") await cloud.driver.notice(instanceId, { kind, at });
    else if (kind === "interruption") {
      await cloud.driver.notice(instanceId, { kind, action: "terminate", at });
      await markInterrupted(cloud, instanceId);
      setTimeout(() => cloud.instances.terminate(instanceId, endReasons.interruption), seconds * 1_000).unref();
    } else throw new Error('kind is "interruption" or "rebalance"');
    return { at: at.toISOString() };
  },
};

/** The spot request shows what the instance is told. */
async function markInterrupted(cloud: Cloud, instanceId: string): Promise<void> {
  const place = cloud.instances.placeOf(instanceId);
  const instances = place === undefined ? [] : await allInstances(place, place.region);
  const request = cloud.spotRequests.get(
    text(
      instances.find((instance) => text(instance, "instanceId") === instanceId),
      "spotInstanceRequestId",
    ),
  );
  if (request !== undefined) request.marked = true;
}

const json = (status: number, value: unknown): Answer => ({
  status,
  headers: { "content-type": "application/json" },
  body: JSON.stringify(value ?? {}),
});

/** Answers a control path. A wrong body gives 400 with the reason, an unknown path 404 with those that exist. */
export async function answerControl(controls: Controls, method: string, path: string, body: string): Promise<Answer> {
  const handler = routes[`${method} ${path}`];
  if (handler === undefined) return json(404, { error: `unknown; known: ${Object.keys(routes).join(", ")}` });
  try {
    return json(200, await handler(controls, body));
  } catch (error) {
    return json(400, { error: error instanceof Error ? error.message : String(error) });
  }
}
