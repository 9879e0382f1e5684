import {
  CreateTagsCommand,
  DeleteTagsCommand,
  type ResourceType as TaggedType,
  type Tag,
  type TagSpecification,
} from "@aws-sdk/client-ec2";
import type { Region } from "./aws";
import { inPlace, type CommonInputs } from "./resource";
import { at, isObject, type Properties } from "./values";

type Tags = Record<string, string>;

/** The tags of an object that is being made; nothing when there are none, as EC2 refuses an empty specification. */
export function tagSpecification(type: TaggedType, tags: Tags | undefined): TagSpecification[] {
  const list = tagList(tags);
  return list.length === 0 ? [] : [{ ResourceType: type, Tags: list }];
}

/** An object's tags as the two outputs that carry them. AWS's own (`aws:…`) are not shown. */
export function tagOutputs(tags: Tag[] | undefined): { tags: Tags; tagsAll: Tags } {
  const shown = Object.fromEntries(
    (tags ?? [])
      .filter(({ Key }) => Key !== undefined && !Key.startsWith("aws:"))
      .map(({ Key, Value }) => [Key ?? "", Value ?? ""]),
  );
  return { tags: shown, tagsAll: shown };
}

/** Makes the tags of `ids` those wanted, given those that are there. */
export async function changeTags(
  region: Region,
  ids: string[],
  wanted: Tags | undefined,
  present: unknown,
): Promise<void> {
  const before = isObject(present) ? present : {};
  const after = wanted ?? {};
  const gone = Object.keys(before).filter((key) => !(key in after));
  const changed = Object.fromEntries(Object.entries(after).filter(([key, value]) => before[key] !== value));
  const doing = `updating tags for EC2 resource (${ids.join(", ")})`;
  if (gone.length > 0) {
    await region.send(doing, new DeleteTagsCommand({ Resources: ids, Tags: gone.map((Key) => ({ Key })) }));
  }
  if (Object.keys(changed).length > 0) {
    await region.send(doing, new CreateTagsCommand({ Resources: ids, Tags: tagList(changed) }));
  }
}

/** The input `tags` of a resource whose id is also the id that EC2 tags by. */
export const tagged = inPlace<CommonInputs>(
  (region: Region, id: string, news: CommonInputs, olds: Properties) =>
    changeTags(region, [id], news.tags, at(olds, "tags")),
  "clearable",
);

function tagList(tags: Tags | undefined): Tag[] {
  return Object.entries(tags ?? {}).map(([Key, Value]) => ({ Key, Value }));
}
