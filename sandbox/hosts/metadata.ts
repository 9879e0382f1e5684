import { createHmac, timingSafeEqual } from "node:crypto";
import type { HostSpec } from "./driver";
import { macOf } from "./network";

/** What the service knows of the instance that asks. */
export interface MetadataInstance {
  spec: HostSpec;
  launchedAt: Date;
  /** When the instance will be interrupted, once that is announced. */
  interruption?: { action: "terminate"; at: Date };
  /** When a rebalance was recommended, once it was. */
  rebalance?: Date;
}

export interface MetadataRequest {
  method: string;
  /** As it came: percent-encoded, perhaps with a query. */
  path: string;
  /** Names in lower case. */
  headers: Record<string, string | string[] | undefined>;
}

export interface MetadataResponse {
  status: number;
  headers: Record<string, string>;
  body: string | Buffer;
}

export interface MetadataContext {
  /** Signs tokens, so that none need be remembered. */
  secret: Buffer;
  now: Date;
}

/** The versions of the tree that clients ask for; all show the same. */
const versions = ["2009-04-04", "2021-03-23", "latest"];

const TOKEN_HEADER = "x-aws-ec2-metadata-token";
const TTL_HEADER = "x-aws-ec2-metadata-token-ttl-seconds";
const MAX_TTL_SECONDS = 21_600;

/** moto's account, which owns every instance of the sandbox. */
const ACCOUNT = "123456789012";

/**
 * cloud-init 22.4 fetches a token only where the hardware says "EC2", which a container cannot. It announces itself,
 * but for its crawl through user-data and meta-data, where the library's name stands.
 */
const CLOUD_INIT_AGENT = /^(Cloud-Init|python-requests)\//;

/**
 * The instance metadata service, as a pure function: IMDSv2 tokens and the tree below the versions. Source: EC2 user
 * guide, "Use the Instance Metadata Service to access instance metadata" and "Instance metadata categories".
 * @param instance the one that has the caller's address, if any.
 */
export function answerMetadata(
  request: MetadataRequest,
  instance: MetadataInstance | undefined,
  context: MetadataContext,
): MetadataResponse {
  if (instance === undefined) return failure(404);
  // A request that a proxy inside the host passed on for somebody else.
  if (request.headers["x-forwarded-for"] !== undefined) return failure(403);
  const segments = segmentsOf(request.path);
  if (segments === undefined) return failure(400);
  if (segments.join("/") === "latest/api/token") {
    return request.method === "PUT" ? newToken(request, instance, context) : failure(405);
  }
  if (request.method !== "GET" && request.method !== "HEAD") return failure(405);
  if (!mayRead(request, instance, context)) return failure(401);
  return show(segments, instance);
}

function segmentsOf(path: string): string[] | undefined {
  try {
    return path
      .replace(/\?.*$/s, "")
      .split("/")
      .filter((segment) => segment !== "")
      .map(decodeURIComponent);
  } catch {
    return undefined;
  }
}

