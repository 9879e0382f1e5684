import { classifyFailure } from "../aws/error-codes";
import type { Advice } from "../errors";
import { paths } from "../layout";
import { NODE, outside, spot } from "../steps";
import type { Check, CommandOutput, Lookup, NodeExpectation, Span, Verdict } from "./types";

/** Deadlines of one attempt, ms. */
export const QUICK = 10_000;
export const SLOW = 60_000;

/** The metadata service as a node reaches it. */
export const METADATA = "http://169.254.169.254/latest";

/** How long what is starting may take, ms. */
export const STARTING = 30_000;

/** What to do, said by more than one check. */
export const replacing = (hint: string): Advice => ({
  next: `Run \`replace NODE\`, or \`repair\` for all nodes that fail. ${hint}`,
  step: spot("replace", NODE),
});
export const REPLACE = replacing("A cause in your files or configuration is to be corrected first.");
/** Where one of the node's logs tells why. */
export const replacingAfter = (log: string): Advice =>
  replacing(
    `Where ${log} names a cause in your files or configuration, correct that first: then \`up\` replaces the node.`,
  );
export const REPLACE_BY_LOG = replacingAfter(`${paths.deploymentLog} on the node (\`logs NODE\`)`);
export const REPLACE_BY_STARTUP_LOG = replacingAfter(`${paths.startupLog} on the node`);
/** @param unit as a shell on the node takes it */
export const replaceByJournal = (unit: string): Advice =>
  replacingAfter(`its journal (\`journalctl -u ${unit}\` on the node)`);
/** What is wrong is in what the user gave: `up` replaces a node whose files or configuration changed, and no other. */
export const correctPayload = (next: string): Advice => ({ next, step: outside("correct-payload", spot("up")) });
export const correctConfiguration = (next: string): Advice => ({
  next,
  step: outside("correct-configuration", spot("up")),
});

/** Of a node that was made of other files than those that it is compared with. */
const OUTDATED = {
  cause: "The files or the configuration here are not those that the node was made of.",
  next: "Run `up`: it replaces the node, or ends it where no node of its name is wanted any more. Or put the former files and configuration back.",
  step: spot("up"),
};

/**
 * The verdict of a check on a node. Where the node was made of other files, that is why it does not hold, and `repair`
 * would leave the node out.
 */
export const ofOutdated = (
  { ofDesired }: Pick<Check, "ofDesired">,
  verdict: Verdict,
  { isAsDesired }: Pick<NodeExpectation, "isAsDesired">,
): Verdict => (verdict.ok || isAsDesired || ofDesired === undefined ? verdict : { ...verdict, ...OUTDATED });

/** Of a note. */
export const LET_IT_BE: Advice = {
  next: "Nothing has to be done: the node works all the same.",
  step: outside("let-it-be"),
};

/** Each thing judged on its own; what does not hold is named. */
export function expectAll<T>(
  things: readonly T[],
  problemOf: (thing: T, index: number) => string | undefined,
): Verdict {
  const problems = things.flatMap((thing, index) => problemOf(thing, index) ?? []);
  return {
    ok: problems.length === 0,
    expected: `all ${things.length} in order`,
    actual: joinList(problems) || `all ${things.length} in order`,
  };
}

export function expectEqual(expected: string, actual: string): Verdict {
  return { ok: expected === actual, expected, actual };
}

/** Compares by key; shows only the keys that differ, or all when none does. */
export function expectFields<K extends string>(expected: Record<K, string>, actual: Record<K, string>): Verdict {
  const keys = Object.keys(expected) as K[];
  const different = keys.filter((key) => expected[key] !== actual[key]);
  const show = (values: Record<K, string>): string =>
    (different.length > 0 ? different : keys).map((key) => `${key} ${values[key]}`).join(", ");
  return { ok: different.length === 0, expected: show(expected), actual: show(actual) };
}

