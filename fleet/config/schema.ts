import { z } from "zod";
import { STACK_NAME, Tag } from "../model";
import { didYouMean, nearest } from "../text/suggest";
import { BACKEND_FORMS, BACKEND_URL } from "./backend";
import { parseCidr } from "./cidr";

/**
 * The shape of config.yaml. A message of a plain rule is what the value must be ("a whole number, 1 or more"); a custom
 * one is a predicate ("has no prefix length"). messages.ts makes sentences of both.
 */

/** EC2: 50 tags per resource; six are ours (Tag, and Name). */
const MAX_TAGS = 50 - Object.keys(Tag).length - 1;

/** Text that `judge` accepts: it answers with a predicate that says what is wrong, or nothing. */
function text(requirement: string, judge?: (value: string) => string | undefined) {
  return z
    .string(requirement)
    .min(1, requirement)
    .superRefine((value, context) => {
      const fault = judge?.(value);
      if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
    });
}

const matching = (pattern: RegExp, requirement: string) => z.string(requirement).regex(pattern, requirement);

const wholeNumber = (min: number, max: number, requirement: string) =>
  z.int(requirement).min(min, requirement).max(max, requirement);

/** A list or map whose entries are all commented out is null in YAML; it means an empty one. */
const orEmpty = <T extends z.ZodType>(schema: T) => z.preprocess((value) => value ?? undefined, schema.optional());

const count = wholeNumber(1, Number.MAX_SAFE_INTEGER, "a whole number, 1 or more");

const filePath = text("a path", (value) =>
  /^~[^/]/.test(value) ? "names another user's home; only ~/ for your own is understood" : undefined,
);

const TYPES = "an instance type such as t3.medium, or a list of them";

/** DescribeInstanceTypes, 2026: c7i-flex.large, u-6tb1.56xlarge, p6e-gb200.36xlarge, m7i.metal-24xl, mac2-m2.metal. */
const machineType = text("an instance type such as t3.medium", (value) =>
  /^[a-z][a-z0-9]*(-[a-z0-9]+)*\.(nano|micro|small|medium|large|\d*xlarge|metal(-\d+xl)?)$/.test(value)
    ? undefined
    : `is not an instance type of the form family.size, such as t3.medium${typeGuess(value)}`,
);

const SIZES = [
  "nano",
  "micro",
  "small",
  "medium",
  "large",
  "xlarge",
  "2xlarge",
  "4xlarge",
  "8xlarge",
  "12xlarge",
  "16xlarge",
  "24xlarge",
  "metal",
];

/** What a mistyped machine type may have been meant to be: its family with the size that it ends in, or the nearest. */
function typeGuess(value: string): string {
  const given = value.toLowerCase();
  const exact = SIZES.filter((size) => given.endsWith(size)).sort((a, b) => b.length - a.length)[0];
  const [, family = "", rest = ""] = exact
    ? [given, given.slice(0, -exact.length), exact]
    : (/^([a-z0-9-]+?)[\s._-]+([a-z0-9]+)$/.exec(given) ?? []);
  const size = exact ?? nearest(rest, SIZES);
  const bare = family.replace(/[\s._-]+$/, "");
  return size && /^[a-z]+\d+[a-z]*(-[a-z0-9]+)*$/.test(bare) ? ` (did you mean ${bare}.${size}?)` : "";
}

const machineTypes = z.union([machineType, z.array(machineType, TYPES).min(1, TYPES)], TYPES);

/** Images by name; what each stands for in a region is looked up in AWS. */
export const imageNames = ["auto", "ubuntu-22.04", "ubuntu-24.04", "debian-12"] as const;

const image = text(`${imageNames.join(", ")} or an AMI id`, (value) => {
  if ((imageNames as readonly string[]).includes(value) || /^ami-[0-9a-f]+$/.test(value)) return undefined;
  if (value.startsWith("ami-")) return "is not an AMI id: ami- and digits of 0-9 a-f";
  return `is not one of ${imageNames.join(", ")}, nor an AMI id${didYouMean(value, imageNames)}`;
});

const cidr = text("auto or a CIDR block", (value) => {
  const result = parseCidr(value);
  return value === "auto" || "cidr" in result ? undefined : result.problem;
});

const tagValue = z.string("text: put it in quotes").max(256, "text of at most 256 characters");

