import { DescribeInstancesCommand, TerminateInstancesCommand, type Instance } from "@aws-sdk/client-ec2";
import type { Cloud } from "./clients";
import { awsError } from "./errors";

/** DescribeInstances takes at most 200 values a filter. */
const IDS_A_CALL = 200;

/**
 * What became of these instances. By a filter: an id that AWS has forgotten is missing from the answer, where an id
 * asked for by name would spoil the whole call.
 * @throws SpotError E_CREDENTIALS, E_REGION, E_AWS
 */
export async function instancesById(cloud: Cloud, region: string, ids: string[]): Promise<Instance[]> {
  const found: Instance[] = [];
  try {
    for (let at = 0; at < ids.length; at += IDS_A_CALL) {
      const answer = await cloud
        .ec2(region)
        .send(
          new DescribeInstancesCommand({ Filters: [{ Name: "instance-id", Values: ids.slice(at, at + IDS_A_CALL) }] }),
        );
      found.push(...(answer.Reservations ?? []).flatMap(({ Instances }) => Instances ?? []));
    }
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
