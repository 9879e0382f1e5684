import type { NodeChange } from "../../fleet/plan/changes";
import { resourceLines, type ResourceChange } from "../../fleet/plan/resource-changes";
import type { ErrorInfo } from "../../fleet/errors";
import type { FleetEvent, Level } from "../../fleet/report/events";
import type { NodeRef } from "../../fleet/model";

/** One thing that is told: `[prefix] WORD: message`. The message may have further lines (cause and next action). */
export interface LogLine {
  level: Level;
  prefix: string;
  message: string;
}

export const LEVEL_WORDS: Record<Level, string> = {
  debug: "DEBUG",
  info: "INFO",
  success: "SUCCESS",
  warning: "WARNING",
  error: "ERROR",
};

/** `[i-0123456789abcdef0 @ 198.18.0.10] SUCCESS: Created`: the form that scripts of the predecessor's users read. */
export function formatLine(
  { level, prefix, message }: LogLine,
  paint: (level: Level, text: string) => string = (_, text) => text,
): string {
  return `${prefix} ${paint(level, `${LEVEL_WORDS[level]}:`)} ${message}`;
}

/** The prefix of a node's lines; the words between the brackets are never changed by colour or markup. */
export function nodePrefix(node: NodeRef): string {
  if (!node.instanceId) return `[${node.name}]`;
  return node.address ? `[${node.instanceId} @ ${node.address}]` : `[${node.instanceId}]`;
}

/** Turns events into what is told. It remembers what was said, so that nothing is said twice: one for each run. */
export function lineFormatter(): (event: FleetEvent) => LogLine[] {
  const waiting = new Map<string, string>();
  const details = new Map<string, string>();
  const handlers: { [K in FleetEvent["type"]]: (event: Extract<FleetEvent, { type: K }>) => LogLine[] } = {
    message: ({ level, message, subject, error }) => [
      { level, prefix: `[${subject ?? "spot"}]`, message: withAdvice(message, error) },
    ],
    node: ({ level, message, node, error }) => [
      { level, prefix: nodePrefix(node), message: withAdvice(message, error) },
    ],
    waiting: ({ node, reason }) => {
      if (waiting.get(node.name) === reason) return [];
      waiting.set(node.name, reason);
      return [{ level: "info", prefix: nodePrefix(node), message: `waiting: ${reason}` }];
    },
    task: ({ task, state, detail, seconds }) => {
      const prefix = `[${task}]`;
      if (state === "started") return [];
      if (state === "progress") {
        if (detail === undefined || details.get(task) === detail) return [];
        details.set(task, detail);
        return [{ level: "info", prefix, message: detail }];
      }
      // What was over at once and told nothing meanwhile is worth no line.
      if (!details.has(task) && state === "done") return [];
      const after = seconds === undefined ? "" : ` after ${seconds.toFixed(1)} s`;
      return [
        {
          level: state === "done" ? "success" : "error",
          prefix,
          message: `${state === "done" ? "ready" : "failed"}${after}`,
        },
      ];
    },
    changes: ({ stack, account, changes, resources }) =>
      [`account ${account}, stack ${stack}`, ...changeLines(changes, resources)].map(
        (message): LogLine => ({ level: "info", prefix: "[spot]", message }),
      ),
    expected: () => [],
    check: ({ node, id, title, status }) => [
      { level: "debug", prefix: nodePrefix(node), message: `${id} ${title}: ${status}` },
    ],
  };
  return (event) => (handlers[event.type] as (event: FleetEvent) => LogLine[])(event);
}

/** What would happen: to each node, then to everything else. */
export function changeLines(changes: readonly NodeChange[], resources: readonly ResourceChange[]): string[] {
  return [...changes.filter(({ kind }) => kind !== "same").map(changeLine), ...resourceLines(resources)];
}

function changeLine(change: NodeChange): string {
  const place = change.to ?? change.from;
  const { availabilityZone, instanceType, market } = place.pin.pool;
  const where = `${availabilityZone}, ${instanceType}, ${market}`;
  return `${change.kind} ${change.name} (${where})${change.reason ? `: ${change.reason}` : ""}`;
}

function withAdvice(message: string, error: ErrorInfo | undefined): string {
  if (!error) return message;
  return `${message}${error.cause ? `\n    cause: ${indented(error.cause)}` : ""}\n    next:  ${indented(error.next)}`;
}

/** An error as a person reads it: what, where, why, what to do; all problems of a file at once. */
export function errorLines(error: ErrorInfo): string {
  const at = error.location ? ` (${error.location.file}:${error.location.line}:${error.location.column})` : "";
  const problems = (error.problems ?? []).map((problem) => {
    const place = problem.location
      ? `${problem.location.file}:${problem.location.line}:${problem.location.column}: `
      : "";
    return `  ${place}${problem.message}`;
  });
  return [
    `ERROR ${error.code}: ${error.message}${problems.length > 0 ? "" : at}`,
    ...problems,
    ...(error.cause ? [`  cause: ${indented(error.cause)}`] : []),
    `  next:  ${indented(error.next)}`,
  ].join("\n");
}

function indented(text: string): string {
  return text.trim().split("\n").join("\n           ");
}
