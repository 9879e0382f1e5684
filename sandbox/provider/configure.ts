import { Server, status, type UntypedServiceImplementation } from "@grpc/grpc-js";
import { setTimeout as sleep } from "node:timers/promises";
import { wordsOf } from "../../fleet/errors";
import { askEndpoint } from "../home/endpoint";
import { FIRST_RETRY_MS, MAX_ATTEMPTS, THROTTLED, type Endpoint } from "./common/aws";

/** The provider's own arguments, as the engine sends them: what is no text travels as JSON in a text. */
type Arguments = Record<string, unknown>;

/**
 * Those that `infra/` gives, and what SDK (skip…: "false", but "true" for regions) and engine add. Any other would be
 * ignored here and obeyed on AWS.
 */
const KNOWN: ReadonlySet<string> = new Set([
  "region",
  "maxRetries",
  "allowedAccountIds",
  "skipCredentialsValidation",
  "skipRegionValidation",
  "version",
  "__internal",
]);

const TIMEOUT_MS = 30_000;

/**
 * What the official provider does before its first resource: asks STS in its own region whose credentials it has, and
 * refuses those of an account that is not allowed.
 * @throws Error in the official provider's words
 */
export async function configure(endpoint: Endpoint, args: Arguments): Promise<void> {
  const unknown = Object.keys(args).filter((name) => !KNOWN.has(name));
  if (unknown.length > 0)
    throw new Error(`the sandbox's provider does not know the provider argument ${unknown.join(", ")}`);
  if (typeof args.region !== "string" || args.region === "") throw new Error("Missing region configuration");
  const account = await accountOf(endpoint, args.region);
  const allowed =
    typeof args.allowedAccountIds === "string" ? (JSON.parse(args.allowedAccountIds) as string[]) : undefined;
  if (allowed !== undefined && !allowed.includes(account)) throw new Error(`AWS account ID not allowed: ${account}`);
}

interface Told {
  account?: string;
  failure: string;
  /** A throttle or an accident: it may be answered a moment later. */
  passes: boolean;
}

/** Tried as often as any call of the provider's (aws.ts). */
async function accountOf(endpoint: Endpoint, region: string): Promise<string> {
  for (let attempt = 1; ; attempt += 1) {
    const { account, failure, passes } = await callerIdentity(endpoint, region);
    if (account !== undefined) return account;
    if (!passes || attempt === MAX_ATTEMPTS)
      throw new Error(
        `validating provider credentials: retrieving caller identity from STS: operation error STS: GetCallerIdentity, ${failure}`,
      );
    await sleep(FIRST_RETRY_MS * 2 ** attempt);
  }
}

/** By hand: the SDK's client takes longer to load than the call, and only the gateway ever sees it. */
async function callerIdentity({ url, accessKeyId }: Endpoint, region: string): Promise<Told> {
  const { status, body } = await askEndpoint(url, {
    method: "POST",
    body: new URLSearchParams({ Action: "GetCallerIdentity", Version: "2011-06-15" }).toString(),
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=${accessKeyId}/20260101/${region}/sts/aws4_request, SignedHeaders=host, Signature=0`,
      "content-type": "application/x-www-form-urlencoded",
    },
    timeoutMs: TIMEOUT_MS,
  });
  const told = (name: string): string | undefined => new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1];
  const code = told("Code") ?? "InternalFailure";
  return {
    account: status === 200 ? told("Account") : undefined,
    failure: `https response error StatusCode: ${status}, api error ${code}: ${told("Message") ?? "no answer"}`,
    passes: status >= 500 || THROTTLED.has(code),
  };
}

interface Call {
  request: { getArgs(): { toJavaScript(): Arguments } | undefined };
}

interface Configure {
  (call: Call, callback: (error: { code: number; details: string } | undefined, response?: unknown) => void): void;
}

/** How a server registers a service, with `this` declared: it is called for any of them. */
interface Registering {
  addService: (this: Server, ...args: Parameters<Server["addService"]>) => void;
}

/**
 * Has every provider of this process configured. The SDK's server answers Configure by itself and tells its provider
 * nothing of it, so the answer is taken up where the service is registered.
 */
export function configureWith(work: (args: Arguments) => Promise<void>): void {
  const servers: Registering = Server.prototype;
  const { addService } = servers;
  servers.addService = function (service, implementation) {
    const answer = implementation.configure as unknown as Configure;
    const configured: Configure = (call, callback) =>
      void work(call.request.getArgs()?.toJavaScript() ?? {}).then(
        () => answer.call(implementation, call, callback),
        (error: unknown) => callback({ code: status.UNKNOWN, details: wordsOf(error) }),
      );
    addService.call(
      this,
      service,
      Object.assign(Object.create(implementation) as UntypedServiceImplementation, { configure: configured }),
    );
  };
}
