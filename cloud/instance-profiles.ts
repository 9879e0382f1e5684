import { GetInstanceProfileCommand } from "@aws-sdk/client-iam";
import type { Cloud } from "./clients";
import { awsError } from "./errors";

/** Does the account have an instance profile of this name? IAM is one for all regions. @throws SpotError */
export async function hasInstanceProfile(cloud: Cloud, region: string, name: string): Promise<boolean> {
  try {
    await (await cloud.iam(region)).send(new GetInstanceProfileCommand({ InstanceProfileName: name }));
    return true;
  } catch (error) {
    if ((error as { name?: string }).name?.startsWith("NoSuchEntity")) return false;
    throw awsError(error, `GetInstanceProfile of ${name}`);
  }
}
