import { z } from "zod";
import type { FaultRule } from "./faults";

const effect = z.union([
  z.strictObject({
    error: z.strictObject({
      code: z.string(),
      message: z.string().optional(),
      status: z.int().min(400).max(599).optional(),
    }),
  }),
  z.strictObject({ delayMs: z.number().min(0) }),
  z.strictObject({ drop: z.literal(true) }),
]);

const rule: z.ZodType<FaultRule> = z.strictObject({
  id: z.string().optional(),
  action: z.string(),
  region: z.string().optional(),
  availabilityZone: z.string().optional(),
  instanceType: z.string().optional(),
  follows: z.string().optional(),
  nth: z.int().min(1).optional(),
  times: z.int().min(1).optional(),
  forMs: z.int().min(1).optional(),
  probability: z.number().min(0).max(1).optional(),
  seed: z.int().optional(),
  when: z.enum(["before", "after"]).default("before"),
  effect,
});

/** Reads fault rules: one, or a list. Throws an Error whose message names what is wrong. */
export function parseFaults(value: unknown): FaultRule[] {
  const parsed = z.array(rule).safeParse(Array.isArray(value) ? value : [value]);
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error));
  return parsed.data;
}