const header = (request: MetadataRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

function newToken(
  request: MetadataRequest,
  instance: MetadataInstance,
  { secret, now }: MetadataContext,
): MetadataResponse {
  const asked = header(request, TTL_HEADER) ?? "";
  const seconds = /^\d{1,5}$/.test(asked) ? Number(asked) : 0;
  if (seconds < 1 || seconds > MAX_TTL_SECONDS) return failure(400);
  const expires = Buffer.alloc(8);
  expires.writeBigUInt64BE(BigInt(now.getTime() + seconds * 1_000));
  const token = Buffer.concat([expires, signature(expires, instance, secret)]).toString("base64url");
  return { status: 200, headers: { "content-type": "text/plain", [TTL_HEADER]: String(seconds) }, body: token };
}

const signature = (expires: Buffer, { spec }: MetadataInstance, secret: Buffer): Buffer =>
  createHmac("sha256", secret).update(spec.instanceId).update(expires).digest();

/** A token that was given must be good even where none is required. */
function mayRead(request: MetadataRequest, instance: MetadataInstance, { secret, now }: MetadataContext): boolean {
  const token = header(request, TOKEN_HEADER);
  if (token === undefined) {
    return instance.spec.httpTokens === "optional" || CLOUD_INIT_AGENT.test(header(request, "user-agent") ?? "");
  }
  const bytes = Buffer.from(token, "base64url");
  const expires = bytes.subarray(0, 8);
  const given = bytes.subarray(8);
  const right = signature(expires, instance, secret);
  return (
    given.length === right.length && timingSafeEqual(given, right) && now.getTime() < Number(expires.readBigUInt64BE())
  );
}

/** A folder of the tree; what is undefined or an empty folder is not there. */
interface Tree {
  [name: string]: Leaf | Tree | undefined;
}
type Leaf = string | Buffer;

const isTree = (entry: Leaf | Tree | undefined): entry is Tree => typeof entry === "object" && !Buffer.isBuffer(entry);

function show(segments: string[], instance: MetadataInstance): MetadataResponse {
  const [version, ...path] = segments;
  if (version === undefined) return text(versions.join("\n"));
  if (!versions.includes(version)) return failure(404);
  let entry: Leaf | Tree | undefined = treeOf(instance);
  for (const name of path) entry = isTree(entry) && Object.hasOwn(entry, name) ? entry[name] : undefined;
  if (entry === undefined) return failure(404);
  return text(isTree(entry) ? listing(entry, path, instance) : entry);
}

/** One name per line, folders with a slash; keys are shown as `0=name`, and the first level without slashes. */
function listing(folder: Tree, path: string[], { spec }: MetadataInstance): string {
  const label = (name: string): string => {
    if (path.at(-1) === "public-keys") return `${name}=${keyName(spec.publicKeys[Number(name)], name)}`;
    return isTree(folder[name]) && path.length > 0 ? `${name}/` : name;
  };
  return Object.keys(folder)
    .filter((name) => folder[name] !== undefined)
    .map(label)
    .join("\n");
}

/** A key's comment; EC2 shows the key pair's name, which is not part of what a host is told. */
const keyName = (key: string | undefined, index: string): string => key?.trim().split(/\s+/)[2] ?? `key-${index}`;

const seconds = (date: Date): string => date.toISOString().replace(/\.\d{3}Z$/, "Z");

function treeOf(instance: MetadataInstance): Tree {
  const { spec } = instance;
  return {
    dynamic: { "instance-identity": { document: JSON.stringify(identity(instance), undefined, 2) } },
    "meta-data": metaData(instance),
    "user-data": spec.userData.length === 0 ? undefined : spec.userData,
  };
}

function metaData({ spec, interruption, rebalance }: MetadataInstance): Tree {
  // The first region has names of its own, from the time when it was the only one.
  const domain = spec.region === "us-east-1" ? "ec2.internal" : `${spec.region}.compute.internal`;
  const publicDomain = spec.region === "us-east-1" ? "compute-1.amazonaws.com" : `${spec.region}.compute.amazonaws.com`;
  const hostname = `ip-${spec.privateAddress.replaceAll(".", "-")}.${domain}`;
  const publicHostname = `ec2-${spec.publicAddress.replaceAll(".", "-")}.${publicDomain}`;
  const mac = macOf(spec.publicAddress);
  return {
    "ami-id": spec.amiId,
    "ami-launch-index": "0",
    "ami-manifest-path": "(unknown)",
    "block-device-mapping": { ami: "/dev/sda1", root: "/dev/sda1" },
    events: {
      maintenance: { history: "[]", scheduled: "[]" },
      recommendations: rebalance && { rebalance: JSON.stringify({ noticeTime: seconds(rebalance) }) },
    },
    hostname,
    "instance-action": "none",
    "instance-id": spec.instanceId,
    "instance-life-cycle": spec.market,
    "instance-type": spec.instanceType,
    "local-hostname": hostname,
    "local-ipv4": spec.privateAddress,
    mac,
    network: {
      interfaces: {
        macs: {
          [mac]: {
            "device-number": "0",
            "local-hostname": hostname,
            "local-ipv4s": spec.privateAddress,
            mac,
            "owner-id": ACCOUNT,
            "public-hostname": publicHostname,
            "public-ipv4s": spec.publicAddress,
          },
        },
      },
    },
    placement: { "availability-zone": spec.availabilityZone, region: spec.region },
    profile: "default-hvm",
    "public-hostname": publicHostname,
    "public-ipv4": spec.publicAddress,
    "public-keys": folder(spec.publicKeys.map((key, index) => [String(index), { "openssh-key": key }])),
    services: { domain: "amazonaws.com", partition: "aws" },
    spot: interruption && {
      "instance-action": JSON.stringify({ action: interruption.action, time: seconds(interruption.at) }),
      "termination-time": seconds(interruption.at),
    },
    tags: tagFolder(spec.tags),
  };
}

const folder = (entries: [string, Leaf | Tree][]): Tree | undefined =>
  entries.length === 0 ? undefined : Object.fromEntries(entries);

/** EC2 allows tags in metadata only with keys of these characters, since a key is part of a path. */
function tagFolder(tags: Record<string, string>): Tree | undefined {
  const instance = folder(Object.entries(tags).filter(([key]) => /^[A-Za-z0-9+=.,_:@-]+$/.test(key)));
  return instance && { instance };
}

function identity({ spec, launchedAt }: MetadataInstance): object {
  return {
    accountId: ACCOUNT,
    architecture: process.arch === "arm64" ? "arm64" : "x86_64",
    availabilityZone: spec.availabilityZone,
    billingProducts: null,
    devpayProductCodes: null,
    imageId: spec.amiId,
    instanceId: spec.instanceId,
    instanceType: spec.instanceType,
    kernelId: null,
    marketplaceProductCodes: null,
    pendingTime: seconds(launchedAt),
    privateIp: spec.privateAddress,
    ramdiskId: null,
    region: spec.region,
    version: "2017-09-30",
  };
}

const text = (body: string | Buffer): MetadataResponse => ({
  status: 200,
  headers: { "content-type": "text/plain" },
  body,
});

const reasons: Record<number, string> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
};

/** An error is a page of HTML, as EC2's is: a client that takes any body for a value finds out here. */
function failure(status: number): MetadataResponse {
  const title = `${status} - ${reasons[status] ?? "Error"}`;
  return {
    status,
    headers: { "content-type": "text/html" },
    body: `<?xml version="1.0" encoding="iso-8859-1"?>\n<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`,
  };
}
