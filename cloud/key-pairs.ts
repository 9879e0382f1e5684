import { DescribeKeyPairsCommand } from "@aws-sdk/client-ec2";
import type { Cloud } from "./clients";
import { awsError } from "./errors";

/** Does the region know an EC2 key pair of this name? @throws SpotError */
export async function hasKeyPair(cloud: Cloud, region: string, name: string): Promise<boolean> {
  try {
    await cloud.ec2(region).send(new DescribeKeyPairsCommand({ KeyNames: [name] }));
    return true;
  } catch (error) {
    if ((error as { name?: string }).name === "InvalidKeyPair.NotFound") return false;
    throw awsError(error, `DescribeKeyPairs in ${region}`);
  }
}
