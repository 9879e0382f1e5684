import { MANAGED_BY, Tag } from "./model";

/** Whose a thing in AWS is, judged by its tags alone. `predecessor`: the Python tool's, which had no lineages. */
export type Owner = "ours" | "another fleet" | "predecessor" | "nobody";

/** What the predecessor wrote: its `ManagedBy` tag, and names that begin so. */
const PREDECESSOR = { managedBy: "SpotDeployer", names: /^spot-deployer(-|$)/ };

/**
 * Whether tags with a fleet's ID are those of this stack. A second stack whose settings were copied from the first has
 * the same ID, and tags are copied by backups and by "launch more like this": the ID alone makes nothing ours.
 * @param stack as it is named with --stack: organisation and project may stand before it
 */
export function isOfStack(tags: Readonly<Record<string, string>>, stack: string): boolean {
  return tags[Tag.stack] === shortName(stack);
}

/** A stack's name as its tags and URNs have it. */
export function shortName(stack: string): string {
  return stack.split("/").pop()!;
}

export function ownerOf(tags: Readonly<Record<string, string>>, lineage: string): Owner {
  const theirs = tags[Tag.lineage];
  if (theirs !== undefined) return theirs === lineage ? "ours" : "another fleet";
  if (tags[Tag.managedBy] === MANAGED_BY) return "another fleet";
  const legacy = tags[Tag.managedBy] === PREDECESSOR.managedBy || PREDECESSOR.names.test(tags["Name"] ?? "");
  return legacy ? "predecessor" : "nobody";
}