const instanceProfile = text("the name of an instance profile", (value) => {
  if (/^arn:/.test(value)) return `is an ARN; give the name alone: ${value.slice(value.lastIndexOf("/") + 1)}`;
  return /^[\w+=,.@-]{1,128}$/.test(value) ? undefined : "is not a name that IAM allows";
});

const username = text("a user's name", (value) => {
  if (value === "root")
    return "cannot be root: cloud images refuse its logins; use ubuntu, admin or a name of your own";
  return /^[a-z_][a-z0-9_-]{0,31}$/.test(value)
    ? undefined
    : "is not a user name: lower-case letters, digits, - and _, at most 32";
});

const securityGroup = text("a security group's id or name", (value) =>
  value.startsWith("sg-") && !/^sg-[0-9a-f]+$/.test(value)
    ? "is not a security group's id: sg- and digits of 0-9 a-f"
    : undefined,
);

const network = text("create, default or a VPC's id", (value) =>
  /^(create|default|vpc-[0-9a-f]+)$/.test(value)
    ? undefined
    : `is not create, default or a VPC's id${didYouMean(value, ["create", "default"])}`,
);

/** Pulumi: a name, or with the organisation and project before it. */
const stack = matching(
  STACK_NAME,
  "a stack's name: letters, digits, - _ . and at most organisation/project/ before it",
);

const backend = matching(BACKEND_URL, BACKEND_FORMS);

/** Debian policy 5.6.1. */
const packageName = matching(/^[a-z0-9][a-z0-9+.-]+$/, "the name of a Debian package");

const SHARE = "a whole number, 1 or more, or a percentage such as 25%";
const share = z.union([wholeNumber(1, Number.MAX_SAFE_INTEGER, SHARE), matching(/^([1-9]\d?|100)%$/, SHARE)], SHARE);

/** Which markets a node may come from, in order. */
export const marketNames = ["spot", "on-demand", "spot-then-on-demand"] as const;

const regionSettings = z.strictObject(
  {
    machine_type: machineTypes.optional(),
    image: image.optional(),
    instances_per_region: count.optional(),
  },
  "a map of settings",
);

const PRICE = "a price in USD per hour, 0.0001 or more";
// Below any spot price that AWS ever asked; and a number so small would be written with an exponent.
const price = z.number(PRICE).min(0.0001, PRICE);

/** How a burstable instance pays for more than its baseline. */
export const cpuCreditNames = ["standard", "unlimited"] as const;
export type CpuCredits = (typeof cpuCreditNames)[number];

const aws = z.strictObject(
  {
    total_instances: count.optional(),
    username: username.optional(),
    ssh_key_name: text("the name of an EC2 key pair").optional(),
    private_ssh_key_path: filePath.optional(),
    public_ssh_key_path: filePath.optional(),
    files_directory: filePath.optional(),
    scripts_directory: filePath.optional(),
    spot_price_limit: price.optional(),
    // The images have 8 GiB (or less) of content; a gp3 volume ends at 16 TiB in most regions.
    instance_storage_gb: wholeNumber(8, 16_384, "a whole number of GiB from 8 to 16384").optional(),
    cpu_credits: z.enum(cpuCreditNames, cpuCreditNames.join(", ")).optional(),
    security_groups: orEmpty(z.array(securityGroup, "a list")),
    iam_instance_profile: instanceProfile.optional(),
    tags: orEmpty(
      z.record(z.string(), tagValue, "a map of texts").superRefine((tags, context) => {
        const given = Object.keys(tags).length;
        if (given > MAX_TAGS)
          context.addIssue({ code: "custom", message: `holds ${given} tags; EC2 leaves room for ${MAX_TAGS}` });
      }),
    ),
  },
  "a map of settings",
);

const ssh = z.strictObject(
  {
    allow: orEmpty(z.array(cidr, "a list").min(1, "a list of at least one entry: without SSH nothing can be set up")),
  },
  "a map of settings",
);

const REGIONS = "a list of regions, one or more, each with its settings (- us-west-2: {machine_type: t3.medium})";

/** Bacalhau's releases are named after Go's architectures. */
const downloadOf = z.strictObject(
  {
    url: matching(/^https?:\/\/[^\s/]+\/\S*$/, "an http:// or https:// URL"),
    sha256: matching(/^[0-9a-fA-F]{64}$/, "a sha256 of 64 hexadecimal digits"),
  },
  "a map with url and sha256",
);

