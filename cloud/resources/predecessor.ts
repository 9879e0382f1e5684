import { TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import type { Cloud } from "../clients";
import { awsError } from "../errors";
import { describeInstancesBy, type Instance } from "./kinds/compute";
import { filterParts } from "./look-up";

/**
 * What became of these instances. By a filter: an id that AWS has forgotten is missing from the answer, where an id
 * asked for by name would spoil the whole call.
 * @throws SpotError E_CREDENTIALS, E_REGION, E_AWS
 */
export async function instancesById(cloud: Cloud, region: string, ids: string[]): Promise<Instance[]> {
  try {
    const found: Instance[] = [];
    for (const Values of filterParts(ids))
      found.push(...(await describeInstancesBy(cloud.ec2(region), [{ Name: "instance-id", Values }])));
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
