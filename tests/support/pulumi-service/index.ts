import { randomBytes, randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { ZodError } from "zod";
import { Refusal, refusals } from "./refusal";
import { findRoute, updateOf, type Asked, type Right } from "./routes";
import { Stacks, type Stack } from "./stacks";
import { Update } from "./update";

/** One request, as the service met it. */
export interface ServiceCall {
  method: string;
  /** Without the query. */
  path: string;
  /** 0 as long as there is no answer. */
  status: number;
}

/** Requests that are not answered as they should be: those whose method and path fit, as often as `times` says. */
export type ServiceFault = {
  method?: string;
  path?: RegExp;
  /** Always, when it is left out. */
  times?: number;
} & (
  | { hang: true }
  | {
      status: number;
      /** An error in the service's words, when it is left out; a string is sent as it is, as a proxy's page would be. */
      body?: unknown;
    }
);

/** A stand-in for Pulumi Cloud on the loopback, which refuses what the real service refuses. */
export interface PulumiService {
  /** For PULUMI_BACKEND_URL. */
  url: string;
  /** For PULUMI_ACCESS_TOKEN. */
  token: string;
  /** Who holds that token; the only organization. */
  user: string;
  calls: readonly ServiceCall[];
  /** Requests that the service has no answer to, as "METHOD /path": a test of the protocol expects none. */
  unknown: readonly string[];
  /** The deployment that is kept of a stack, named PROJECT/STACK; undefined when there is no such stack. */
  stack(name: string): unknown;
  /** Begins somebody else's update of a stack, so that it is in use; the answer ends it. */
  occupy(name: string): () => void;
  /** Takes from the update under way its right to write, as when it did not renew its lease in time. */
  expireLease(name: string): void;
  /** Replaces the fault that is in force; without one, the service works again. */
  fault(fault?: ServiceFault): void;
  stop(): Promise<void>;
}

const USER = "tester";

class Service implements PulumiService {
  url = "";
  readonly token = `pul-${randomBytes(20).toString("hex")}`;
  readonly user = USER;
  readonly calls: ServiceCall[] = [];
  readonly unknown: string[] = [];
  private readonly stacks = new Stacks(USER);
  private current: { fault: ServiceFault; left: number } | undefined;
  private readonly server = createServer((request, response) => void this.serve(request, response));

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return this;
  }

  stack(name: string): unknown {
    return this.find(name)?.deployment;
  }

  occupy(name: string): () => void {
    const stack = this.get(name);
    const update = stack.create(new Update("update", "somebody-else", false));
    stack.start(update);
    return () => {
      if (update.running) update.end("succeeded", stack.deployment);
    };
  }

  expireLease(name: string): void {
    const { active } = this.get(name);
    if (!active) throw new Error(`no update of ${name} is under way`);
    active.expireLeases();
  }

  fault(fault?: ServiceFault): void {
    this.current = fault && { fault, left: fault.times ?? Infinity };
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private find(name: string): Stack | undefined {
    const [project, stack] = name.split("/");
    return this.stacks.list({ project }).find((each) => each.name.stack === stack);
  }

  private get(name: string): Stack {
    const found = this.find(name);
    if (!found) throw new Error(`the service has no stack ${name}`);
    return found;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://service");
    const call: ServiceCall = { method: request.method ?? "", path: url.pathname, status: 0 };
    this.calls.push(call);
    try {
      // A client that goes away in the middle of its request is told nothing.
      const body = await bodyOf(request);
      const fault = this.strike(call);
      if (fault && "hang" in fault) return;
      const { status, body: answer } = fault ? faulty(fault) : this.answer(request, call, url.searchParams, body);
      call.status = status;
      send(response, status, answer);
    } catch {
      response.destroy();
    }
  }

  /** The fault that meets a call, if one does. */
  private strike({ method, path }: ServiceCall): ServiceFault | undefined {
    const { current } = this;
    if (!current || current.left === 0) return undefined;
    const { fault } = current;
    if ((fault.method && fault.method !== method) || (fault.path && !fault.path.test(path))) return undefined;
    current.left -= 1;
    return fault;
  }

  private answer(request: IncomingMessage, call: ServiceCall, query: URLSearchParams, body: Buffer): Answer {
    try {
      const value = this.act(request, call, query, body);
      return value === undefined ? { status: 204 } : { status: 200, body: value };
    } catch (error) {
      return refused(error);
    }
  }

  private act(
    request: IncomingMessage,
    { method, path }: ServiceCall,
    query: URLSearchParams,
    body: Buffer,
  ): object | undefined {
    const found = findRoute(method, path);
    if (!found) {
      this.unknown.push(`${method} ${path}`);
      throw refusals.unknownRoute();
    }
    const { route, params } = found;
    const asked: Asked<undefined> = { stacks: this.stacks, user: USER, params, query, body: undefined };
    this.authorize(route.right, request.headers.authorization ?? "", asked);
    return route.answer({ ...asked, body: route.body?.parse(read(request, body)) as never });
  }

  private authorize(right: Right, header: string, asked: Asked<undefined>): void {
    const [kind, token = "", ...rest] = header.split(" ");
    if (right === "none") return;
    if (kind !== KIND_OF_TOKEN[right] || rest.length > 0) throw refusals.unauthorized();
    if (right === "lease") updateOf(asked).update.admit(token);
    else if (token !== this.token) throw refusals.unauthorized();
  }
}

/** The first word of the Authorization header (accessTokenKind in api.go). */
const KIND_OF_TOKEN = { user: "token", lease: "update-token" };

interface Answer {
  status: number;
  body?: unknown;
}

function faulty(fault: Extract<ServiceFault, { status: number }>): Answer {
  const { status, body = { code: status, message: "Fault of a test" } } = fault;
  return { status, body };
}

/** An error as the service puts it (apitype.ErrorResponse). Anything that is no refusal is a bug of the stand-in. */
function refused(error: unknown): Answer {
  const { status, message } =
    error instanceof Refusal
      ? error
      : error instanceof ZodError
        ? refusals.badRequest(error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join("; "))
        : new Refusal(500, `Internal Server Error: ${String(error)}`);
  return { status, body: { code: status, message } };
}

function read(request: IncomingMessage, body: Buffer): unknown {
  try {
    const text = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
    return JSON.parse(text.toString()) as unknown;
  } catch {
    throw refusals.badRequest("decoding JSON");
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, status: number, body: unknown): void {
  // The CLI puts the id behind the text of an error of the 500s.
  response.setHeader("X-Pulumi-Request-ID", randomUUID());
  const [type, text] = typeof body === "string" ? ["text/html", body] : ["application/json", JSON.stringify(body)];
  if (body !== undefined) response.setHeader("Content-Type", type);
  response.writeHead(status).end(body === undefined ? undefined : text);
}

export function startPulumiService(): Promise<PulumiService> {
  return new Service().start();
}
