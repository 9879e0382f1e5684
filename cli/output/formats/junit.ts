import type { VerificationReport } from "../../../automation/verify/report";
import type { CheckResult, NodeVerification } from "../../../automation/verify/result";
import { explanation, reasonSkipped } from "../../../automation/verify/explanation";

/** The report as JUnit XML: a suite for each node, a case for each check. Warnings do not fail, so they are output. */
export function junit({ nodes, stack, at, leftOut }: VerificationReport): string {
  // Strict readers (Jenkins' schema) know no number of skipped cases for the whole.
  const { tests, failures, errors } = totalsOf(nodes.flatMap(({ results }) => results));
  const seconds = nodes.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    open("testsuites", { name: `verify ${stack}`, tests, failures, errors, time: seconds.toFixed(3) }),
    ...nodes.flatMap((node) => suite(node, at, leftOut)),
    "</testsuites>",
    "",
  ].join("\n");
}

function suite(node: NodeVerification, at: string, leftOut: readonly string[]): string[] {
  const { node: name, results, instanceId, address, milliseconds } = node;
  return [
    `  ${open("testsuite", { name, ...totalsOf(results), time: (milliseconds / 1000).toFixed(3), timestamp: at.replace(/\.\d+Z$/, ""), hostname: address ?? instanceId })}`,
    ...(leftOut.length > 0
      ? [
          "    <properties>",
          `      ${open("property", { name: "partial", value: `not looked at: ${leftOut.join("; ")}` }, true)}`,
          "    </properties>",
        ]
      : []),
    ...results.flatMap((result) => testCase(name, result)),
    "  </testsuite>",
  ];
}

function testCase(node: string, result: CheckResult): string[] {
  const head = {
    classname: `${node}.${result.phase}`,
    name: `${result.id} ${result.title}`,
    time: (result.milliseconds / 1000).toFixed(3),
  };
  const inside = content(result);
  return inside === undefined
    ? [`    ${open("testcase", head, true)}`]
    : [`    ${open("testcase", head)}`, `      ${inside}`, "    </testcase>"];
}

function content(result: CheckResult): string | undefined {
  switch (result.status) {
    case "ok":
      return undefined;
    case "skipped":
      return open("skipped", { message: reasonSkipped(result) }, true);
    case "failed":
      return `${open("failure", { type: result.id, message: result.actual ?? "" })}${escaped(explanation(result).join("\n"))}</failure>`;
    // In JUnit's words an error is a test that could not be carried out.
    case "unknown":
      return `${open("error", { type: result.id, message: `unknown: ${result.cause ?? ""}` })}${escaped(explanation(result).join("\n"))}</error>`;
    default:
      return `<system-out>${escaped([result.status.toUpperCase(), ...explanation(result)].join("\n"))}</system-out>`;
  }
}

function totalsOf(results: readonly CheckResult[]): {
  tests: number;
  failures: number;
  errors: number;
  skipped: number;
} {
  const count = (status: string): number => results.filter((result) => result.status === status).length;
  return { tests: results.length, failures: count("failed"), errors: count("unknown"), skipped: count("skipped") };
}

function open(tag: string, attributes: Record<string, string | number>, isEmpty = false): string {
  const written = Object.entries(attributes).map(
    ([name, value]) => ` ${name}="${escaped(String(value)).replaceAll("\n", "&#10;")}"`,
  );
  return `<${tag}${written.join("")}${isEmpty ? "/" : ""}>`;
}

/** Text for XML 1.0, which has no place for control characters whatever way they are written. */
function escaped(text: string): string {
  return Array.from(text)
    .filter(
      (character) => !/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]/.test(character) || character.length > 1,
    )
    .join("")
    .replace(
      /[&<>"]/g,
      (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[character] ?? character,
    );
}