export function expectEmpty(output: string): Verdict {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  return { ok: lines.length === 0, expected: "none", actual: joinList(lines) || "none" };
}

/** Judges what was looked up. What AWS did not answer is unknown; what it answered with nothing is a warning. */
export function fromLookup<T>(fact: Lookup<T> | undefined, expected: string, judge: (value: T) => Verdict): Verdict {
  if (fact === undefined) return { ok: false, expected, actual: "AWS shows none", severity: "warn" };
  return fact.failure === undefined ? judge(fact.value) : notLookedAt(fact.failure, expected);
}

/** A question that was refused, throttled or timed out says nothing of the node. @param failure AWS's words */
export function notLookedAt(failure: string, expected: string): Verdict {
  return {
    ok: false,
    expected,
    actual: "not looked at",
    severity: "unknown",
    cause: failure,
    ...adviceOn(failure),
  };
}

/** What to do about a call that AWS did not answer. @param failure AWS's words */
export function adviceOn(failure: string): Advice {
  const { next, step } = classifyFailure(failure);
  return { next, step };
}

const SHOWN = 10;

export function joinList(items: readonly string[]): string {
  const more = items.length - SHOWN;
  return [...items.slice(0, SHOWN), ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}

/** `KEY=value` lines, as `systemctl show` prints them. */
export function propertiesOf(output: string): Record<string, string> {
  return Object.fromEntries(
    output
      .split("\n")
      .flatMap((line) =>
        line.includes("=") ? [[line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]] : [],
      ),
  );
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A JSON object; undefined for anything else. */
export function parseJsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** One field of a JSON object as text; undefined: it has none. */
export function fieldOf(text: string, name: string): string | undefined {
  const value = parseJsonObject(text)?.[name];
  return value === undefined || value === null ? undefined : textOf(value);
}

/** A value out of JSON as a person reads it: a text without its quotes. */
export const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** The first line with something in it, of the first text that has one. */
export function firstLine(...texts: string[]): string {
  return (
    texts
      .flatMap((text) => text.split("\n"))
      .find((line) => line.trim() !== "")
      ?.trim() ?? "nothing"
  );
}

export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) || "nothing";
}

/** Lines of sha256sum: path -> sum. */
export function sumsOf(output: string): Map<string, string> {
  return new Map(output.split("\n").map((line) => [line.slice(66), line.slice(0, 64)]));
}

/**
 * Prints every record of a table of steps in the table's order, one JSON object a line. A record of an earlier version
 * has its position in its file's name alone, `NN-name.json`. @param folder where the node keeps them
 */
export function stepsCommand(folder: string): string {
  return `python3 -c 'import glob, json; steps = [json.load(open(p)) for p in sorted(glob.glob("${folder}/*.json"))]; [print(json.dumps(s)) for s in sorted(steps, key=lambda s: s.get("position", 0))]'`;
}

/** Judges the records of a table of steps (instance/README.md, "Steps"). */
export function judgeSteps({ stdout, stderr }: CommandOutput): Verdict {
  const steps = stdout
    .split("\n")
    .map(parseJsonObject)
    .filter((step) => step !== undefined);
  if (steps.length === 0)
    return {
      ok: false,
      expected: "every step ok",
      actual: firstLine(stderr, "no step was recorded"),
      pending: true,
      cause: "The program that records its steps was never started, or ended before the first one.",
    };
  const verdict = expectAll(steps, ({ name, status, detail }) =>
    status === "ok" ? undefined : `${String(name)}: ${String(status)}${detail ? `: ${textOf(detail)}` : ""}`,
  );
  const isFailed = steps.some(({ status }) => status === "failed");
  const spans = steps.flatMap(({ name, start, end }): Span[] =>
    typeof start === "string" ? [{ name: String(name), start, ...(typeof end === "string" ? { end } : {}) }] : [],
  );
  return { ...verdict, expected: `${steps.length} steps ok`, pending: !isFailed, spans };
}
