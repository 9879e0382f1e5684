import { awsRegionNames, isAwsRegion } from "../aws/regions";
import { MANAGED_BY, Tag } from "../model";
import { enoughNodes } from "./min-healthy";
import { didYouMean } from "../text/suggest";
import { pluralize } from "../text/words";
import { parseCidr } from "./cidr";
import type { ConfigPath } from "./document";
import { pathText } from "./messages";
import type { Fault } from "./messages";
import { configKeys } from "./schema";
import type { RawCheck, RawConfig, RawRegion } from "./schema";

/** The rules that the schema cannot hold: names of regions and tags, and what concerns several values together. */

/** One `up` is one engine run with a resource per node; beyond this it takes minutes and memory. */
export const MAX_NODES = 1000;

/**
 * How many nodes each region gets, in the order given. A region's own number counts first. `total` is the whole fleet:
 * what is left of it after the own numbers (never below 0) is spread evenly over the other regions, and the remainder
 * goes one each to the first of them. Without a total, each region without a number of its own gets one node.
 */
export function countsOf(total: number | undefined, own: readonly (number | undefined)[]): number[] {
  const open = own.filter((count) => count === undefined).length;
  const given = own.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  const left = total === undefined ? open : Math.max(0, total - given);
  let position = 0;
  return own.map((count) => count ?? Math.floor(left / open) + (position++ < left % open ? 1 : 0));
}

/** Keys of the user's own choice: regions' names and tags'. Looked at in the bare data, whatever else is wrong there. */
export function badKeys(data: unknown): Fault[] {
  const top = isRecord(data) ? data : {};
  const regions: unknown[] = Array.isArray(top.regions) ? top.regions : [];
  const tags = isRecord(top.aws) && isRecord(top.aws.tags) ? top.aws.tags : {};

  const seen = new Set<string>();
  const ofRegions = regions.flatMap((entry, i) => {
    if (!isRecord(entry)) return [];
    const names = Object.keys(entry);
    const faults = names.flatMap((name) => {
      const message = regionProblem(name, seen);
      seen.add(name);
      return message === undefined ? [] : [keyFault(["regions", i, name], message)];
    });
    // Two good regions behind one dash; or none at all. A setting among them has been named already.
    return faults.length > 0 || names.length === 1
      ? faults
      : [keyFault(["regions", i], `holds ${names.length} regions; begin each with a dash of its own`)];
  });
  const ofTags = Object.keys(tags).flatMap((key) => {
    const message = tagKeyProblem(key);
    return message === undefined ? [] : [keyFault(["aws", "tags", key], message)];
  });
  return [...ofRegions, ...ofTags];
}

const keyFault = (path: ConfigPath, message: string): Fault => ({
  path,
  part: "key",
  message: `${pathText(path)} ${message}`,
});

function regionProblem(name: string, seen: ReadonlySet<string>): string | undefined {
  if (seen.has(name)) return "stands twice; give the region once, with instances_per_region";
  if (isAwsRegion(name)) return undefined;
  if ((configKeys.region as readonly string[]).includes(name))
    return "is a setting of a region; indent it further than the region's name";
  if (!/^[a-z]{2}(-[a-z]+)+-\d+$/.test(name))
    return `is not a region's name such as us-west-2${didYouMean(name, awsRegionNames)}`;
  if (/^(cn|us-gov)-/.test(name)) return "is in another partition of AWS (GovCloud, China), which is not supported";
  return `is not a region of AWS${didYouMean(name, awsRegionNames)}`;
}

function tagKeyProblem(key: string): string | undefined {
  if (key.length === 0 || key.length > 128) return "must have 1 to 128 characters";
  if (/^aws:/i.test(key)) return "begins with aws:, which AWS keeps for itself";
  if (key.startsWith(`${MANAGED_BY}:`) || key === Tag.managedBy)
    return "is kept for this program, which knows its own resources by it";
  return undefined;
}

/** Values that are good alone but cannot work together. */
export function contradictions(raw: RawConfig): Fault[] {
  const faults: Fault[] = [];
  const nodes = nodeCount(raw);
  if (nodes > MAX_NODES) {
    const path = (raw.aws?.total_instances ?? 0) > MAX_NODES ? ["aws", "total_instances"] : ["regions"];
    faults.push({
      path,
      part: "value",
      message: `the fleet would have ${nodes} nodes; the most that one stack can hold is ${MAX_NODES}`,
    });
  }
  if (raw.network?.startsWith("vpc-") && raw.regions.length > 1) {
    faults.push({
      path: ["network"],
      part: "value",
      message: `network: a VPC lies in one region, but there are ${raw.regions.length}; use create or default, or keep one region`,
    });
  }
  if (raw.network === "create" && raw.aws?.security_groups?.length) {
    faults.push({
      path: ["aws", "security_groups"],
      part: "key",
      message:
        "aws.security_groups: an existing group cannot be used in a network made new (network: create); use default or vpc-…",
    });
  }
  if (raw.max_price !== undefined && raw.aws?.spot_price_limit !== undefined) {
    faults.push({
      path: ["aws", "spot_price_limit"],
      part: "key",
      message: "aws.spot_price_limit is the older name of max_price; keep one",
    });
  }
  if (raw.min_healthy !== undefined && enoughNodes(raw.min_healthy, nodes) > nodes) {
    faults.push({
      path: ["min_healthy"],
      part: "value",
      message: `min_healthy is ${raw.min_healthy}, but the fleet has ${pluralize(nodes, "node")}; give a number up to ${nodes}, or a percentage`,
    });
  }
  const { private_ssh_key_path: privateKey, public_ssh_key_path: publicKey } = raw.aws ?? {};
  if (publicKey !== undefined && privateKey === undefined && !publicKey.endsWith(".pub")) {
    faults.push({
      path: ["aws", "public_ssh_key_path"],
      part: "value",
      message: "aws.private_ssh_key_path is missing: the private key that belongs to aws.public_ssh_key_path",
    });
  }
  return [...faults, ...bacalhauFaults(raw.bacalhau), ...checkFaults(raw.checks ?? [])];
}

