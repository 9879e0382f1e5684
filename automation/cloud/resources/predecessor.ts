import { TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import type { Cloud } from "../clients";
import { awsError } from "../errors";
import { describeInstancesBy, type Instance } from "./kinds/compute";

/** DescribeInstances takes at most 200 values a filter. */
const IDS_A_CALL = 200;

/**
 * What became of these instances. By a filter: an id that AWS has forgotten is missing from the answer, where an id
 * asked for by name would spoil the whole call.
 * @throws SpotError E_CREDENTIALS, E_REGION, E_AWS
 */
export async function instancesById(cloud: Cloud, region: string, ids: string[]): Promise<Instance[]> {
  const filters = Array.from({ length: Math.ceil(ids.length / IDS_A_CALL) }, (_, n) => ({
    Name: "instance-id",
    Values: ids.slice(n * IDS_A_CALL, (n + 1) * IDS_A_CALL),
  }));
  try {
    const found: Instance[] = [];
    for (const filter of filters) found.push(...(await describeInstancesBy(cloud.ec2(region), [filter])));
    return found;
  } catch (error) {
    throw awsError(error, `DescribeInstances in ${region}`);
  }
}

/** Ends instances that no record of ours holds: only ever with a person's yes. @throws as above */
export async function endInstances(cloud: Cloud, region: string, ids: string[]): Promise<void> {
  try {
    await cloud.ec2(region).send(new TerminateInstancesCommand({ InstanceIds: ids }));
  } catch (error) {
    throw awsError(error, `TerminateInstances in ${region}`);
  }
}
