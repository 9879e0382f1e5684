import { dollars, type NodeCost } from "../../fleet/plan/cost";
import { SpotError } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import { didYouMean } from "../../fleet/text/suggest";
import { naturalCompare } from "../../fleet/text/words";
import type { ListedNode } from "../../automation/operations/inspect/list";
import type { UnderWay } from "../../automation/operations/inspect/under-way";
import { coloursFor, type TerminalLike } from "./console";
import { GAP, tableText, widthOf, wrapped } from "./table";

/** A listed node with what it costs. */
export type PricedNode = ListedNode & { cost?: NodeCost };

interface Column {
  name: string;
  head: string;
  cell(node: PricedNode, now: number): string;
  /** What `--sort` compares; absent: the cell's text. */
  order?(node: PricedNode): number;
  /** Shown without being asked for. */
  standard: boolean;
  /** When a terminal is too narrow for all standard columns: its turn to be left out. Absent: it never is. */
  leftOut?: number;
}

const INTERRUPTION_PENDING = "interruption pending";

/** In the place of EC2's state. That of one that is ending says so itself. */
const UNDER_WAY = {
  creating: "being created",
  replacing: "being replaced",
} as const satisfies Partial<Record<UnderWay, string>>;

/** EC2's state, unless more is known of what becomes of the node. */
function stateText({ state, recorded, interruptionPending, underWay }: ListedNode): string {
  if (underWay === "ending") return state;
  if (underWay !== undefined) return UNDER_WAY[underWay];
  if (interruptionPending) return INTERRUPTION_PENDING;
  return recorded ? state : `${state} (not recorded)`;
}

/** The columns of `list`. To add one, add a row. */
const COLUMNS: Column[] = [
  { name: "name", head: "NODE", cell: ({ name }) => name, standard: true },
  { name: "instance", head: "INSTANCE", cell: ({ instanceId }) => instanceId, standard: true },
  { name: "region", head: "REGION", cell: ({ region }) => region, standard: true, leftOut: 1 },
  { name: "az", head: "AZ", cell: ({ availabilityZone }) => availabilityZone, standard: true, leftOut: 6 },
  { name: "type", head: "TYPE", cell: ({ instanceType }) => instanceType, standard: true, leftOut: 3 },
  { name: "market", head: "MARKET", cell: ({ market }) => market, standard: true, leftOut: 2 },
  {
    name: "state",
    head: "STATE",
    cell: stateText,
    standard: true,
  },
  { name: "address", head: "ADDRESS", cell: ({ address }) => address ?? "-", standard: true },
  {
    name: "age",
    head: "AGE",
    cell: ({ launchedAt }, now) => (launchedAt ? ageText(now - Date.parse(launchedAt)) : "-"),
    order: ({ launchedAt }) => (launchedAt ? -Date.parse(launchedAt) : 0),
    standard: true,
    leftOut: 7,
  },
  {
    name: "price",
    head: "$/H",
    cell: ({ cost }) => dollars(cost?.hourly ?? null),
    order: ({ cost }) => cost?.hourly ?? -1,
    standard: true,
    leftOut: 4,
  },
  {
    name: "cost",
    head: "SO FAR",
    cell: ({ cost }) => dollars(cost?.soFar ?? null),
    order: ({ cost }) => cost?.soFar ?? -1,
    standard: true,
    leftOut: 5,
  },
  { name: "launched", head: "LAUNCHED", cell: ({ launchedAt }) => launchedAt ?? "-", standard: false },
  { name: "request", head: "SPOT REQUEST", cell: ({ spotRequest }) => spotRequest?.status ?? "-", standard: false },
  { name: "reason", head: "WHY", cell: ({ stateReason }) => stateReason ?? "-", standard: false },
];

export const columnNames = COLUMNS.map(({ name }) => name);

/** How a table of nodes is to look. */
export interface TableShape {
  columns: Column[];
  /** These columns were asked for: all of them are shown, however narrow the terminal is. */
  asked: boolean;
  sort?: { column: Column; descending: boolean };
}

/**
 * Reads `--columns` and `--sort`.
 * @throws SpotError E_USAGE for a column that there is not, with what may have been meant
 */
