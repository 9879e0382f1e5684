import { MANAGED_BY, Tag } from "../model";

/** Whose a thing in AWS is, judged by its tags alone. `predecessor`: the Python tool's, which had no lineages. */
export type Owner = "ours" | "another fleet" | "predecessor" | "nobody";

/** How the predecessor's versions spelled themselves in `ManagedBy`. `spot-deployer` is not among them: so signs this program. */
export const PREDECESSOR_SPELLINGS: readonly string[] = [
  "SpotDeployer",
  "spotdeployer",
  "spotDeployer",
  "SPOTDEPLOYER",
  "Spot-Deployer",
  "SPOT-DEPLOYER",
  "spot_deployer",
  "Spot_Deployer",
  "SPOT_DEPLOYER",
  "spot deployer",
  "Spot Deployer",
  "aws-spot-deployer",
  "AwsSpotDeployer",
  "AWSSpotDeployer",
];

/** Names that it gave begin so. */
const PREDECESSOR_NAMES = /^spot-deployer(-|$)/;

/** True for what carries the predecessor's own tag. A name that looks like one of its names is less: anybody may give it. */
export function isSignedByPredecessor(tags: Readonly<Record<string, string>>): boolean {
  return tags[Tag.lineage] === undefined && PREDECESSOR_SPELLINGS.includes(tags[Tag.managedBy] ?? "");
}

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
  return stack.slice(stack.lastIndexOf("/") + 1);
}

/** A fleet as its tags tell it; without a stack: whatever stack has the fleet ID. */
export interface FleetTags {
  lineage: string;
  stack?: string;
}

export function ownerOf(tags: Readonly<Record<string, string>>, { lineage, stack }: FleetTags): Owner {
  const theirs = tags[Tag.lineage];
  if (theirs !== undefined)
    return theirs === lineage && (stack === undefined || isOfStack(tags, stack)) ? "ours" : "another fleet";
  if (tags[Tag.managedBy] === MANAGED_BY) return "another fleet";
  return isSignedByPredecessor(tags) || PREDECESSOR_NAMES.test(tags["Name"] ?? "") ? "predecessor" : "nobody";
}
