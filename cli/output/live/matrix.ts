import { phases } from "../../../fleet/checks/types";
import type { Span } from "./frame";
import type { NodeProgress, PhaseProgress } from "../progress";

/** From this width on there is room for the phases' names; below it, each is the letter that its checks' ids begin with. */
const NAMED = 160;

/** The columns of the phases that any node has checks of. */
export interface Matrix {
  heads: Span[];
  cellsOf(node: NodeProgress): Span[];
}

/** Nodes and phases while checks run; undefined while there are none. */
export function matrixOf(nodes: readonly NodeProgress[], width: number): Matrix | undefined {
  const columns = phases.flatMap((phase) => {
    const letter = nodes.map(({ checks }) => checks?.phases[phase]?.letter).find((found) => found !== undefined);
    return letter === undefined ? [] : [{ phase, head: width >= NAMED ? phase : letter }];
  });
  if (columns.length === 0) return undefined;
  const padded = ({ text, tone }: Span, head: string): Span => ({ text: `${text.padEnd(head.length)} `, tone });
  return {
    heads: columns.map(({ head }) => padded({ text: head, tone: "debug" }, head)),
    cellsOf: ({ checks }) =>
      columns.map(({ phase, head }) => padded(checks ? cell(checks.phases[phase]) : { text: "" }, head)),
  };
}

/** The signs of the report's page; what is not over has one of its own. */
function cell(progress: PhaseProgress | undefined): Span {
  if (progress === undefined || progress.done === 0) return { text: "·", tone: "debug" };
  if (progress.failed > 0) return { text: "✗", tone: "error" };
  if (progress.unknown > 0) return { text: "?", tone: "warning" };
  if (progress.done < progress.total) return { text: "…", tone: "info" };
  return progress.skipped > 0 ? { text: "–", tone: "warning" } : { text: "✓", tone: "success" };
}
