import type { Check, Verdict } from "../../fleet/checks";
import { adviceFor } from "../../fleet/errors";
import { mapTexts, withoutKnown } from "../../fleet/text/masking";
import type { CheckResult, CheckStatus } from "./result";

const headOf = ({ id, title, phase }: Check): Pick<CheckResult, "id" | "title" | "phase"> => ({ id, title, phase });

const STATUS_OF: Record<NonNullable<Verdict["severity"]>, CheckStatus> = {
  fail: "failed",
  warn: "warning",
  info: "info",
  unknown: "unknown",
};

/** What a verdict makes of a check of a node: with the cause and the next step when it does not hold. */
export function toResult(
  node: string,
  check: Check,
  verdict: Verdict,
  { command, milliseconds }: Pick<CheckResult, "command" | "milliseconds">,
): CheckResult {
  const { ok, expected, actual, spans, journals } = verdict;
  return {
    ...headOf(check),
    status: ok ? "ok" : STATUS_OF[verdict.severity ?? check.severity],
    ...(command === undefined ? {} : { command }),
    expected,
    actual,
    ...(ok
      ? {}
      : { cause: verdict.cause ?? check.cause, ...adviceFor(node, verdict.next === undefined ? check : verdict) }),
    ...(ok || journals === undefined || journals.length === 0
      ? {}
      : { journals: journals.map(({ unit, lines }) => ({ unit, lines: [...lines] })) }),
    ...(spans === undefined || spans.length === 0 ? {} : { spans: [...spans] }),
    milliseconds,
  };
}

/** @param because the id of the check that failed or is unknown, or a sentence */
export function skipped(check: Check, because: string, command?: string): CheckResult {
  return {
    ...headOf(check),
    status: "skipped",
    because,
    ...(command === undefined ? {} : { command }),
    milliseconds: 0,
  };
}

/** The result with every secret replaced, wherever it stands. */
export function redacted(result: CheckResult, secrets: readonly string[]): CheckResult {
  return mapTexts(result, (text) => withoutKnown(text, secrets)) as CheckResult;
}
