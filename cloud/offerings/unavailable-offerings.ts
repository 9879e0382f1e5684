import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import type { PoolPattern } from "../../fleet/aws/pools";
import { tryWriteFile } from "../../system/atomic-file";

/** As long as Karpenter remembers an offering without capacity (its `unavailableOfferings` cache). */
const REMEMBERED_MS = 3 * 60_000;

const memorySchema = z.array(
  z.object({
    until: z.number(),
    pattern: z.object({
      region: z.string(),
      availabilityZone: z.string().optional(),
      instanceType: z.string().optional(),
      market: z.enum(["spot", "on-demand"]).optional(),
    }),
  }),
);

/**
 * Pools that were closed a moment ago, so that the next run begins with others. A cache: deleted or unreadable, it
 * costs at most a refused launch.
 */
export class UnavailableOfferings {
  private readonly file: string;

  constructor(
    scratch: string,
    private readonly now: () => number = Date.now,
  ) {
    this.file = path.join(scratch, "exhausted-pools.json");
  }

  current(): PoolPattern[] {
    return this.read().map(({ pattern }) => pattern);
  }

  add(patterns: readonly PoolPattern[]): void {
    if (patterns.length === 0) return;
    const until = this.now() + REMEMBERED_MS;
    tryWriteFile(this.file, JSON.stringify([...this.read(), ...patterns.map((pattern) => ({ until, pattern }))]));
  }

  private read(): z.output<typeof memorySchema> {
    try {
      const kept = existsSync(this.file) ? memorySchema.parse(JSON.parse(readFileSync(this.file, "utf8"))) : [];
      return kept.filter(({ until }) => until > this.now());
    } catch {
      return [];
    }
  }
}
