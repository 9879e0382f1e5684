import { AS_CATALOGUED, SpotError, type Advice, type ErrorCode } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import type { ProcessResult } from "./process";

/** What the engine says when it has no provider to work with, in every form: not there, not to be had, not to be started. */
export const NO_PROVIDER =
  /no resource plugin|could not automatically download and install|failed to load plugin|could not (?:load|read|start) plugin/i;

/**
 * What the CLI says when it cannot even begin, and what that means here. The exit code does not tell these apart,
 * so the text must; a text that no row knows stays visible as the cause.
 */
const CLI_FAILURES: { pattern: RegExp; code: ErrorCode; message: string; advice?: Advice }[] = [
  {
    pattern: /no space left on device|disk quota exceeded/i,
    code: "E_BACKEND",
    message: "there is no space left where the state is kept",
    advice: {
      next: "Free some space there, then run the command again: it goes on.",
      step: outside("free-file", again()),
    },
  },
  { pattern: /currently locked by/i, code: "E_LOCKED", message: "the stack is locked by another run" },
  {
    pattern: /organization name must be/i,
    code: "E_USAGE",
    message: "a state backend without organisations knows the stack by its last name alone: give that one",
  },
  {
    pattern: /unable to read PULUMI_CONFIG_PASSPHRASE_FILE/i,
    code: "E_KEY_LOST",
    message: "the stack's passphrase is not on this machine",
  },
  { pattern: /passphrase must be set/i, code: "E_PASSPHRASE", message: "the stack's passphrase is not set" },
  {
    pattern: /incorrect passphrase/i,
    code: "E_PASSPHRASE",
    message: "the passphrase is not the one that the stack was made with",
  },
  { pattern: NO_PROVIDER, code: "E_PROVIDER", message: "Pulumi's AWS provider cannot be used" },
  {
    pattern:
      /snapshot integrity|unmarshal(?:ling)? (?:deployment|checkpoint)|checkpoint.*(?:invalid|corrupt)|could not deserialize|invalid character|unexpected end of JSON/i,
    code: "E_STATE",
    message: "the stack's state is damaged",
  },
  {
    pattern: /invalid YAML file|could not unmarshal|could not validate/i,
    code: "E_CONFIG_SYNTAX",
    message: "Pulumi.yaml or the stack's Pulumi.<stack>.yaml cannot be read",
  },
  {
    pattern:
      /PULUMI_ACCESS_TOKEN|not logged in|unable to open bucket|could not (?:get|list) bucket|problem logging in|open bucket|no such host|connection refused/i,
    code: "E_BACKEND",
    message: "the state backend cannot be used",
  },
];

/** Translates a CLI run that ended before the engine had anything to tell. */
export function engineError(result: ProcessResult): SpotError {
  const text = [result.stderr, result.stdout]
    .map((part) => part.trim())
    .filter(Boolean)
    .join("\n");
  const known = CLI_FAILURES.find(({ pattern }) => pattern.test(text));
  if (result.signal && !known)
    return new SpotError("E_INTERRUPTED", { message: `the Pulumi engine was ended by ${result.signal}` });
  const how = `exit code ${result.code ?? "unknown"}`;
  return new SpotError(known?.code ?? "E_UNEXPECTED", {
    message: known?.message ?? `the Pulumi engine stopped (${how})`,
    cause: new Error(shorten(text) || how),
    ...(known?.advice ?? AS_CATALOGUED),
  });
}

/** The engine's text without its help and without repeating itself; enough for a person, not a log. */
function shorten(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !/^\s*(usage:|-{2,}|\s*--)/i.test(line));
  return [...new Set(lines)]
    .slice(0, 12)
    .join("\n")
    .replace(/^error:\s*/, "");
}
