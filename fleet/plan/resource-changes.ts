import { cidrOfSshRule } from "../aws/network";
import { AwsType, isOfAws } from "../aws/resource-types";
import { isWithin } from "../config/cidr";

/** What the engine says it would do to a resource. */
export interface PlannedStep {
  urn: string;
  type: string;
  /** The resource's logical name. */
  name: string;
  /** The engine's word for it: `create`, `update`, `create-replacement`, `delete-replaced`, `delete`, `same`. */
  op: string;
  inputs: Record<string, unknown>;
  /** Absent for what is new. */
  before?: Record<string, unknown>;
  keys: readonly string[];
}

export type ChangeKind = "create" | "update" | "replace" | "delete";

/** What happens to one thing in the cloud. */
export interface ResourceChange {
  urn: string;
  /** As Pulumi names it: `aws:ec2/vpc:Vpc`. */
  type: string;
  name: string;
  region?: string;
  kind: ChangeKind;
  /** Paths of the properties that change: `tags.team`. */
  properties: string[];
  /** Why, where it is not the configuration's doing. */
  reason?: string;
  /** Addresses that could not log in before, as a CIDR block. */
  opens?: string;
}

/** What is known of changes that the configuration does not explain, by URN: why, and of which properties. */
export type Explanations = ReadonlyMap<string, { reason: string; properties: readonly string[] }>;

/** Replacing is two steps of which the engine tells the second only for some resources: the first decides. */
const KINDS: Record<string, ChangeKind> = {
  create: "create",
  update: "update",
  "create-replacement": "replace",
  delete: "delete",
};

/** The kind of a step; undefined for one that changes nothing, or that is the other half of a replacement. */
export function kindOf({ op }: Pick<PlannedStep, "op">): ChangeKind | undefined {
  return KINDS[op];
}

/**
 * Everything that would happen in the cloud, by URN; components and providers exist in the record alone.
 * @param why for what was done outside
 * @param agreed by region: blocks that were agreed to before, although their rules are not there now
 */
export function resourceChanges(
  steps: readonly PlannedStep[],
  why: Explanations = new Map(),
  agreed: ReadonlyMap<string, readonly string[]> = new Map(),
): ResourceChange[] {
  const admitted = admittedBefore(steps, agreed);
  // The engine tells of its steps as they come, which is another order each time.
  const sorted = [...steps].sort((a, b) => (a.urn < b.urn ? -1 : 1));
  return sorted.flatMap((step): ResourceChange[] => {
    const kind = kindOf(step);
    if (kind === undefined || !isOfAws(step.type)) return [];
    const { urn, type, name, inputs, before } = step;
    const region = textOf(inputs.region) ?? textOf(before?.region);
    const opens = kind === "delete" ? undefined : opening(step, admitted);
    const outside = why.get(urn);
    const properties = kind === "update" || kind === "replace" ? changedProperties(step) : [];
    return [
      {
        urn,
        type,
        name,
        ...(region === undefined ? {} : { region }),
        kind,
        properties: kind === "create" ? [] : [...new Set([...properties, ...(outside?.properties ?? [])])].sort(),
        ...(outside === undefined ? {} : { reason: outside.reason }),
        ...(opens === undefined ? {} : { opens }),
      },
    ];
  });
}

/** The official provider names each tag a second time, as one of all that the resource has. */
const MIRRORED = /^tagsAll(?:\.|$)/;

/** The paths at which a resource's inputs differ; what is secret shows only where the provider names it. */
export function changedProperties({ before = {}, inputs, keys }: PlannedStep): string[] {
  const seen = differences(before, inputs, "");
  // What the provider names on its own: a secret, or something that it compares with the cloud and not with the inputs.
  const named = keys.filter(
    (key) => !MIRRORED.test(key) && !seen.some((path) => path === key || path.startsWith(`${key}.`)),
  );
  return [...seen, ...named].sort();
}

/** Objects are looked into: a tag is a property of its own. Lists are compared whole. */
function differences(before: unknown, after: unknown, path: string): string[] {
  if (isRecord(before) && isRecord(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) => differences(before[key], after[key], path === "" ? key : `${path}.${key}`));
  }
  return JSON.stringify(before) === JSON.stringify(after) ? [] : [path];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * By region: the blocks that rules of ours admit now, or were agreed to. A region without a group of ours has no nodes
 * that could be reached.
 */
function admittedBefore(
  steps: readonly PlannedStep[],
  agreed: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, readonly string[]> {
  const admitted = new Map<string, string[]>();
  for (const { type, name, before } of steps) {
    const region = textOf(before?.region);
    if (region === undefined || (type !== AwsType.securityGroup && type !== AwsType.ingressRule)) continue;
    // What was agreed to is in a rule's name: what it admits may have been changed outside.
    const cidr = type === AwsType.ingressRule ? (cidrOfSshRule(name) ?? cidrOf(before)) : undefined;
    admitted.set(region, [
      ...(admitted.get(region) ?? agreed.get(region) ?? []),
      ...(cidr === undefined ? [] : [cidr]),
    ]);
  }
  return admitted;
}

/** The block that a rule would admit beyond those that are admitted already. */
function opening({ type, inputs }: PlannedStep, admitted: ReadonlyMap<string, readonly string[]>): string | undefined {
  const cidr = type === AwsType.ingressRule ? cidrOf(inputs) : undefined;
  const known = admitted.get(textOf(inputs.region) ?? "");
  if (cidr === undefined || known === undefined) return undefined;
  return known.some((block) => isWithin(cidr, block)) ? undefined : cidr;
}

function cidrOf(inputs: Record<string, unknown> | undefined): string | undefined {
  return textOf(inputs?.cidrIpv4) ?? textOf(inputs?.cidrIpv6);
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/**
 * The changes as lines for a person, alike ones together: `update 4 Subnets and 1 Vpc in us-west-2 (tags.team)`. A rule
 * that lets more addresses in has a line of its own.
 */
export function resourceLines(changes: readonly ResourceChange[]): string[] {
  const groups = new Map<string, ResourceChange[]>();
  for (const change of changes) {
    const { kind, region = "", properties, reason = "", opens = "" } = change;
    const key = [kind, region, properties.join(), reason, opens].join(" ");
    groups.set(key, [...(groups.get(key) ?? []), change]);
  }
  return [...groups.values()].map((group) => {
    const [{ kind, region, properties, reason, opens }] = group as [ResourceChange, ...ResourceChange[]];
    const counts = new Map<string, number>();
    for (const { type } of group) counts.set(shortType(type), (counts.get(shortType(type)) ?? 0) + 1);
    const what = [...counts].map(([type, count]) => (count === 1 ? type : `${count} ${type}s`));
    const where = region === undefined ? "" : ` in ${region}`;
    const which = properties.length === 0 ? "" : ` (${properties.join(", ")})`;
    const meaning = opens === undefined ? "" : `: lets ${opens} log in`;
    const why = reason === undefined ? "" : `: ${reason}`;
    return `${kind} ${listed(what)}${where}${which}${meaning}${why}`;
  });
}

/** `Vpc` of `aws:ec2/vpc:Vpc`. */
export function shortType(type: string): string {
  return type.slice(type.lastIndexOf(":") + 1);
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;
}
