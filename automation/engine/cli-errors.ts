import { AS_CATALOGUED, SpotError, type Advice, type ErrorCode } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import type { ProcessResult } from "./process";

/**
 * What the engine says when it has no provider to work with, in every form: not there, not to be had, not to be started, or
 * one of something else, which the bridge that most providers are built on answers so (its pkg/tfbridge/provider.go).
 */
export const NO_PROVIDER =
  /no resource plugin|could not automatically download and install|failed to load plugin|could not (?:load|read|start) plugin|unrecognized resource type/i;

/** A service tells neither where an update runs nor whether it still does. */
export const UPDATE_UNDER_WAY: Advice = {
  next: "Wait for it to end. When it is surely dead, run `pulumi cancel`, then the command again.",
  step: outside("stop-program", again()),
};

interface KnownFailure {
  pattern: RegExp;
  code: ErrorCode;
  message: string;
  advice?: Advice;
}

/** How the errors of a bucket begin, in any cloud and in a folder: the words of gocloud.dev/blob and of what it calls. */
const OF_A_BUCKET = /blob \(|operation error S3|googleapi: |azblob|(?:open|list|get) bucket/i;

const ofABucket = (words: RegExp): RegExp => new RegExp(`(?:${OF_A_BUCKET.source})[^]*(?:${words.source})`, "i");

const anyOf = (...patterns: RegExp[]): RegExp => new RegExp(patterns.map(({ source }) => source).join("|"), "im");

/** A service's refusal, with which the client begins its words, or those behind a warning's (httpstate/client/api.go). */
const ofAService = (status: string): RegExp => new RegExp(`^(?:(?:error|warning): (?:.*: )?)?\\[${status}\\]`, "m");

/** What keeps the engine from the state, the more particular first. */
const BACKEND_FAILURES: KnownFailure[] = [
  {
    pattern: anyOf(
      ofABucket(/AccessDenied|PermissionDenied|Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken/),
      ofAService("403"),
    ),
    code: "E_BACKEND",
    message: "the state backend refuses these credentials",
    advice: {
      next: "Use credentials that may list, read, write and delete there, then run the command again.",
      step: outside("set-environment", again()),
    },
  },
  {
    pattern: /\.pulumi\/(?:stacks|locks|history|backups|meta)[^]*(?:read-only file system|permission denied)/i,
    code: "E_BACKEND",
    message: "this user may not write where the state is kept",
    advice: {
      next: "Let this user write there, then run the command again.",
      step: outside("free-file", again()),
    },
  },
  {
    pattern: ofABucket(/code=NotFound|NoSuchBucket|no such file or directory|is not a directory/),
    code: "E_BACKEND",
    message: "the state backend is not there",
    advice: {
      next: "Make the bucket or folder, or correct its URL: PULUMI_BACKEND_URL or `backend:` in config.yaml, in a sandbox SPOT_SANDBOX_BACKEND.",
      step: outside("set-environment", again()),
    },
  },
  {
    pattern: /PULUMI_ACCESS_TOKEN|requires logging in|Unauthorized: No credentials|problem logging in/i,
    code: "E_BACKEND",
    message: "there is no valid login at the state backend",
    advice: {
      next: "Set PULUMI_ACCESS_TOKEN to a token that is valid there, or run `pulumi login`.",
      step: outside("set-environment", again()),
    },
  },
  {
    pattern:
      /(?:dial tcp|performing HTTP request|blob \(|operation error)[^]*(?:no such host|connection refused|connection reset|network is unreachable|i\/o timeout|deadline exceeded)/i,
    code: "E_BACKEND",
    message: "the state backend cannot be reached",
    advice: {
      next: "Let this machine reach it, or correct its URL: PULUMI_BACKEND_URL or `backend:` in config.yaml, in a sandbox SPOT_SANDBOX_BACKEND.",
      step: outside("mend-connection", again()),
    },
  },
  {
    pattern: anyOf(
      OF_A_BUCKET,
      ofAService("(?:404|5\\d\\d)"),
      /missing google credentials|request rate-limit exceeded/,
    ),
    code: "E_BACKEND",
    message: "the state backend cannot be used",
  },
];

/**
 * What the CLI says when it cannot even begin, and what that means here. The exit code does not tell these apart,
 * so the text must; a text that no row knows stays visible as the cause.
 */
const CLI_FAILURES: KnownFailure[] = [
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
    pattern: /Another update is currently in progress/i,
    code: "E_LOCKED",
    message: "another update of the stack is in progress",
    advice: UPDATE_UNDER_WAY,
  },
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
  ...BACKEND_FAILURES,
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

/**
 * Something of an engine run could not be written to the state.
 * @param text what the engine says of it
 */
export function unsavedError(text: string): SpotError {
  const cause = BACKEND_FAILURES.find(({ pattern }) => pattern.test(text));
  return new SpotError("E_BACKEND", {
    message: `not all that was done could be recorded${cause ? `: ${cause.message}` : ""}`,
    cause: new Error(shorten(text)),
    next: "Once the state can be written again, run the command again: what was made and not recorded is found by its tags.",
    step: outside("set-environment", again()),
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
