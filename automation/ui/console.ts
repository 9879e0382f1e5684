import { Chalk, type ChalkInstance } from "chalk";
import type { ErrorInfo } from "../../fleet/errors";
import type { FleetEvent, Level, Question, Reporter } from "../../fleet/events";
import type { NodeChange } from "../../fleet/changes";
import type { NodeRef } from "../../fleet/model";
import { createInterface } from "node:readline/promises";

/** The streams of a run and what may be done with them. */
export interface Terminal {
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  stdin: NodeJS.ReadStream;
  env: NodeJS.ProcessEnv;
}

/** Colours for one stream: none when it is no terminal, or NO_COLOR is set (no-color.org). */
export function coloursFor(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): ChalkInstance {
  const on = env.FORCE_COLOR ? env.FORCE_COLOR !== "0" : stream.isTTY && !env.NO_COLOR && env.TERM !== "dumb";
  return new Chalk({ level: on ? 1 : 0 });
}

const WORDS: Record<Level, string> = { debug: "DEBUG", info: "INFO", success: "SUCCESS", warning: "WARNING", error: "ERROR" };

/** `[i-0123456789abcdef0 @ 198.18.0.10]`: the prefix that scripts of the predecessor's users read. */
export function nodePrefix(node: NodeRef): string {
  if (!node.instanceId) return `[${node.name}]`;
  return node.address ? `[${node.instanceId} @ ${node.address}]` : `[${node.instanceId}]`;
}

/**
 * The human view: one line an event on stderr, so that stdout holds the result alone. Questions are asked on the
 * terminal; where there is none, the unattended answer counts.
 */
export function consoleReporter(terminal: Terminal, options: { yes: boolean; verbose: boolean }): Reporter {
  const colours = coloursFor(terminal.stderr, terminal.env);
  const paint: Record<Level, (text: string) => string> = {
    debug: colours.dim,
    info: colours.cyan,
    success: colours.green,
    warning: colours.yellow,
    error: colours.red,
  };
  const line = (prefix: string, level: Level, message: string): void => {
    if (level === "debug" && !options.verbose) return;
    terminal.stderr.write(`${prefix} ${paint[level](`${WORDS[level]}:`)} ${message}\n`);
  };
  const waiting = new Map<string, string>();
  const details = new Map<string, string>();

  const handlers: { [K in FleetEvent["type"]]: (event: Extract<FleetEvent, { type: K }>) => void } = {
    message: ({ level, message, subject, error }) => line(`[${subject ?? "spot"}]`, level, error ? `${message}${errorTail(error)}` : message),
    node: ({ level, message, node, error }) => line(nodePrefix(node), level, error ? `${message}${errorTail(error)}` : message),
    waiting: ({ node, reason }) => {
      if (waiting.get(node.name) === reason) return;
      waiting.set(node.name, reason);
      line(nodePrefix(node), "info", `waiting: ${reason}`);
    },
    task: ({ task, state, detail, seconds }) => {
      if (state === "started") return;
      if (state === "progress") {
        if (detail === undefined || details.get(task) === detail) return;
        details.set(task, detail);
        line(`[${task}]`, "info", detail);
        return;
      }
      if (!details.has(task) && state === "done") return;
      line(`[${task}]`, state === "done" ? "success" : "error", `${state === "done" ? "ready" : "failed"}${seconds === undefined ? "" : ` after ${seconds.toFixed(1)} s`}`);
    },
    changes: ({ stack, account, changes }) => {
      line("[spot]", "info", `account ${account}, stack ${stack}`);
      for (const change of changes.filter(({ kind }) => kind !== "same")) line("[spot]", "info", changeLine(change));
    },
  };
  return {
    emit: (event) => (handlers[event.type] as (event: FleetEvent) => void)(event),
    confirm: (question) => ask(terminal, question, options.yes),
  };
}

export function changeLine(change: NodeChange): string {
  const place = change.to ?? change.from;
  const { availabilityZone, instanceType, market } = place.pin.pool;
  const where = `${availabilityZone}, ${instanceType}, ${market}`;
  return `${change.kind} ${change.name} (${where})${change.reason ? `: ${change.reason}` : ""}`;
}

function errorTail(error: ErrorInfo): string {
  return `${error.cause ? `\n    cause: ${indented(error.cause)}` : ""}\n    next:  ${indented(error.next)}`;
}

function indented(text: string): string {
  return text.trim().split("\n").join("\n           ");
}

/** An error as a person reads it: what, where, why, what to do; all problems of a file at once. */
export function errorLines(error: ErrorInfo): string {
  const at = error.location ? ` (${error.location.file}:${error.location.line}:${error.location.column})` : "";
  const problems = (error.problems ?? []).map((problem) => {
    const place = problem.location ? `${problem.location.file}:${problem.location.line}:${problem.location.column}: ` : "";
    return `  ${place}${problem.message}`;
  });
  return [
    `ERROR ${error.code}: ${error.message}${problems.length > 0 ? "" : at}`,
    ...problems,
    ...(error.cause ? [`  cause: ${indented(error.cause)}`] : []),
    `  next:  ${indented(error.next)}`,
  ].join("\n");
}

export async function ask(terminal: Terminal, question: Question, yes: boolean): Promise<boolean> {
  if (yes) return true;
  if (!terminal.stdin.isTTY || !terminal.stderr.isTTY) return question.unattended;
  const readline = createInterface({ input: terminal.stdin, output: terminal.stderr });
  try {
    const answer = await readline.question(`${question.message} [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    readline.close();
  }
}