export function tableShape({ columns, sort }: { columns?: string; sort?: string }): TableShape {
  const named = (word: string): Column => {
    const found = COLUMNS.find(({ name }) => name === word.trim().toLowerCase());
    if (!found)
      throw new SpotError("E_USAGE", {
        message: `there is no column ${word.trim() === "" ? "without a name" : word}${didYouMean(word, columnNames)}`,
        next: `There are: ${columnNames.join(", ")}.`,
        step: outside("correct-command-line"),
      });
    return found;
  };
  return {
    asked: columns !== undefined,
    columns:
      columns === undefined
        ? COLUMNS.filter(({ standard }) => standard)
        : columns === "all"
          ? COLUMNS
          : columns.split(",").map(named),
    ...(sort === undefined
      ? {}
      : { sort: { column: named(sort.replace(/^-/, "")), descending: sort.startsWith("-") } }),
  };
}

/** @returns the nodes in the order asked for; without one, as they are */
export function sorted<T extends PricedNode>(nodes: readonly T[], { sort }: TableShape, now = Date.now()): T[] {
  if (!sort) return [...nodes];
  const { column, descending } = sort;
  const compare = (a: T, b: T) =>
    column.order ? column.order(a) - column.order(b) : naturalCompare(column.cell(a, now), column.cell(b, now));
  return [...nodes].sort((a, b) => (descending ? compare(b, a) : compare(a, b)));
}

/** Of the states that are in order or not known; any other is red. */
const STATE_COLOUR: Partial<Record<string, "green" | "yellow">> = {
  running: "green",
  pending: "yellow",
  unknown: "yellow",
  [UNDER_WAY.creating]: "yellow",
  [UNDER_WAY.replacing]: "yellow",
};

/** The table of nodes. On a terminal it keeps to the width, unless columns were asked for, and says what is left out. */
export function nodeTable(
  { stdout, env }: { stdout: TerminalLike; env: NodeJS.ProcessEnv },
  nodes: readonly PricedNode[],
  shape = tableShape({}),
  now = Date.now(),
): string {
  const colours = coloursFor(stdout, env);
  const paint = ({ name }: Column, text: string) =>
    name === "state" ? colours[STATE_COLOUR[text] ?? "red"](text) : text;
  // Where no price is known, its columns would say nothing twice.
  const told = nodes.some(({ cost }) => cost && (cost.hourly !== null || cost.soFar !== null))
    ? shape.columns
    : shape.columns.filter(({ name, standard }) => !(standard && (name === "price" || name === "cost")));
  const width = shape.asked ? Infinity : widthOf(stdout);
  const columns = fitting(told, width, (column) => [column.head, ...nodes.map((node) => column.cell(node, now))]);
  const leftOut = told.filter((column) => !columns.includes(column));
  const table = tableText(
    columns.map(({ head }) => head),
    sorted(nodes, shape, now).map((node) => columns.map((column) => paint(column, column.cell(node, now)))),
    width,
  );
  return leftOut.length === 0
    ? table
    : `${table}\n${colours.gray(wrapped(`left out: ${leftOut.map(({ name }) => name).join(", ")}; \`list --columns all\` shows them`, width, GAP))}`;
}

/** As many of the columns as fit, by their turns. */
function fitting(columns: readonly Column[], width: number, textsOf: (column: Column) => string[]): Column[] {
  const left = new Map(columns.map((column) => [column, Math.max(...textsOf(column).map((text) => text.length))]));
  const turns = columns
    .flatMap((column) => (column.leftOut === undefined ? [] : [{ column, turn: column.leftOut }]))
    .sort((a, b) => a.turn - b.turn);
  for (const { column } of turns) {
    const total = [...left.values()].reduce((sum, size) => sum + size + GAP.length, -GAP.length);
    if (total <= width) break;
    left.delete(column);
  }
  return [...left.keys()];
}

/** A duration in its two largest units: `3d 4h`, `12m 5s`. */
export function ageText(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const units: [string, number][] = [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ];
  const [largest, next] = units.filter(([, size]) => seconds >= size);
  if (largest === undefined) return "0s";
  const [unit, size] = largest;
  const rest = next === undefined ? [] : [`${Math.floor((seconds % size) / next[1])}${next[0]}`];
  return [`${Math.floor(seconds / size)}${unit}`, ...rest].join(" ");
}
