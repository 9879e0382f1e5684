import { EC2Client, RunInstancesCommand } from "@aws-sdk/client-ec2";
import { imageId, images } from "../../sandbox/gateway/model/images";
import type { Sandbox } from "../../sandbox/control";
import { clientOf } from "./sandbox";

/**
 * Launches an instance that is none of ours: nothing may end it, and it keeps the sandbox from being ended as empty.
 * @returns its id
 */
export async function launchStranger(sandbox: Sandbox, region: string): Promise<string> {
  const client = new EC2Client(clientOf(sandbox, region));
  try {
    const launch = {
      ImageId: imageId(images[0]!, region),
      InstanceType: "t3.medium" as const,
      MinCount: 1,
      MaxCount: 1,
    };
    const { Instances } = await client.send(new RunInstancesCommand(launch));
    return Instances![0]!.InstanceId!;
  } finally {
    client.destroy();
  }
}
