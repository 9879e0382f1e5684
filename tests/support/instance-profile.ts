import { CreateInstanceProfileCommand, IAMClient } from "@aws-sdk/client-iam";
import type { Sandbox } from "../../sandbox/control";
import { clientOf } from "./sandbox";

/** Makes an instance profile of this name, with no role in it. */
export async function makeInstanceProfile(sandbox: Sandbox, name: string): Promise<void> {
  const client = new IAMClient(clientOf(sandbox));
  try {
    await client.send(new CreateInstanceProfileCommand({ InstanceProfileName: name }));
  } finally {
    client.destroy();
  }
}
