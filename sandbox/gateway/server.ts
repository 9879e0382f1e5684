import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { wordsOf } from "../../fleet/errors";
import { accountOfKey } from "./protocol/accounts";
import { zoneOf } from "./model/ask";
import { AwsError, readCall, type Answer, type Call } from "./protocol/call";
import { answerControl, type Controls } from "./control";
import { CallCounter } from "./counter";
import { Faults, type FaultEffect, type FaultRule } from "./faults";
import { RateLimits } from "./limits";
import { Rulebook, type Cloud } from "./model/rule";
import { authorize } from "./policy";
import type { Policies } from "./policy/statement";
import { rules } from "./rules";
import { unknownCredentials } from "./rules/regions";
import { errorAnswer } from "./protocol/xml";

export interface GatewayOptions {
  /** The cloud at the start, and after each reset. */
  newCloud(): Cloud;
  /** Faults in force from the start. */
  faults: readonly FaultRule[];
  /** IAM policies in force at the start, and after each reset. */
  policies: Policies;
  log(line: string): void;
  /** What `GET /_spot/status` tells beside the gateway's own figures. */
  identity: object;
}

/** All that a sandbox comes to hold. */
type World = Pick<Controls, "cloud" | "faults" | "limits" | "counter" | "policies">;

/** The connection is to break without an answer. */
class Dropped extends Error {}

/** The endpoint that stands for AWS: an HTTP server on the loopback. */
export class Gateway {
  private readonly server: Server;
  private readonly rulebook = new Rulebook(rules);
  private readonly underWay = new Set<Promise<Answer>>();
  private world: World;
  /** Settles when no reset is under way: until then nothing new begins. */
  private ready: Promise<void> = Promise.resolve();

  constructor(private readonly options: GatewayOptions) {
    this.world = this.newWorld();
    this.server = createServer((request, response) => {
      this.serve(request, response).catch((error: unknown) => {
        if (!(error instanceof Dropped)) options.log(`gateway: ${wordsOf(error)}`);
        request.socket.destroy();
      });
    });
    // Longer than the SDKs keep an idle connection: a request must never meet a closing one.
    this.server.keepAliveTimeout = 120_000;
  }

  /** Listens on 127.0.0.1 and resolves with the port; 0 asks for a free one. Rejects with EADDRINUSE. */
  listen(port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(port, "127.0.0.1", () => resolve((this.server.address() as AddressInfo).port));
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const path = request.url ?? "/";
    await this.ready;
    if (path.startsWith("/_spot/")) {
      const { world } = this;
      const controls: Controls = {
        ...world,
        identity: this.options.identity,
        reset: () => this.resetOnce(),
        setPolicies: (policies) => (world.policies = policies),
      };
      send(response, await answerControl(controls, request.method ?? "GET", path, body));
      return;
    }
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    const call = readCall(path, headers, body);
    if (call === undefined) {
      send(
        response,
        errorAnswer("ec2", new AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)),
      );
      return;
    }
    this.world.counter.count(call.region, actionOf(call));
    const work = this.answer(call, this.world);
    this.underWay.add(work);
    send(response, await work.finally(() => this.underWay.delete(work)));
  }

  private newWorld(): World {
    const faults = new Faults();
    faults.add(this.options.faults);
    return {
      cloud: this.options.newCloud(),
      faults,
      limits: new RateLimits(),
      counter: new CallCounter(),
      policies: this.options.policies,
    };
  }

  private resetOnce(): Promise<void> {
    const work = this.ready.then(() => this.reset());
    this.ready = work.catch(() => undefined);
    return work;
  }

  /** Calls under way come to their end first, so that nothing of theirs appears in what is empty then. */
  private async reset(): Promise<void> {
    const { cloud, faults } = this.world;
    faults.clear();
    do {
      await Promise.allSettled(this.underWay);
      // What a client sent before it ended may only be read now.
      await setImmediate();
    } while (this.underWay.size > 0);
    await cloud.instances.endAll();
    await cloud.moto.reset();
    this.world = this.newWorld();
  }

  private async answer(call: Call, { faults: rulesInForce, limits, cloud: whole, policies }: World): Promise<Answer> {
    try {
      if (!limits.admits(call, whole.now().getTime()))
        throw new AwsError("RequestLimitExceeded", "Request limit exceeded.", 503);
      const cloud = cloudOf(call, whole);
      await authorize(call, cloud, policies);
      const faults = await faultsOf(call, cloud, rulesInForce);
      const { over } = rulesInForce;
      await strike(faults, "before", over);
      const answer = await this.rulebook.answer(call, cloud);
      await strike(faults, "after", over);
      return answer;
    } catch (error) {
      if (error instanceof AwsError) return errorAnswer(call.protocol, error);
      if (error instanceof Dropped) throw error;
      this.options.log(`${call.service}:${call.action} in ${call.region}: ${wordsOf(error)}`);
      return errorAnswer(call.protocol, new AwsError("InternalError", `The sandbox failed: ${wordsOf(error)}`, 500));
    }
  }
}

/** What the caller's account sees. @throws AwsError for credentials that no account has */
function cloudOf(call: Call, cloud: Cloud): Cloud {
  const account = accountOfKey(call.accessKeyId);
  if (account === undefined) throw unknownCredentials(call.service);
  return { ...cloud, moto: cloud.moto.as(account) };
}

async function faultsOf(call: Call, cloud: Cloud, inForce: Faults): Promise<FaultRule[]> {
  const zone = inForce.asksForZone ? await zoneOf(cloud, call.region, call.params) : undefined;
  return inForce.meet(
    {
      action: actionOf(call),
      region: call.region,
      availabilityZone: zone,
      instanceType: call.params.get("InstanceType") ?? undefined,
    },
    cloud.now().getTime(),
  );
}

/** A dry run is no launch: it is counted, and met by faults, under a name of its own (`RunInstances?DryRun`). */
function actionOf({ action, params }: Call): string {
  return params.get("DryRun") === "true" ? `${action}?DryRun` : action;
}

async function strike(faults: readonly FaultRule[], when: FaultRule["when"], over: AbortSignal): Promise<void> {
  for (const fault of faults) if (fault.when === when) await apply(fault.effect, over);
}

/** @param over aborts when the fault is taken away, which ends a delay */
async function apply(effect: FaultEffect, over: AbortSignal): Promise<void> {
  if ("delayMs" in effect) await sleep(effect.delayMs, undefined, { signal: over }).catch(() => undefined);
  else if ("drop" in effect) throw new Dropped();
  else
    throw new AwsError(
      effect.error.code,
      effect.error.message ?? "Injected by a fault rule of the sandbox.",
      effect.error.status,
    );
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, { ...answer.headers, "content-length": Buffer.byteLength(answer.body) });
  response.end(answer.body);
}