const download = z.strictObject(
  { amd64: downloadOf.optional(), arm64: downloadOf.optional() },
  "a map of architectures",
);

const bacalhau = z.strictObject(
  {
    enabled: z.boolean("true or false").optional(),
    version: matching(/^v?\d+\.\d+\.\d+([.+-][\w.+-]+)?$/, 'a version such as "1.6.0"').optional(),
    download: orEmpty(download),
    binary: filePath.optional(),
    orchestrators: orEmpty(
      z.array(matching(/^nats:\/\/[^\s/:@]+:\d{1,5}$/, "an address such as nats://host:4222"), "a list"),
    ),
    token_file: filePath.optional(),
    labels: orEmpty(z.record(z.string(), z.string("text: put it in quotes"), "a map of texts")),
    allowed_paths: orEmpty(z.array(matching(/^\/.*$/, "an absolute path"), "a list")),
    api: matching(/^https?:\/\/[^\s/]+\/?$/, "an address such as http://host:1234").optional(),
  },
  "a map of settings",
);

const SECONDS = "a whole number of seconds, 1 to 3600";
const seconds = wholeNumber(1, 3600, SECONDS);

/** A check of the user's own. That it has exactly one subject is a rule (rules.ts). */
const ownCheck = z.strictObject(
  {
    name: matching(/^[a-z0-9]+(-[a-z0-9]+)*$/, "a name of small letters, digits and single dashes"),
    command: text("a command for the node's shell").optional(),
    http: matching(/^https?:\/\/[^\s/]+(\/\S*)?$/, "an address such as http://127.0.0.1:8080/health").optional(),
    tcp: matching(/^[^\s/:@]+:\d{1,5}$/, "host:port").optional(),
    file: matching(/^\/.*$/, "an absolute path").optional(),
    service: matching(
      /^[\w@.-]+\.(service|timer|socket|mount|path)$/,
      "the name of a unit such as mine.service",
    ).optional(),
    contains: text("the text that must be there").optional(),
    status: wholeNumber(100, 599, "a status of HTTP, 100 to 599").optional(),
    deadline: seconds.optional(),
    retry: seconds.optional(),
    severity: z.enum(["fail", "warn", "info"], "fail, warn or info").optional(),
  },
  "a map of settings",
);

/** A map with exactly one key (rules.ts): the predecessor's form, which keeps the order of the regions. */
const region = z.record(
  z.string(),
  z.preprocess((value) => value ?? {}, regionSettings),
  "a region with its settings (us-west-2: {machine_type: t3.medium})",
);

/** What the keys of maps are called is not judged here but in rules.ts: the schema would skip the values of a bad one. */
const root = z.strictObject(
  {
    stack: stack.optional(),
    backend: backend.optional(),
    network: network.optional(),
    ssh: orEmpty(ssh),
    packages: orEmpty(z.array(packageName, "a list")),
    max_unavailable: share.optional(),
    market: z.enum(marketNames, marketNames.join(", ")).optional(),
    max_price: price.optional(),
    allow_other_regions: z.boolean("true or false").optional(),
    min_healthy: share.optional(),
    bacalhau: orEmpty(bacalhau),
    checks: orEmpty(z.array(ownCheck, "a list of checks")),
    aws: orEmpty(aws),
    regions: z.array(region, REGIONS).min(1, REGIONS),
  },
  "a map of settings",
);

/** What config.yaml says, checked value by value, before rules that concern several of them. */
export type RawConfig = z.output<typeof root>;
export type RawRegion = z.output<typeof regionSettings>;
export type RawCheck = z.output<typeof ownCheck>;

export const configSchema = root;

/**
 * Every key there is, by the section that it stands in. `region` is the settings of one region, "" the top level,
 * `program` what stands under an architecture of `bacalhau.download`, `checks` an entry of that list.
 */
export const configKeys = {
  "": Object.keys(root.shape),
  aws: Object.keys(aws.shape),
  ssh: Object.keys(ssh.shape),
  bacalhau: Object.keys(bacalhau.shape),
  download: Object.keys(download.shape),
  program: Object.keys(downloadOf.shape),
  checks: Object.keys(ownCheck.shape),
  region: Object.keys(regionSettings.shape),
} as const;
