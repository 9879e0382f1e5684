import { EC2Client, type EC2ClientConfig } from "@aws-sdk/client-ec2";
import type { IAMClient } from "@aws-sdk/client-iam";
import type { ServiceQuotasClient } from "@aws-sdk/client-service-quotas";
import type { SSMClient } from "@aws-sdk/client-ssm";
import type { STSClient } from "@aws-sdk/client-sts";
import { shellQuote } from "../fleet/text/shell-quote";
import type { EndpointService, Endpoints } from "../project/aws-endpoints";
import type { Credentials } from "./credentials";

/** Where AWS is asked, and by whom. */
export interface CloudPlace {
  credentials: Credentials;
  /** The sandbox's endpoint for every service; absent for AWS. */
  endpoint?: string;
  /** Endpoints outside AWS to which the user bound the stack, by service. */
  foreignEndpoints: Endpoints;
}

/** AWS clients of one place, one per service and region, made when first asked for. */
export interface Cloud {
  /** The AWS CLI as a person calls it to ask the same place: `aws`, with what leads it there. */
  cli: string;
  ec2(region: string): EC2Client;
  iam(region: string): Promise<IAMClient>;
  ssm(region: string): Promise<SSMClient>;
  sts(region: string): Promise<STSClient>;
  quotas(region: string): Promise<ServiceQuotasClient>;
  close(): void;
}

// The SDK's notice about Node versions is for those who choose the SDK's version: that is package.json here.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";

/** Enabled in every account. */
export const GLOBAL_REGION = "us-east-1";

/**
 * Times that keep a call from hanging for ever: an answer that was lost on the way is asked for again (by the SDK,
 * `maxAttempts`), and every call of ours is one that may be repeated.
 */
const REQUEST_TIMES = { connectionTimeout: 5_000, requestTimeout: 30_000, throwOnRequestTimeout: true };

/** @param signal ends every call that is under way */
export function cloudOf(place: CloudPlace, signal?: AbortSignal): Cloud {
  const made = new Map<string, { destroy(): void }>();
  const config = (service: EndpointService, region: string) => {
    const endpoint = place.endpoint ?? place.foreignEndpoints[service];
    return {
      region,
      maxAttempts: 4,
      requestHandler: REQUEST_TIMES,
      ...credentialsOf(place.credentials),
      ...(endpoint === undefined ? {} : { endpoint }),
      // The user's settings of this kind have no meaning in a sandbox, and the SDK refuses them beside an endpoint.
      ...(place.endpoint === undefined
        ? {}
        : { useFipsEndpoint: false, useDualstackEndpoint: false, defaultsMode: "standard" as const }),
    };
  };
  const once = <T extends { destroy(): void }>(key: string, make: () => T): T => {
    const existing = made.get(key) as T | undefined;
    if (existing) return existing;
    const client = endedBy(signal, make());
    made.set(key, client);
    return client;
  };
  return {
    cli: cliOf(place),
    ec2: (region) => once(`ec2 ${region}`, () => new EC2Client(config("ec2", region))),
    async iam(region) {
      const { IAMClient: Client } = await import("@aws-sdk/client-iam");
      // No stack that an earlier version bound to endpoints knows of it: it is asked where identities are.
      return once(`iam ${region}`, () => new Client(config("sts", region)));
    },
    async ssm(region) {
      const { SSMClient: Client } = await import("@aws-sdk/client-ssm");
      return once(`ssm ${region}`, () => new Client(config("ssm", region)));
    },
    async sts(region) {
      const { STSClient: Client } = await import("@aws-sdk/client-sts");
      return once(`sts ${region}`, () => new Client(config("sts", region)));
    },
    async quotas(region) {
      const { ServiceQuotasClient: Client } = await import("@aws-sdk/client-service-quotas");
      return once(`quotas ${region}`, () => new Client(config("service_quotas", region)));
    },
    close() {
      for (const client of made.values()) client.destroy();
      made.clear();
    },
  };
}

/**
 * The credentials, said outright: left to itself the SDK reads this process's environment, and takes another source than
 * the engine's provider where there are two. What a source needs is loaded when it is first asked.
 */
function credentialsOf(credentials: Credentials): Pick<EC2ClientConfig, "credentials"> {
  switch (credentials.kind) {
    case "keys": {
      const { accessKeyId, secretAccessKey, sessionToken } = credentials;
      return { credentials: { accessKeyId, secretAccessKey, sessionToken } };
    }
    case "profile": {
      const { profile } = credentials;
      return {
        credentials: async (properties) =>
          (await import("@aws-sdk/credential-provider-ini")).fromIni({ profile })(properties),
      };
    }
    case "web identity":
      return {
        credentials: async (properties) =>
          (await import("@aws-sdk/credential-provider-web-identity")).fromTokenFile()(properties),
      };
    case "default":
      return {};
  }
}

/** A command that is shown is pasted as it stands: in a sandbox it must never ask AWS, however the shell is set up. */
function cliOf({ endpoint, credentials }: CloudPlace): string {
  if (endpoint === undefined)
    return credentials.kind === "profile" ? `aws --profile ${shellQuote(credentials.profile)}` : "aws";
  if (credentials.kind !== "keys")
    throw new Error(`a sandbox is never asked with credentials of kind ${credentials.kind}`);
  const { accessKeyId, secretAccessKey } = credentials;
  return `AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey} aws --endpoint-url ${endpoint}`;
}

/** The SDK takes an abort signal with each call only; a run has one for all of them. */
function endedBy<T extends { destroy(): void }>(signal: AbortSignal | undefined, client: T): T {
  if (signal === undefined) return client;
  const sender = client as unknown as { send(command: unknown, options?: object): Promise<unknown> };
  const send = sender.send.bind(client);
  sender.send = (command, options) => send(command, { abortSignal: signal, ...options });
  return client;
}