/** What a check of the user's own can look at, and what may be asked of it besides. */
const SUBJECTS = {
  command: ["contains"],
  http: ["contains", "status"],
  tcp: [],
  file: ["contains"],
  service: [],
} as const satisfies Record<string, readonly (keyof RawCheck)[]>;

function checkFaults(checks: readonly RawCheck[]): Fault[] {
  const kinds = Object.keys(SUBJECTS) as (keyof typeof SUBJECTS)[];
  return checks.flatMap((check, i): Fault[] => {
    const subjects = kinds.filter((kind) => check[kind] !== undefined);
    const fault = (key: string | undefined, message: string): Fault => ({
      path: ["checks", i, ...(key === undefined ? [] : [key])],
      part: "key",
      message: `checks[${i + 1}] ${message}`,
    });
    const [subject] = subjects;
    if (subject === undefined || subjects.length > 1) {
      return [
        fault(
          subjects[1],
          subject === undefined
            ? `looks at nothing: it needs one of ${kinds.join(", ")}`
            : `looks at ${subjects.join(" and ")}; one check has one of them`,
        ),
      ];
    }
    const allowed: readonly string[] = SUBJECTS[subject];
    const misplaced = (["contains", "status"] as const).filter(
      (key) => check[key] !== undefined && !allowed.includes(key),
    );
    const twice = checks.findIndex(({ name }) => name === check.name) < i;
    return [
      ...misplaced.map((key) => fault(key, `has ${key}, which means nothing for ${subject}`)),
      ...(twice ? [fault("name", `has the name of an earlier one: ${check.name}`)] : []),
    ];
  });
}

/** What an enabled Bacalhau cannot do without. */
function bacalhauFaults(bacalhau: RawConfig["bacalhau"]): Fault[] {
  if (bacalhau === undefined || bacalhau.enabled === false) return [];
  const fault = (key: string, message: string): Fault => ({ path: ["bacalhau", key], part: "key", message });
  const sources = [bacalhau.binary, ...Object.values(bacalhau.download ?? {})].filter((source) => source !== undefined);
  return [
    ...(bacalhau.version === undefined
      ? [fault("version", 'bacalhau.version is missing: it must be a version such as "1.6.0"')]
      : []),
    ...(sources.length === 0
      ? [
          fault(
            "download",
            "bacalhau.download is missing: name a url with its sha256 for each architecture of the fleet, or a binary",
          ),
        ]
      : []),
    ...(bacalhau.binary !== undefined && sources.length > 1
      ? [fault("binary", "bacalhau.binary and bacalhau.download exclude each other; keep one")]
      : []),
  ];
}

/** What is allowed and yet seldom meant. */
export function oddities(raw: RawConfig): Fault[] {
  const found: Fault[] = [];
  const total = raw.aws?.total_instances;
  const warn = (path: ConfigPath, message: string): void => void found.push({ path, part: "value", message });

  if (raw.market === "on-demand" && (raw.max_price ?? raw.aws?.spot_price_limit) !== undefined) {
    warn(
      raw.max_price === undefined ? ["aws", "spot_price_limit"] : ["max_price"],
      "the price limit is for spot instances; with market: on-demand it does nothing",
    );
  }
  if (raw.allow_other_regions && raw.regions.length === 1)
    warn(["allow_other_regions"], "allow_other_regions does nothing: there is one region");
  const counts = regionCounts(raw);
  const without = raw.regions.filter((_, i) => counts[i] === 0).map((entry) => regionOf(entry)[0]);
  if (without.length > 0)
    warn(
      ["aws", "total_instances"],
      `no node is left for ${without.join(", ")}: aws.total_instances is ${total ?? "unset"}`,
    );
  if (total !== undefined && total !== nodeCount(raw)) {
    warn(
      ["aws", "total_instances"],
      `aws.total_instances is ${total}, but the regions' own numbers make ${pluralize(nodeCount(raw), "node")}`,
    );
  }
  if (raw.bacalhau && raw.bacalhau.enabled !== false && !raw.bacalhau.orchestrators?.length) {
    warn(["bacalhau"], "bacalhau.orchestrators names none: the nodes run Bacalhau and join no cluster");
  }
  for (const [i, text] of (raw.ssh?.allow ?? []).entries()) {
    const result = parseCidr(text);
    if ("cidr" in result && result.cidr.endsWith("/0"))
      warn(["ssh", "allow", i], `ssh.allow: ${text} lets the whole internet try to log in`);
  }
  return found;
}

/** `badKeys` has seen to it that there is exactly one. */
export const regionOf = (entry: RawConfig["regions"][number]): [string, RawRegion] =>
  Object.entries(entry)[0] as [string, RawRegion];

export const regionCounts = (raw: RawConfig): number[] =>
  countsOf(
    raw.aws?.total_instances,
    raw.regions.map((entry) => regionOf(entry)[1].instances_per_region),
  );

const nodeCount = (raw: RawConfig): number => regionCounts(raw).reduce((sum, count) => sum + count, 0);

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
