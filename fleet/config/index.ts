import { parseCidr } from "./cidr";
import { readDocument } from "./document";
import type { ConfigDocument, ConfigPath } from "./document";
import { legacyAwsKeys } from "./legacy";
import { faultsOf, pathText } from "./messages";
import { badKeys, contradictions, isRecord, oddities, regionCounts, regionOf } from "./rules";
import { configSchema } from "./schema";
import type { CpuCredits, RawCheck, RawConfig } from "./schema";
import { SpotError } from "../errors";
import type { Location } from "../errors";
import type { Market } from "../model";
import type { MinHealthy } from "./min-healthy";

export { countsOf, MAX_NODES } from "./rules";
export { configKeys, imageNames } from "./schema";
export type { ConfigPath } from "./document";

/** The fleet that the user wants: config.yaml, checked, with every default filled in. */
export interface FleetConfig {
  /** Pulumi stack, `name` or `organisation/project/name`. Undefined: the program's default. */
  stack: string | undefined;
  /** URL of the state backend. Undefined: the environment's, else a file backend. */
  backend: string | undefined;
  /** The user that logs in on a node; it may use sudo. */
  username: string;
  /** `create`: a VPC of the fleet's own in each region; `default`: the region's default VPC; `vpc-…`: that one. */
  network: string;
  ssh: {
    /** Who may reach port 22: CIDR blocks in canonical form, and `auto` for the caller's own address. Never empty. */
    allow: string[];
    /** An EC2 key pair to install besides; it must exist in every region used. */
    keyName: string | undefined;
    /** Both or neither. Neither: a pair is made for the fleet. As written; `loadConfig` makes every path absolute. */
    privateKeyPath: string | undefined;
    publicKeyPath: string | undefined;
  };
  /** The user's own files. Undefined: `files` beside the configuration, if there is one. */
  filesDirectory: string | undefined;
  /** What replaces the content of instance/scripts. Undefined: nothing does. */
  scriptsDirectory: string | undefined;
  /** Which markets a node may come from, in this order. Never empty. */
  markets: Market[];
  /** USD per hour and node, for spot. Undefined: the on-demand price, which is AWS's own limit. */
  spotPriceLimit: number | undefined;
  /** A node that finds no place in its own region may go to another one of `regions`. */
  allowOtherRegions: boolean;
  /** With this many nodes well, a run in which others failed is a success: a number, or a percentage. Undefined: all. */
  minHealthy: MinHealthy | undefined;
  /** Size of the root volume, GiB. */
  storageGb: number;
  /** `standard`: a burstable node that has no credits left is slow; `unlimited`: it is fast, for a price. */
  cpuCredits: CpuCredits;
  /** Ids or names of existing security groups to attach besides the fleet's own. */
  securityGroups: string[];
  /** Name of an instance profile for the nodes. */
  instanceProfile: string | undefined;
  /** The user's tags, on everything that can carry tags. Never one of ours. */
  tags: Record<string, string>;
  /** Debian packages that cloud-init installs. */
  packages: string[];
  /** How many nodes a rolling replacement may take away at once: a number, or a percentage such as `25%`. */
  maxUnavailable: number | string;
  /** Undefined: no node runs Bacalhau. */
  bacalhau: BacalhauConfig | undefined;
  /** The user's own, in the file's order, each name once. */
  checks: OwnCheck[];
  /** In the file's order, each region once. One may have the count 0 (see `countsOf`). */
  regions: RegionConfig[];
}

export interface RegionConfig {
  /** One of `awsRegions`. */
  name: string;
  /** Types that will do, each `family.size`; the first is wanted most. Never empty. */
  machineTypes: readonly string[];
  /** One of `imageNames`, or an AMI id. */
  image: string;
  /** Nodes with their home here. */
  count: number;
}

/** A check of the user's own, run on every node. */
export interface OwnCheck {
  name: string;
  subject:
    | { kind: "command"; command: string; contains?: string }
    | { kind: "http"; url: string; status: number; contains?: string }
    | { kind: "tcp"; host: string; port: number }
    | { kind: "file"; path: string; contains?: string }
    | { kind: "service"; unit: string };
  /** For one attempt. */
  deadlineSeconds: number;
  /** For how long it is tried again until it holds; 0: once. */
  retrySeconds: number;
  severity: "fail" | "warn" | "info";
}

