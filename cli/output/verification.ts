import { phases } from "../../fleet/checks";
import { stepText } from "../../fleet/steps";
import { pluralize } from "../../fleet/text/words";
import { reasonSkipped } from "../../automation/verify/explanation";
import type { Outcome } from "../../automation/verify/outcome";
import type { CheckResult, CheckStatus, NodeVerification, Verification } from "../../automation/verify/result";
import { coloursFor, type TerminalLike } from "./console";
import { tableText, widthOf } from "./table";

/** Nodes and phases at a glance, then every failure in full. Of a part of the list, no node is called verified. */
export function verificationText(
  { stdout, env }: { stdout: TerminalLike; env: NodeJS.ProcessEnv },
  { nodes }: Verification,
): string {
  const colours = coloursFor(stdout, env);
  const seen = phases.filter((phase) => nodes.some(({ results }) => results.some((result) => result.phase === phase)));
  const worst = [
    ["failed", colours.red],
    ["unknown", colours.yellow],
    ["skipped", colours.yellow],
  ] as const;
  const verified = (isWhole: boolean): Record<Outcome, string> => ({
    verified: isWhole ? colours.green("yes") : colours.yellow("in part"),
    failed: colours.red("NO"),
    unknown: colours.yellow("unknown"),
    skipped: colours.red("NO"),
  });
  const cell = (results: CheckResult[]): string => {
    for (const [status, paint] of worst) {
      const count = results.filter((result) => result.status === status).length;
      if (count > 0) return paint(`${count} ${status}`);
    }
    return results.length === 0 ? "-" : colours.green(`${results.length} ok`);
  };
  const matrix = tableText(
    ["NODE", ...seen.map((phase) => phase.toUpperCase()), "VERIFIED", "TIME"],
    nodes.map((node) => [
      node.node,
      ...seen.map((phase) => cell(node.results.filter((result) => result.phase === phase))),
      verified(node.isWhole)[node.outcome],
      `${(node.milliseconds / 1000).toFixed(1)} s`,
    ]),
    widthOf(stdout),
  );
  return [matrix, ...nodes.flatMap((node) => problemsOf(node, colours.red))].join("\n");
}

/**
 * One line: how many of the nodes are verified, what the others are, and what was not looked at.
 * @param expected nodes that there should be and that no check was run on: those that never came up, and those whose
 *   turn did not come
 */
export function verdictLine(
  {
    nodes,
    isWhole,
    leftOut,
    notLookedAt,
  }: Pick<Verification, "isWhole" | "leftOut" | "notLookedAt"> & {
    nodes: readonly Pick<NodeVerification, "outcome">[];
  },
  { down = 0, waiting = 0 }: { down?: number; waiting?: number } = {},
): string {
  const count = (outcome: Outcome): number => nodes.filter((node) => node.outcome === outcome).length;
  const verified = count("verified");
  const asked = nodes.length + down + waiting;
  const rest = leftOut.length > 0 ? ` Not looked at: ${leftOut.join("; ")}.` : "";
  if (asked > 0 && verified === asked) {
    if (isWhole) return `VERIFIED: ${verified} of ${pluralize(asked, "node")}.`;
    const holds =
      leftOut.length === 1 && notLookedAt.length > 0
        ? `${verified} of the fleet's ${pluralize(asked + notLookedAt.length, "node")} verified`
        : `what was looked at holds on ${pluralize(asked, "node")}`;
    return `PARTIAL: ${holds}.${rest}`;
  }
  const others: [number, string][] = [
    [count("failed"), "failed"],
    [count("unknown"), "unknown"],
    [down, "did not come up"],
    [count("skipped"), "not looked at to the end"],
    [waiting, "not looked at"],
  ];
  const told = others.flatMap(([number, word]) => (number > 0 ? [`${number} ${word}`] : []));
  return `NOT VERIFIED${leftOut.length > 0 ? " (PARTIAL)" : ""}: ${[`${verified} of ${pluralize(asked, "node")} verified`, ...told].join(", ")}; what is wrong is explained above.${rest}`;
}

/** What ends what failed, as lines; none where nothing did. */
export const nextLines = ({ step }: Pick<Verification, "step">): string[] =>
  step === undefined ? [] : [`Next: ${stepText(step)}`];

function problemsOf(node: NodeVerification, paint: (text: string) => string): string[] {
  const told = node.results.filter(
    ({ status, journals }) =>
      status === "failed" ||
      status === "warning" ||
      // A note about a workload; what the system itself noted is in the report alone.
      (status === "info" && journals !== undefined),
  );
  const skipped = grouped(node.results, "skipped", ({ because }) => because ?? "");
  return [
    ...[...grouped(node.results, "unknown", ({ cause }) => cause ?? "").values()].flatMap((alike) => [
      "",
      paint(`${node.node} ${alike.map(({ id }) => id).join(", ")}: UNKNOWN`),
      ...resultLines({ ...alike[0], command: undefined, expected: undefined }),
    ]),
    ...told.flatMap((result) => [
      "",
      paint(`${node.node} ${result.id} ${result.title}: ${result.status.toUpperCase()}`),
      ...resultLines(result),
    ]),
    ...[...skipped].map(
      ([because, results]) => `${node.node}: ${results.map(({ id }) => id).join(", ")} ${reasonSkipped({ because })}`,
    ),
  ];
}

/** The results with a status, those of one reason together: a region that does not answer is told once, not once a check. */
function grouped(
  results: readonly CheckResult[],
  status: CheckStatus,
  reasonOf: (result: CheckResult) => string,
): Map<string, [CheckResult, ...CheckResult[]]> {
  const groups = new Map<string, [CheckResult, ...CheckResult[]]>();
  for (const result of results.filter((candidate) => candidate.status === status)) {
    const alike = groups.get(reasonOf(result));
    groups.set(reasonOf(result), alike ? [...alike, result] : [result]);
  }
  return groups;
}

/** What was run, expected and found, why and what next: one indented line each. */
export function resultLines({
  command,
  expected,
  actual,
  because,
  cause,
  next,
  diagnosis,
  journals,
}: CheckResult): string[] {
  const rows: [string, string | undefined][] = [
    ["expected", expected],
    ["actual", actual],
    ["because", because],
    ["cause", cause],
    ["next", next],
  ];
  return [
    ...(command === undefined ? [] : [commandText("run", command)]),
    ...rows.flatMap(([label, text]) => (text === undefined ? [] : [`${labelled(label)}${indented(text)}`])),
    ...(diagnosis === undefined
      ? []
      : [
          "  on the way there:",
          ...diagnosis.map(({ subject, state, evidence }) => `    ${state.padEnd(8)}${subject}: ${indented(evidence)}`),
        ]),
    ...(journals ?? []).flatMap(({ unit, lines }) => [
      `  the journal of ${unit}, its last lines:`,
      ...lines.map((line) => `    ${line}`),
    ]),
  ];
}

/** A command as it can be pasted: one line stands behind its label, several stand below it with nothing before them. */
export function commandText(label: string, command: string): string {
  const text = command.trimEnd();
  return text.includes("\n") ? `  ${label}:\n${text}` : `${labelled(label)}${text}`;
}

const labelled = (label: string): string => `  ${`${label}:`.padEnd(10)}`;

function indented(text: string): string {
  return text.trimEnd().split("\n").join("\n            ");
}
