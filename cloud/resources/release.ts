import { DeleteTagsCommand } from "@aws-sdk/client-ec2";
import { Tag } from "../../fleet/model";
import type { Cloud } from "../clients";
import type { DeleteFailure } from "./delete";
import type { FleetObject } from "./find";
import { volume } from "./kinds/compute";

/**
 * Takes tags off objects of a fleet; off an instance's volumes too, which were tagged with it. A tag that has another
 * value by now stays. Each object is judged alone.
 */
export async function takeTagsOff(
  cloud: Cloud,
  objects: readonly FleetObject[],
  keys: readonly string[],
): Promise<DeleteFailure<FleetObject>[]> {
  const failures: DeleteFailure<FleetObject>[] = [];
  await Promise.all(
    objects.map(async (object) => {
      const client = cloud.ec2(object.region);
      try {
        const volumes =
          object.kind === "instance"
            ? await volume.list(client, [{ Name: "attachment.instance-id", Values: [object.id] }])
            : [];
        const its = volumes.flatMap(({ id, tags }) => (tags[Tag.lineage] === object.tags[Tag.lineage] ? id : []));
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
