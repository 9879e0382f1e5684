import { z } from "zod";
import { checkStatuses, phases } from "../../fleet/checks";
import { outcomes } from "../../automation/verify/outcome";
import type { VerificationReport } from "../../automation/verify/report";
import { step } from "./step-schema";
import { schemaOf } from "./schema-of";

const time = z.iso.datetime();
const text = z.string();
const count = z.int().min(0);
const outcome = z.enum(outcomes);
const span = z.strictObject({ name: text, start: text, end: text.optional() });
const diagnosisStep = z.strictObject({ subject: text, state: z.enum(["ok", "problem", "unknown"]), evidence: text });

const result = z.strictObject({
  id: text,
  title: text,
  phase: z.enum(phases),
  status: z.enum(checkStatuses),
  command: text.optional(),
  expected: text.optional(),
  actual: text.optional(),
  because: text.optional(),
  cause: text.optional(),
  next: text.optional(),
  step: step.optional(),
  diagnosis: z.array(diagnosisStep).optional(),
  journals: z.array(z.strictObject({ unit: text, lines: z.array(text) })).optional(),
  spans: z.array(span).optional(),
  milliseconds: z.number().min(0),
});

const node = z.strictObject({
  node: text,
  region: text,
  instanceId: text,
  address: text.optional(),
  results: z.array(result),
  isVerified: z.boolean(),
  outcome,
  isWhole: z.boolean(),
  milliseconds: z.number().min(0),
  at: time,
});

const report = z.strictObject({
  version: z.literal(1),
  at: time,
  stack: text,
  provider: z.strictObject({ kind: z.enum(["official", "stand-in"]), version: text }).optional(),
  summary: z.strictObject({
    nodes: count,
    verified: count,
    failed: count,
    unknown: count,
    notLookedAt: count,
    checks: z.strictObject({ ok: count, failed: count, unknown: count, warning: count, info: count, skipped: count }),
  }),
  nodes: z.array(node),
  isVerified: z.boolean(),
  outcome,
  isWhole: z.boolean(),
  leftOut: z.array(text),
  notLookedAt: z.array(text),
  step: step.optional(),
});

/** The shape of `verify --json`; the published schema (docs/verification.schema.json) is made from it. */
export const reportSchema = schemaOf<VerificationReport>()(report);

/** JSON Schema, draft 2020-12. */
export function reportJsonSchema(): string {
  const schema = z.toJSONSchema(reportSchema);
  return `${JSON.stringify({ ...schema, title: "What `spot verify --json` prints" }, null, 2)}\n`;
}
