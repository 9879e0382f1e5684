import { DeleteTagsCommand, DescribeVolumesCommand } from "@aws-sdk/client-ec2";
import { Tag } from "../../../fleet/model";
import type { Cloud } from "../clients";
import { tagRecord, type CloudObject } from "./inventory";
import type { SweepFailure } from "./sweep";

/**
 * Takes tags off objects of a fleet; off an instance's volumes too, which were tagged with it. A tag that has another
 * value by now stays. Each object is judged alone.
 */
export async function takeTagsOff(
  cloud: Cloud,
  objects: readonly CloudObject[],
  keys: readonly string[],
): Promise<SweepFailure[]> {
  const failures: SweepFailure[] = [];
  await Promise.all(
    objects.map(async (object) => {
      const client = cloud.ec2(object.region);
      try {
        const volumes =
          object.kind === "instance"
            ? ((
                await client.send(
                  new DescribeVolumesCommand({ Filters: [{ Name: "attachment.instance-id", Values: [object.id] }] }),
                )
              ).Volumes ?? [])
            : [];
        const its = volumes.flatMap(({ VolumeId, Tags: tags }) =>
          VolumeId !== undefined && tagRecord(tags)[Tag.lineage] === object.tags[Tag.lineage] ? VolumeId : [],
        );
        await client.send(
          new DeleteTagsCommand({
            Resources: [object.id, ...its],
            Tags: keys.flatMap((Key) => (object.tags[Key] === undefined ? [] : { Key, Value: object.tags[Key] })),
          }),
        );
      } catch (error) {
        failures.push({ object, error });
      }
    }),
  );
  return failures;
}
