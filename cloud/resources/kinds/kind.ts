import type { EC2Client, Filter, Tag } from "@aws-sdk/client-ec2";
import { tagRecord } from "../../tags";

/** Something that exists in AWS, as the list of its kind shows it. */
export interface Listed {
  id: string;
  /** For people: a state, an address, a name, what it belongs to. */
  detail: string;
  tags: Record<string, string>;
  /** When it was made; of most kinds AWS does not tell. */
  created?: Date;
  /** The instance that a volume is attached to, the interface that an address is on. */
  heldBy?: string;
  /** The VPCs that a gateway is attached to: it may be taken to another one. */
  attachedTo?: string[];
  /** The security groups of an instance, by its first interface. */
  groups?: string[];
  /** AWS makes and ends it together with something else, or never lets it go: nobody deletes it by itself. */
  managed?: string;
  /** With what it ends: its VPC (a default group), the instance that it is attached to. */
  endsWith?: string;
  /** Interfaces that AWS keeps for it and ends with it. */
  interfaces?: string[];
}

/** A kind of AWS resource, as far as this program finds and deletes such. */
export interface ResourceKind {
  kind: string;
  /** A fleet of ours makes such: `down` and `recover` look at these kinds alone. */
  madeByFleet?: true;
  /** All that match these filters, on all pages. What has ended is left out, although AWS shows it for a while. */
  list: (client: EC2Client, filters: Filter[]) => Promise<Listed[]>;
  /** How Describe is asked for one by its ID; absent: it cannot be asked so. */
  idFilter?: string;
  /** How Describe is asked for what lies in a VPC, each on its own; absent: it lies in none. */
  vpcFilters?: readonly string[];
  /** Deletes one. "Not found" is for the caller to take for done. */
  remove: (client: EC2Client, id: string) => Promise<unknown>;
  /** True when it is really gone; absent: an accepted deletion is all that anything has to wait for. */
  isGone?: (client: EC2Client, id: string) => Promise<boolean>;
}

/** How most kinds are asked for by their VPC, and gateways of every kind. */
export const VPC = "vpc-id";
export const ATTACHED_TO = "attachment.vpc-id";

/** The values of one filter; undefined: it is not asked for. */
export const valuesOf = (filters: readonly Filter[], name: string): string[] | undefined =>
  filters.find(({ Name }) => Name === name)?.Values;

export const listed = (
  id: string,
  detail: string | undefined,
  tags: readonly Tag[] | undefined,
  more: Omit<Listed, "id" | "detail" | "tags"> = {},
): Listed => ({ id, detail: detail ?? "", tags: tagRecord(tags), ...more });

/** Every VPC has one of these from its beginning to its end. */
export const ofItsVpc = (
  is: boolean | undefined,
  endsWith: string | undefined,
): Pick<Listed, "managed" | "endsWith"> => (is ? { managed: "goes with its VPC", endsWith } : {});

/** What is on all pages of an answer. @throws what AWS said */
export async function onAllPages<Page, Item>(
  pages: AsyncIterable<Page>,
  itemsOf: (page: Page) => Item[] | undefined,
): Promise<Item[]> {
  const all: Item[] = [];
  for await (const page of pages) all.push(...(itemsOf(page) ?? []));
  return all;
}
