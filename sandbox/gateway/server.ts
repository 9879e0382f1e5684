import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { wordsOf } from "../../fleet/errors";
import { accountOfKey } from "./accounts";
import { zoneOf } from "./ask";
import { AwsError, readCall, type Answer, type Call } from "./call";
import { answerControl, type Controls } from "./control";
import { CallCounter } from "./counter";
import { Faults, type FaultEffect, type FaultRule } from "./faults";
import { RateLimits } from "./limits";
import { Rulebook, type Cloud } from "./rule";
import { rules } from "./rules";
import { unknownCredentials } from "./rules/regions";
import { errorAnswer } from "./xml";

export interface GatewayOptions {
  cloud: Cloud;
  /** Faults in force from the start. */
  faults: readonly FaultRule[];
  log(line: string): void;
  /** What `GET /_spot/status` tells beside the gateway's own figures. */
  identity: object;
}

/** The connection is to break without an answer. */
class Dropped extends Error {}

/** The endpoint that stands for AWS: an HTTP server on the loopback. */
export class Gateway {
  private readonly server: Server;
  private readonly rulebook = new Rulebook(rules);
  private readonly faults = new Faults();
  private readonly limits = new RateLimits();
  private readonly counter = new CallCounter();
  private readonly controls: Controls;

  constructor(private readonly options: GatewayOptions) {
    const { cloud, identity } = options;
    this.faults.add(options.faults);
    this.controls = { cloud, identity, counter: this.counter, faults: this.faults, limits: this.limits };
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
    if (path.startsWith("/_spot/")) return send(response, await answerControl(this.controls, request.method ?? "GET", path, body));
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    const call = readCall(path, headers, body);
    if (call === undefined) return send(response, errorAnswer("ec2", new AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)));
    this.counter.count(call.region, actionOf(call));
    send(response, await this.answer(call));
  }

  private async answer(call: Call): Promise<Answer> {
    try {
      if (!this.limits.admits(call, this.options.cloud.now().getTime())) throw new AwsError("RequestLimitExceeded", "Request limit exceeded.", 503);
      const cloud = this.cloudOf(call);
      const faults = await this.faultsOf(call, cloud);
      const { over } = this.faults;
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

  /** What the caller's account sees. @throws AwsError for credentials that no account has */
  private cloudOf(call: Call): Cloud {
    const { cloud } = this.options;
    const account = accountOfKey(call.accessKeyId);
    if (account === undefined) throw unknownCredentials(call.service);
    return { ...cloud, moto: cloud.moto.as(account) };
  }

  private async faultsOf(call: Call, cloud: Cloud): Promise<FaultRule[]> {
    const zone = this.faults.asksForZone ? await zoneOf(cloud, call.region, call.params) : undefined;
    return this.faults.meet({ action: actionOf(call), region: call.region, availabilityZone: zone, instanceType: call.params.get("InstanceType") ?? undefined }, this.options.cloud.now().getTime());
  }
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
  else throw new AwsError(effect.error.code, effect.error.message ?? "Injected by a fault rule of the sandbox.", effect.error.status);
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
