import { stepText } from "../../fleet/steps";
import type { CheckResult } from "./result";

/** Why a check was skipped, as a phrase: because of another check, or for a reason of its own. */
export const reasonSkipped = ({ because = "an earlier check" }: Pick<CheckResult, "because">): string =>
  `skipped${/^[A-Z](\d+|-[\w-]+)$/.test(because) ? " because of" : ":"} ${because}`;

/** What was run, expected and found, why and what next: one line each (a line of the output may have more). */
export function explanation({
  command,
  expected,
  actual,
  cause,
  next,
  step,
  diagnosis,
  journals,
}: CheckResult): string[] {
  const rows: [string, string | undefined][] = [
    ["run", command],
    ["expected", expected],
    ["actual", actual],
    ["cause", cause],
    ["next", next],
    ["step", step && stepText(step)],
  ];
  return [
    ...rows.flatMap(([label, text]) => (text === undefined || text === "" ? [] : [`${label}: ${text.trimEnd()}`])),
    ...(diagnosis ?? []).map(({ subject, state, evidence }) => `on the way there: ${subject} ${state}: ${evidence}`),
    ...(journals ?? []).flatMap(({ unit, lines }) => lines.map((line) => `journal of ${unit}: ${line}`)),
  ];
}
