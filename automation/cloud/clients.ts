import { EC2Client } from "@aws-sdk/client-ec2";
import type { SSMClient } from "@aws-sdk/client-ssm";
import type { STSClient } from "@aws-sdk/client-sts";
import type { Target } from "../target";

/** AWS clients of one target, one per service and region, made when first asked for. */
export interface Cloud {
  ec2(region: string): EC2Client;
  ssm(region: string): Promise<SSMClient>;
  sts(): Promise<STSClient>;
  close(): void;
}

// The SDK's notice about Node versions is for those who choose the SDK's version: that is package.json here.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";

/** STS answers everywhere; this region is enabled in every account. */
const GLOBAL_REGION = "us-east-1";

export function cloudOf(target: Target): Cloud {
  const made = new Map<string, { destroy(): void }>();
  const config = (region: string) => ({
    region,
    maxAttempts: 4,
    ...(target.endpoint
      ? {
          endpoint: target.endpoint,
          credentials: { accessKeyId: target.env.AWS_ACCESS_KEY_ID!, secretAccessKey: target.env.AWS_SECRET_ACCESS_KEY! },
        }
      : { profile: target.env.AWS_PROFILE }),
  });
  const once = <T extends { destroy(): void }>(key: string, make: () => T): T => {
    const existing = made.get(key) as T | undefined;
    if (existing) return existing;
    const client = make();
    made.set(key, client);
    return client;
  };
  return {
    ec2: (region) => once(`ec2 ${region}`, () => new EC2Client(config(region))),
    async ssm(region) {
      const { SSMClient: Client } = await import("@aws-sdk/client-ssm");
      return once(`ssm ${region}`, () => new Client(config(region)));
    },
    async sts() {
      const { STSClient: Client } = await import("@aws-sdk/client-sts");
      return once("sts", () => new Client(config(GLOBAL_REGION)));
    },
    close() {
      for (const client of made.values()) client.destroy();
      made.clear();
    },
  };
}
