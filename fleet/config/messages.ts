import type { z } from "zod";
import { didYouMean } from "../text/suggest";
import type { ConfigPath } from "./document";
import { configKeys } from "./schema";

/** A fault of a value, with the place that it is about. */
export interface Fault {
  path: ConfigPath;
  /** Is the key at fault (unknown, missing around it, a bad name), or the value? */
  part: "key" | "value";
  message: string;
}

/** Sentences for what the schema found wrong. One issue of unknown keys becomes one fault for each. */
export function faultsOf(issues: readonly z.core.$ZodIssue[], data: unknown): Fault[] {
  const faults = issues.flatMap((issue) => {
    const path = issue.path as (string | number)[];
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key): Fault => ({ path: [...path, key], part: "key", message: unknownKey(path, key) }));
    }
    return [{ path, part: "value", message: sentence(issue, path, valueAt(data, path)) } satisfies Fault];
  });
  // A value can break two bounds of one rule; its requirement is said once.
  return faults.filter((fault, i) => faults.findIndex((other) => other.message === fault.message) === i);
}

function sentence(issue: z.core.$ZodIssue, path: ConfigPath, value: unknown): string {
  const name = path.length === 0 ? "the file" : pathText(path);
  if (issue.code === "custom") return `${name}${typeof value === "object" ? "" : `: ${shown(value)}`} ${issue.message}`;
  if (value === undefined) return `${name} is missing: it must be ${issue.message}`;
  return `${name} must be ${issue.message}, not ${shown(value)}`;
}

function unknownKey(path: ConfigPath, key: string): string {
  const section = sectionOf(path);
  const known: readonly string[] = configKeys[section];
  const home = (Object.keys(configKeys) as Section[]).find((other) =>
    (configKeys[other] as readonly string[]).includes(key),
  );
  const hint = home === undefined ? didYouMean(key, known) : ` (it belongs ${homeText[home]})`;
  return `${pathText([...path, key])} is not a key that this program knows${hint}`;
}

type Section = keyof typeof configKeys;

const homeText: Record<Section, string> = {
  "": "at the top level",
  aws: "under aws:",
  ssh: "under ssh:",
  bacalhau: "under bacalhau:",
  download: "under bacalhau.download:",
  program: "under an architecture of bacalhau.download",
  checks: "in an entry of checks:",
  region: "under a region",
};

function sectionOf(path: ConfigPath): Section {
  if (path[0] === "regions") return "region";
  if (path[0] === "checks") return "checks";
  if (path[0] === "bacalhau") return (["bacalhau", "download", "program"] as const)[path.length - 1] ?? "bacalhau";
  return path[0] === "aws" || path[0] === "ssh" ? path[0] : "";
}

/** `regions.us-west-2.image`, `ssh.allow[1]`: as a person would point at it. Counted from 1. */
export function pathText(path: ConfigPath): string {
  let text = "";
  for (const [i, step] of path.entries()) {
    if (typeof step === "string") text += (text === "" ? "" : ".") + step;
    else if (!(i === 1 && path[0] === "regions" && path.length > 2)) text += `[${step + 1}]`;
  }
  return text;
}

function valueAt(data: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (holder, step) =>
      typeof holder === "object" && holder !== null ? (holder as Record<string | number, unknown>)[step] : undefined,
    data,
  );
}

const scalarText = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : String(value));

/** The value as it may stand in a sentence: short, on one line. */
function shown(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a map";
  const text = scalarText(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