/** The Bacalhau compute node of every node. */
export interface BacalhauConfig {
  /** Without a leading v. */
  version: string;
  /** Where a node gets the program (or a tar archive with it): one of both. */
  program:
    | { binary: string; downloads?: undefined }
    | { binary?: undefined; downloads: Partial<Record<ProgramArchitecture, Download>> };
  /** `nats://host:port`. With none, a node runs and joins no cluster. */
  orchestrators: string[];
  /** The file whose text lets a node join. */
  tokenFile: string | undefined;
  labels: Record<string, string>;
  /** Paths of a node that jobs may mount, as Bacalhau writes them. */
  allowedPaths: string[];
  /** The orchestrator's HTTP API, without a slash at its end. Undefined: the cluster is never asked about a node. */
  api: string | undefined;
}

/** As Bacalhau's releases name them. */
export type ProgramArchitecture = "amd64" | "arm64";

export interface Download {
  url: string;
  /** Of the file as it is downloaded; lower-case hex. */
  sha256: string;
}

/** Something about the configuration that works, but probably not as it was meant. */
export interface ConfigProblem {
  message: string;
  location: Location;
}

/** From a path in the file's own terms (`["regions", 0, "us-west-2", "image"]`) to its line and column. */
export type Locate = (path: ConfigPath) => Location;

export type ParsedConfig =
  | { config: FleetConfig; warnings: ConfigProblem[]; locate: Locate; problems?: undefined }
  /** Each problem is E_CONFIG_SYNTAX or E_CONFIG_INVALID, has a location, and they stand in the file's order. */
  | { config: undefined; warnings: ConfigProblem[]; problems: SpotError[] };

/**
 * Reads config.yaml. Never throws: every problem of the file is found at once, each with its line and column.
 * `file` is the name that locations carry. Paths stay as written.
 */
export function parseConfig(text: string, file: string): ParsedConfig {
  const doc = readDocument(text, file);
  const problem = (code: "E_CONFIG_SYNTAX" | "E_CONFIG_INVALID", found: ConfigProblem): SpotError =>
    new SpotError(code, found);
  const failed = (problems: SpotError[], warnings: ConfigProblem[] = []): ParsedConfig => ({
    config: undefined,
    warnings,
    problems: problems.sort((a, b) => byPlace(a.location as Location, b.location as Location)),
  });
  if (doc.syntax.length > 0)
    return failed([...doc.syntax, ...doc.duplicateKeys].map((found) => problem("E_CONFIG_SYNTAX", found)));
  if (doc.value === null) {
    return failed([
      problem("E_CONFIG_INVALID", {
        message: "the file is empty: it needs at least `regions:`",
        location: doc.locate([]),
      }),
    ]);
  }

  const warnings: ConfigProblem[] = [];
  const data = withoutLegacyKeys(doc, warnings);
  const checked = configSchema.safeParse(data);
  const faults = badKeys(data);
  // What stands under a bad key by itself is not worth a second sentence (a setting indented like its region).
  const named = new Set(faults.map(({ path }) => path.join("\n")));
  if (!checked.success)
    faults.push(...faultsOf(checked.error.issues, data).filter(({ path }) => !named.has(path.join("\n"))));
  // Sums and contradictions mean nothing before each value is right.
  if (checked.success && faults.length === 0) faults.push(...contradictions(checked.data));
  const problems = [
    ...doc.duplicateKeys.map((found) => problem("E_CONFIG_SYNTAX", found)),
    ...faults.map(({ path, part, message }) =>
      problem("E_CONFIG_INVALID", { message, location: doc.locate(path, part) }),
    ),
  ];
  if (problems.length > 0 || !checked.success) return failed(problems, warnings);

  const config = normalise(checked.data);
  for (const { path, part, message } of oddities(checked.data))
    warnings.push({ message, location: doc.locate(path, part) });
  return {
    config,
    warnings: warnings.sort((a, b) => byPlace(a.location, b.location)),
    locate: (path) => doc.locate(path),
  };
}

/** The data without the predecessor's keys that do nothing here; a warning for each. */
function withoutLegacyKeys(doc: ConfigDocument, warnings: ConfigProblem[]): unknown {
  if (!isRecord(doc.value) || !isRecord(doc.value.aws)) return doc.value;
  const kept = Object.entries(doc.value.aws).filter(([key]) => {
    const instead = Object.hasOwn(legacyAwsKeys, key) ? legacyAwsKeys[key] : undefined;
    if (instead === undefined) return true;
    const path = ["aws", key];
    warnings.push({
      message: `${pathText(path)} has no effect: ${instead}`,
      location: doc.locate(path, "key"),
    });
    return false;
  });
  return { ...doc.value, aws: Object.fromEntries(kept) };
}

