import { phases } from "../../fleet/checks";
import { reasonSkipped } from "../verify/formats/explanation";
import type { CheckResult, NodeVerification, Verification } from "../verify/result";
import { coloursFor, type Terminal } from "./console";
import { tableText } from "./table";

/** Nodes and phases at a glance, then every failure in full. */
export function verificationText(terminal: Terminal, { nodes }: Verification): string {
  const colours = coloursFor(terminal.stdout, terminal.env);
  const seen = phases.filter((phase) => nodes.some(({ results }) => results.some((result) => result.phase === phase)));
  const cell = (results: CheckResult[]): string => {
    const failed = results.filter(({ status }) => status === "failed").length;
    const skipped = results.filter(({ status }) => status === "skipped").length;
    if (failed > 0) return colours.red(`${failed} failed`);
    if (skipped > 0) return colours.yellow(`${skipped} skipped`);
    return results.length === 0 ? "-" : colours.green(`${results.length} ok`);
  };
  const matrix = tableText(
    ["NODE", ...seen.map((phase) => phase.toUpperCase()), "VERIFIED", "TIME"],
    nodes.map((node) => [
      node.node,
      ...seen.map((phase) => cell(node.results.filter((result) => result.phase === phase))),
      node.isVerified ? colours.green("yes") : colours.red("NO"),
      `${(node.milliseconds / 1000).toFixed(1)} s`,
    ]),
  );
  return [matrix, ...nodes.flatMap((node) => problemsOf(node, colours.red))].join("\n");
}

function problemsOf(node: NodeVerification, paint: (text: string) => string): string[] {
  const told = node.results.filter(({ status }) => status === "failed" || status === "warning");
  const skipped = new Map<string, string[]>();
  for (const { status, because, id } of node.results) if (status === "skipped") skipped.set(because ?? "", [...(skipped.get(because ?? "") ?? []), id]);
  return [
    ...told.flatMap((result) => ["", paint(`${node.node} ${result.id} ${result.title}: ${result.status.toUpperCase()}`), ...resultLines(result)]),
    ...[...skipped].map(([because, ids]) => `${node.node}: ${ids.join(", ")} ${reasonSkipped({ because })}`),
  ];
}

/** What was run, expected and found, why and what next: one indented line each. */
export function resultLines({ command, expected, actual, because, cause, next, diagnosis }: CheckResult): string[] {
  const rows: [string, string | undefined][] = [["expected", expected], ["actual", actual], ["because", because], ["cause", cause], ["next", next]];
  return [
    ...(command === undefined ? [] : [commandText("run", command)]),
    ...rows.flatMap(([label, text]) => (text === undefined ? [] : [`${labelled(label)}${indented(text)}`])),
    ...(diagnosis === undefined ? [] : ["  on the way there:", ...diagnosis.map(({ subject, state, evidence }) => `    ${state.padEnd(8)}${subject}: ${indented(evidence)}`)]),
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
