import { listOf, type Call } from "./protocol/call";

interface Bucket {
  burst: number;
  perSecond: number;
}

const describe: Bucket = { burst: 100, perSecond: 20 };
const unfiltered: Bucket = { burst: 50, perSecond: 10 };
const change: Bucket = { burst: 50, perSecond: 5 };

/** EC2's request buckets per account and region ("Request throttling for the Amazon EC2 API"). */
const requestBuckets: Record<string, Bucket> = {
  RunInstances: { burst: 5, perSecond: 2 },
  StartInstances: { burst: 5, perSecond: 2 },
  TerminateInstances: { burst: 100, perSecond: 5 },
  CreateTags: { burst: 100, perSecond: 10 },
  DeleteTags: { burst: 100, perSecond: 10 },
  CreateNetworkInterface: { burst: 100, perSecond: 5 },
  DeleteNetworkInterface: { burst: 100, perSecond: 5 },
  CreateVolume: { burst: 100, perSecond: 5 },
  CreateVpcEndpoint: { burst: 4, perSecond: 0.3 },
  DeleteVpcEndpoints: { burst: 4, perSecond: 0.3 },
  CreateNatGateway: { burst: 10, perSecond: 1 },
  DeleteNatGateway: { burst: 10, perSecond: 1 },
  CreateDefaultVpc: { burst: 1, perSecond: 1 },
};

/** A second bucket counts the instances that a call is about. */
const instanceBuckets: Record<string, Bucket> = {
  RunInstances: { burst: 1_000, perSecond: 2 },
  StartInstances: { burst: 1_000, perSecond: 2 },
  TerminateInstances: { burst: 1_000, perSecond: 20 },
};

/** Describe calls whose bucket is smaller when they are neither filtered nor paginated; naming ids is no filter. */
const dearUnfiltered = new Set([
  "DescribeInstances",
  "DescribeInstanceStatus",
  "DescribeNetworkInterfaces",
  "DescribeSecurityGroups",
  "DescribeSnapshots",
  "DescribeSpotInstanceRequests",
  "DescribeVolumes",
]);

function requestBucket({ action, params }: Call): { name: string; bucket: Bucket } {
  const plain = dearUnfiltered.has(action) && !params.has("Filter.1.Name") && !params.has("MaxResults");
  if (plain) return { name: `${action} unfiltered`, bucket: unfiltered };
  return { name: action, bucket: requestBuckets[action] ?? (/^(Describe|List|Get)/.test(action) ? describe : change) };
}

const instancesIn = ({ action, params }: Call): number =>
  action === "RunInstances" ? Number(params.get("MaxCount") ?? 1) : listOf(params, "InstanceId").length;

/** A bucket that starts full. */
export class TokenBucket {
  private tokens: number;
  private filledAt: number | undefined;

  constructor(private readonly bucket: Bucket) {
    this.tokens = bucket.burst;
  }

  /** Whether there are that many tokens at that moment, in milliseconds; takes them only then. */
  has(count: number, now: number): boolean {
    const seconds = Math.max(0, now - (this.filledAt ?? now)) / 1_000;
    this.tokens = Math.min(this.bucket.burst, this.tokens + seconds * this.bucket.perSecond);
    this.filledAt = now;
    return this.tokens >= count;
  }

  take(count: number): void {
    this.tokens -= count;
  }
}

/** EC2's rate limits, off until asked for. Each API has buckets of its own in each region. */
export class RateLimits {
  private buckets = new Map<string, TokenBucket>();
  private on = false;

  get enabled(): boolean {
    return this.on;
  }

  /** Switching on starts with full buckets. */
  enable(on: boolean): void {
    this.on = on;
    this.buckets = new Map();
  }

  /** Whether the call is let through; then it has used up its tokens. */
  admits(call: Call, now: number): boolean {
    if (!this.on || call.service !== "ec2") return true;
    const request = requestBucket(call);
    const instances = instanceBuckets[call.action];
    const wanted = [{ bucket: this.bucket(`${call.region} ${request.name}`, request.bucket), count: 1 }];
    if (instances !== undefined)
      wanted.push({
        bucket: this.bucket(`${call.region} ${call.action} instances`, instances),
        count: instancesIn(call),
      });
    const enough = wanted.map(({ bucket, count }) => bucket.has(count, now)).every(Boolean);
    if (enough) for (const { bucket, count } of wanted) bucket.take(count);
    return enough;
  }

  private bucket(name: string, shape: Bucket): TokenBucket {
    let found = this.buckets.get(name);
    if (found === undefined) this.buckets.set(name, (found = new TokenBucket(shape)));
    return found;
  }
}