function normalise(raw: RawConfig): FleetConfig {
  const aws = raw.aws ?? {};
  const counts = regionCounts(raw);
  const securityGroups = unique(aws.security_groups ?? []);
  return {
    stack: raw.stack,
    backend: raw.backend,
    username: aws.username ?? "ubuntu",
    // An existing group belongs to an existing VPC: with groups, that is what an old file means.
    network: raw.network ?? (securityGroups.length > 0 ? "default" : "create"),
    ssh: {
      allow: unique((raw.ssh?.allow ?? ["auto"]).map(canonicalCidr)),
      keyName: aws.ssh_key_name,
      // OpenSSH's own custom: the public key stands beside the private one.
      privateKeyPath: aws.private_ssh_key_path ?? aws.public_ssh_key_path?.replace(/\.pub$/, ""),
      publicKeyPath: aws.public_ssh_key_path ?? (aws.private_ssh_key_path && `${aws.private_ssh_key_path}.pub`),
    },
    filesDirectory: aws.files_directory,
    scriptsDirectory: aws.scripts_directory,
    markets: [...marketsOf[raw.market ?? "spot"]],
    spotPriceLimit: raw.max_price ?? aws.spot_price_limit,
    allowOtherRegions: raw.allow_other_regions ?? false,
    minHealthy: raw.min_healthy,
    storageGb: aws.instance_storage_gb ?? 20,
    cpuCredits: aws.cpu_credits ?? "standard",
    securityGroups,
    instanceProfile: aws.iam_instance_profile,
    tags: aws.tags ?? {},
    packages: unique(raw.packages ?? []),
    maxUnavailable: raw.max_unavailable ?? "25%",
    bacalhau: bacalhauOf(raw.bacalhau),
    checks: (raw.checks ?? []).map(ownCheckOf),
    regions: raw.regions.map((entry, i) => {
      const [name, settings] = regionOf(entry);
      return {
        name,
        machineTypes: unique([settings.machine_type ?? "t3.medium"].flat()),
        image: settings.image ?? "auto",
        count: counts[i] as number,
      };
    }),
  };
}

/** `contradictions` has seen to it that an enabled one has a version and a program. */
function bacalhauOf(raw: RawConfig["bacalhau"]): BacalhauConfig | undefined {
  if (raw?.version === undefined || raw.enabled === false) return undefined;
  const downloads = Object.entries(raw.download ?? {}).map(
    ([name, { url, sha256 }]) => [name, { url, sha256: sha256.toLowerCase() }] as const,
  );
  return {
    version: raw.version.replace(/^v/, ""),
    program: raw.binary === undefined ? { downloads: Object.fromEntries(downloads) } : { binary: raw.binary },
    orchestrators: unique(raw.orchestrators ?? []),
    tokenFile: raw.token_file,
    labels: raw.labels ?? {},
    allowedPaths: unique(raw.allowed_paths ?? []),
    api: raw.api?.replace(/\/$/, ""),
  };
}

function ownCheckOf(raw: RawCheck): OwnCheck {
  return {
    name: raw.name,
    subject: subjectOf(raw),
    deadlineSeconds: raw.deadline ?? 10,
    retrySeconds: raw.retry ?? 0,
    severity: raw.severity ?? "fail",
  };
}

/** `contradictions` has seen to it that there is exactly one. */
function subjectOf({ command, http, tcp, file, service, contains, status }: RawCheck): OwnCheck["subject"] {
  const text = contains === undefined ? {} : { contains };
  if (command !== undefined) return { kind: "command", command, ...text };
  if (http !== undefined) return { kind: "http", url: http, status: status ?? 200, ...text };
  if (file !== undefined) return { kind: "file", path: file, ...text };
  if (service !== undefined) return { kind: "service", unit: service };
  const [host = "", port = ""] = tcp?.split(":") ?? [];
  return { kind: "tcp", host, port: Number(port) };
}

const marketsOf: Record<NonNullable<RawConfig["market"]>, readonly Market[]> = {
  spot: ["spot"],
  "on-demand": ["on-demand"],
  "spot-then-on-demand": ["spot", "on-demand"],
};

function canonicalCidr(text: string): string {
  const result = parseCidr(text);
  return "cidr" in result ? result.cidr : text;
}

const unique = (values: string[]): string[] => [...new Set(values)];
const byPlace = (a: Location, b: Location): number => a.line - b.line || a.column - b.column;
