import type { Tag } from "@aws-sdk/client-ec2";

/** The tags of an answer of AWS's, by their names. */
export function tagRecord(tags: readonly Tag[] | undefined): Record<string, string> {
  return Object.fromEntries((tags ?? []).map(({ Key, Value }) => [Key ?? "", Value ?? ""]));
}
