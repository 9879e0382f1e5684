import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import type { Cloud } from "./clients";
import { awsError } from "./errors";

export interface Identity {
  account: string;
  arn: string;
}

/** Who the credentials belong to. @throws SpotError E_CREDENTIALS */
export async function callerIdentity(cloud: Cloud): Promise<Identity> {
  try {
    const answer = await (await cloud.sts()).send(new GetCallerIdentityCommand({}));
    return { account: answer.Account ?? "unknown", arn: answer.Arn ?? "unknown" };
  } catch (error) {
    throw awsError(error, "asking AWS whose credentials these are");
  }
}
