import Table from "cli-table3";
import { stripVTControlCharacters } from "node:util";
import type { TerminalLike } from "./console";

/** What stands between two columns. */
export const GAP = "  ";

/** A cell up to this length is a name or a number with its word: it stays in one line. */
const SHORT = 20;

/** How wide what is shown may be: a file and a pipe take any line, a terminal breaks a longer one wherever it ends. */
export const widthOf = ({ isTTY, columns }: TerminalLike): number => (isTTY ? columns || 80 : Infinity);

/** As many characters as are seen: a colour has none. */
export const seenLength = (text: string): number => stripVTControlCharacters(text).length;

/**
 * A table without frames: it can be read, copied and cut by columns. Where it is wider than `width`, long cells go on
 * below; where that is not enough, each row becomes a paragraph of `HEAD: cell`. No word is ever broken.
 */
export function tableText(head: string[], rows: string[][], width: number): string {
  const columns = head.map((name, i) => [name, ...rows.map((row) => row[i] ?? "")]);
  const whole = columns.map((cells) => Math.max(...cells.map(seenLength)));
  const least = columns.map((cells) => Math.max(...cells.flatMap(piecesOf).map(seenLength)));
  const room = width - GAP.length * (head.length - 1);
  if (sum(whole) <= room) return framed(head, rows);
  if (sum(least) <= room) return framed(head, rows, narrowed(whole, least, room));
  return rows.map((row) => paragraph(head, row, width)).join("\n");
}

/** A text in lines no longer than a width, but for words that are. @param indent stands before each line but the first */
export function wrapped(text: string, width: number, indent = ""): string {
  return flowed(text.split(" "), " ", width, indent);
}

const sum = (sizes: readonly number[]): number => sizes.reduce((total, size) => total + size, 0);

const piecesOf = (cell: string): string[] => (seenLength(cell) <= SHORT ? [cell] : cell.split(" "));

/** Sizes that come to no more than there is room for: the widest column gives way first, none below its least. */
function narrowed(whole: readonly number[], least: readonly number[], room: number): number[] {
  const sizes = [...whole];
  while (sum(sizes) > room) {
    const spare = sizes.map((size, i) => (size > (least[i] ?? 0) ? size : 0));
    const widest = spare.indexOf(Math.max(...spare));
    sizes[widest] = (sizes[widest] ?? 0) - 1;
  }
  return sizes;
}

function framed(head: string[], rows: string[][], colWidths?: number[]): string {
  const none = {
    top: "",
    "top-mid": "",
    "top-left": "",
    "top-right": "",
    bottom: "",
    "bottom-mid": "",
    "bottom-left": "",
    "bottom-right": "",
    left: "",
    "left-mid": "",
    mid: "",
    "mid-mid": "",
    right: "",
    "right-mid": "",
    middle: GAP,
  };
  const table = new Table({
    head,
    chars: none,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [], compact: true },
    ...(colWidths ? { colWidths, wordWrap: true, wrapOnWordBoundary: true } : {}),
  });
  table.push(...rows);
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** A row in words: what is empty is left out. */
function paragraph(head: readonly string[], row: readonly string[], width: number): string {
  const fields = head.flatMap((name, i) => (row[i] ? [`${name}: ${row[i]}`] : []));
  const pieces = fields.flatMap((field) => (seenLength(field) <= width - GAP.length ? [field] : field.split(" ")));
  return flowed(pieces, GAP, width, GAP);
}

/** As many pieces in each line as fit. */
function flowed(pieces: readonly string[], between: string, width: number, indent: string): string {
  const lines: string[] = [];
  for (const piece of pieces) {
    const last = lines.at(-1);
    if (last === undefined) lines.push(piece);
    else if (seenLength(last) + between.length + seenLength(piece) <= width)
      lines[lines.length - 1] = `${last}${between}${piece}`;
    else lines.push(`${indent}${piece}`);
  }
  return lines.join("\n");
}
