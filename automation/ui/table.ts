import Table from "cli-table3";
import type { ListedNode } from "../operations/list";
import { coloursFor, type Terminal } from "./console";

/** A table without frames: it can be read, copied and cut by columns. */
export function tableText(head: string[], rows: string[][]): string {
  const none = { top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "", "bottom-left": "", "bottom-right": "", left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " };
  const table = new Table({ head, chars: none, style: { "padding-left": 0, "padding-right": 0, head: [], border: [], compact: true } });
  table.push(...rows);
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

const COLUMNS: { head: string; cell(node: ListedNode, now: number): string }[] = [
  { head: "NODE", cell: ({ name }) => name },
  { head: "INSTANCE", cell: ({ instanceId }) => instanceId },
  { head: "REGION", cell: ({ region }) => region },
  { head: "AZ", cell: ({ availabilityZone }) => availabilityZone },
  { head: "TYPE", cell: ({ instanceType }) => instanceType },
  { head: "MARKET", cell: ({ market }) => market },
  { head: "STATE", cell: ({ state, recorded }) => (recorded ? state : `${state} (not recorded)`) },
  { head: "ADDRESS", cell: ({ address }) => address ?? "-" },
  { head: "AGE", cell: ({ launchedAt }, now) => (launchedAt ? ageText(now - Date.parse(launchedAt)) : "-") },
];

const STATE_COLOUR = { running: "green", pending: "yellow", unknown: "yellow" } as const;

export function nodeTable(terminal: Terminal, nodes: ListedNode[], now = Date.now()): string {
  const colours = coloursFor(terminal.stdout, terminal.env);
  const paint = (head: string, text: string) =>
    head === "STATE" ? colours[STATE_COLOUR[text as keyof typeof STATE_COLOUR] ?? "red"](text) : text;
  return tableText(
    COLUMNS.map(({ head }) => head),
    nodes.map((node) => COLUMNS.map(({ head, cell }) => paint(head, cell(node, now)))),
  );
}

/** A duration in its two largest units: `3d 4h`, `12m 5s`. */
export function ageText(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const units: [string, number][] = [["d", 86_400], ["h", 3600], ["m", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first === -1) return "0s";
  return units
    .slice(first, first + 2)
    .map(([unit, size], i) => `${i === 0 ? Math.floor(seconds / size) : Math.floor((seconds % units[first]![1]) / size)}${unit}`)
    .join(" ");
}
