import { generationTag } from "./launch";
import { MANAGED_BY, Tag } from "../model";
import { shortName } from "./ownership";

/** Who owns a resource: what every tag set begins with. */
export interface Owner {
  lineage: string;
  /** Organisation and project may stand before it. */
  stack: string;
  /** The user's own tags; ours win. */
  extra: Record<string, string>;
}

/** The tags of a resource that belongs to the fleet as a whole. They never change from run to run. */
export function ownerTags(owner: Owner, name: string): Record<string, string> {
  return {
    Name: name,
    ...owner.extra,
    [Tag.managedBy]: MANAGED_BY,
    [Tag.lineage]: owner.lineage,
    [Tag.stack]: shortName(owner.stack),
  };
}

/**
 * Can an instance show these tags in its metadata? Where it is to, and a key does not suit a path there, EC2 refuses the
 * launch ("View tags for your EC2 instances using instance metadata", EC2 User Guide).
 */
export function fitMetadata(tags: Readonly<Record<string, string>>): boolean {
  return Object.keys(tags).every((key) => /^[\w+=.,@:-]{1,255}$/.test(key) && ![".", "..", "_index"].includes(key));
}

/** The tags of a node's instance and its volume. */
export function nodeTags(
  owner: Owner,
  node: string,
  generation: string,
  launch: string | undefined,
): Record<string, string> {
  return { ...ownerTags(owner, node), [Tag.node]: node, [Tag.generation]: generationTag(generation, launch) };
}
