import type { VerificationReport } from "../../../automation/verify/report";
import type { CheckResult } from "../../../automation/verify/result";
import { reasonSkipped } from "../../../automation/verify/explanation";

/** The report in the Test Anything Protocol, version 13. A warning is "not ok # TODO": told, and no failure. */
export function tap({ nodes, leftOut }: VerificationReport): string {
  const tests = nodes.flatMap(({ node, results }) => results.map((result) => ({ node, result })));
  return [
    "TAP version 13",
    `1..${tests.length}`,
    ...(leftOut.length > 0 ? [`# partial: not looked at: ${leftOut.join("; ").replaceAll("\n", " ")}`] : []),
    ...tests.flatMap(({ node, result }, n) => test(n + 1, node, result)),
    "",
  ].join("\n");
}

function test(number: number, node: string, result: CheckResult): string[] {
  const { status, id, title } = result;
  const isOk = status === "ok" || status === "skipped";
  const directive =
    status === "skipped"
      ? ` # SKIP ${plain(reasonSkipped(result))}`
      : status === "warning" || status === "info"
        ? ` # TODO ${status}`
        : "";
  return [
    `${isOk ? "ok" : "not ok"} ${number} - ${plain(`${node} ${id} ${title}`)}${directive}`,
    ...(isOk ? [] : diagnostics(result)),
  ];
}

/** A YAML block; JSON texts are YAML texts. */
function diagnostics({ status, command, expected, actual, cause, next, step, journals }: CheckResult): string[] {
  const rows = Object.entries({ status, command, expected, actual, cause, next, step, journals }).flatMap(
    ([key, value]) => (value === undefined ? [] : [`  ${key}: ${JSON.stringify(value)}`]),
  );
  return ["  ---", ...rows, "  ..."];
}

/** `#` begins a directive. */
const plain = (text: string): string => text.replaceAll("\n", " ").replaceAll("#", "\\#");
