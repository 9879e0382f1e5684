import { Agent, request } from "node:http";
import { accessKeyOf, DEFAULT_ACCOUNT } from "./accounts";
import { AwsError, bodyOf, type Answer, type Call } from "./call";
import { parseXml, text, type Node } from "./xml";

/** Headers that belong to one connection or to a body that is written anew. */
const notPassedOn = new Set(["host", "connection", "content-length", "transfer-encoding", "accept-encoding", "expect"]);
const notPassedBack = new Set(["connection", "content-length", "transfer-encoding", "server", "date"]);

/** Which account moto acts in (moto documentation, "Multi-Account support"): it cannot tell from our access keys. */
const ACCOUNT_HEADER = "x-moto-account-id";

/** Why an instance ends, in EC2's own words. */
export interface StateReason {
  code: string;
  message: string;
}

/** The emulated AWS behind the gateway, seen from one account. */
export class Moto {
  constructor(
    private readonly port: number,
    readonly account = DEFAULT_ACCOUNT,
    private readonly agent = new Agent({ keepAlive: true, maxSockets: 64 }),
  ) {}

  /** The same emulated AWS, seen from another account. */
  as(account: string): Moto {
    return account === this.account ? this : new Moto(this.port, account, this.agent);
  }

  pass(call: Call): Promise<Answer> {
    return this.send("POST", call.path, pick(call.headers, notPassedOn), bodyOf(call));
  }

  /** A question of the gateway's own to EC2. An EC2 error comes as AwsError. */
  async ask(region: string, action: string, params: Record<string, string> = {}): Promise<Node> {
    const headers = {
      authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyOf(this.account)}/20260101/${region}/ec2/aws4_request, SignedHeaders=host, Signature=0`,
      "content-type": "application/x-www-form-urlencoded",
    };
    const answer = await this.send(
      "POST",
      "/",
      headers,
      new URLSearchParams({ Action: action, Version: "2016-11-15", ...params }).toString(),
    );
    const content = answer.body.startsWith("<") ? parseXml(answer.body) : {};
    if (answer.status < 300) return content;
    const error = (content["Errors"] as Node | undefined)?.["Error"] as Node | undefined;
    throw new AwsError(
      text(error, "Code") || "InternalError",
      text(error, "Message") || "The emulated AWS failed.",
      answer.status,
    );
  }

  /** The host behind an instance is about to end: it is shown as shutting down, unless a call has ended it already. */
  async ending(region: string, instanceId: string, reason: StateReason): Promise<void> {
    await this.tell("_ending", region, instanceId, reason);
  }

  /** The host behind an instance is gone: what the instance held is released and it is shown as terminated. */
  async ended(region: string, instanceId: string, reason: StateReason): Promise<void> {
    await this.tell("_ended", region, instanceId, reason);
  }

  /** An instance that ended is shown no more, as AWS does after about an hour. */
  async forgotten(region: string, instanceId: string): Promise<void> {
    await this.tell("_forgotten", region, instanceId, { code: "none", message: "none" });
  }

  private async tell(what: string, region: string, instanceId: string, reason: StateReason): Promise<void> {
    const query = new URLSearchParams({ account: this.account, region, id: instanceId, ...reason });
    await this.send("GET", `/${what}?${query}`, {}, "");
  }

  /** Forgets everything of every account (moto documentation, "Reset"). */
  async reset(): Promise<void> {
    const { status, body } = await this.send("POST", "/moto-api/reset", {}, "");
    if (status !== 200) throw new Error(`the emulated AWS could not be reset: ${body}`);
  }

  close(): void {
    this.agent.destroy();
  }

  private send(method: string, path: string, headers: Record<string, string>, body: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        {
          host: "127.0.0.1",
          port: this.port,
          method,
          path,
          agent: this.agent,
          headers: { ...headers, [ACCOUNT_HEADER]: this.account, "content-length": Buffer.byteLength(body) },
        },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
          incoming.on("error", reject);
          incoming.on("end", () => {
            resolve({
              status: incoming.statusCode ?? 502,
              headers: pick(incoming.headers, notPassedBack),
              body: Buffer.concat(chunks).toString("utf8"),
            });
          });
        },
      );
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }
}

function pick(headers: NodeJS.Dict<string | string[]>, without: Set<string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || without.has(name) ? [] : [[name, Array.isArray(value) ? value.join(", ") : value]],
    ),
  );
}
