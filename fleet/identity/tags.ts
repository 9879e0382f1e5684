import { generationTag } from "./launch";
import { MANAGED_BY, Tag } from "../model";

/** Who owns a resource: what every tag set begins with. */
export interface Owner {
  lineage: string;
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
    [Tag.stack]: owner.stack,
  };
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
