import { z } from "zod";
import { checkStatuses, phases } from "../../fleet/checks/types";
import type { ErrorClass } from "../../fleet/errors";
import type { NodeChange } from "../../fleet/plan/changes";
import type { FleetEvent } from "../../fleet/report/events";
import { schemaOf } from "./schema-of";
import { step } from "./step-schema";

const error = z.object({
  code: z.string().regex(/^E_/),
  // Open: a later version may have more of them.
  class: z.string() as unknown as z.ZodType<ErrorClass>,
  message: z.string(),
  cause: z.string().optional(),
  next: z.string(),
  step,
  location: z.object({ file: z.string(), line: z.int(), column: z.int() }).optional(),
  get problems() {
    return z.array(error).optional();
  },
});
const level = z.enum(["debug", "info", "success", "warning", "error"]);
const node = z.object({
  name: z.string(),
  region: z.string(),
  instanceId: z.string().optional(),
  address: z.string().optional(),
});
const time = z.iso.datetime();

/** Shapes of the events, one for each type. */
const events = {
  message: z.object({
    time,
    type: z.literal("message"),
    level,
    message: z.string(),
    subject: z.string().optional(),
    error: error.optional(),
  }),
  node: z.object({
    time,
    type: z.literal("node"),
    level,
    node,
    phase: z.enum(["created", "ending", "deleted", "uploaded", "deploying", "rebooted", "verified", "unknown"]),
    message: z.string(),
    error: error.optional(),
  }),
  waiting: z.object({ time, type: z.literal("waiting"), node, reason: z.string() }),
  task: z.object({
    time,
    type: z.literal("task"),
    task: z.string(),
    state: z.enum(["started", "progress", "done", "failed"]),
    detail: z.string().optional(),
    seconds: z.number().optional(),
  }),
  changes: z.object({
    time,
    type: z.literal("changes"),
    stack: z.string(),
    account: z.string(),
    changes: z.array(
      z.looseObject({
        name: z.string(),
        kind: z.enum(["create", "replace", "update", "delete", "same"]),
        reason: z.string().optional(),
      }),
    ),
    resources: z.array(
      z.object({
        urn: z.string(),
        type: z.string(),
        name: z.string(),
        region: z.string().optional(),
        kind: z.enum(["create", "update", "replace", "delete"]),
        properties: z.array(z.string()),
        reason: z.string().optional(),
        opens: z.string().optional(),
      }),
    ),
  }),
  expected: z.object({ time, type: z.literal("expected"), nodes: z.array(node) }),
  check: z.object({
    time,
    type: z.literal("check"),
    node,
    id: z.string(),
    title: z.string(),
    phase: z.enum(phases),
    status: z.enum(checkStatuses),
    done: z.int(),
    total: z.int(),
    inPhase: z.object({ done: z.int(), total: z.int() }),
  }),
};

type EventOf<Type> = Extract<FleetEvent, { type: Type }>;

/** An event as it is printed; of a change the fields that a reader may rely on, whatever else stands beside them. */
type EventLine<Type> = { time: string } & (Type extends "changes"
  ? Omit<EventOf<Type>, "changes"> & {
      changes: (Pick<NodeChange, "name" | "kind" | "reason"> & Record<string, unknown>)[];
    }
  : EventOf<Type>);

const { shape } = schemaOf<{ [Type in FleetEvent["type"]]: EventLine<Type> }>()(z.object(events));

/** The last line: how the run ended, or the error that ended it. */
const result = z.looseObject({ type: z.literal("result"), command: z.string(), exitCode: z.int() });
const failed = z.object({ type: z.literal("error"), error, log: z.string().optional() });

/** One line of `up --json` and `down --json`. */
export const eventLine = z.union([...Object.values(shape), result, failed]);

/** The same for programs in other languages: docs/events.schema.json. */
export function eventJsonSchema(): string {
  return `${JSON.stringify({ ...z.toJSONSchema(eventLine), title: "One line of spot-deployer's --json" }, null, 2)}\n`;
}
