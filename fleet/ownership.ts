import { MANAGED_BY, Tag } from "./model";

/** Whose a thing in AWS is, judged by its tags alone. `predecessor`: the Python tool's, which had no lineages. */
export type Owner = "ours" | "another fleet" | "predecessor" | "nobody";

/** What the predecessor wrote: its `ManagedBy` tag, and names that begin so. */
const PREDECESSOR = { managedBy: "SpotDeployer", names: /^spot-deployer(-|$)/ };

export function ownerOf(tags: Readonly<Record<string, string>>, lineage: string): Owner {
  const theirs = tags[Tag.lineage];
  if (theirs !== undefined) return theirs === lineage ? "ours" : "another fleet";
  if (tags[Tag.managedBy] === MANAGED_BY) return "another fleet";
  const legacy = tags[Tag.managedBy] === PREDECESSOR.managedBy || PREDECESSOR.names.test(tags["Name"] ?? "");
  return legacy ? "predecessor" : "nobody";
}
