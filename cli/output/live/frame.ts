import type { Level } from "../../../fleet/report/events";
import { headLine, naturalCompare, pluralize } from "../../../fleet/text/words";
import { LEVEL_WORDS, type LogLine } from "../lines";
import { matrixOf, type Matrix } from "./matrix";
import { countText, type NodeProgress, type Progress, type Stage } from "../progress";

/** A piece of a line, with the meaning that its colour comes from. */
export interface Span {
  text: string;
  tone?: Level;
}
export type FrameLine = Span[];

export interface FrameInput {
  /** The command as a word: `up`. */
  title: string;
  progress: Progress;
  /** What was told last, oldest first. */
  events: readonly LogLine[];
  now: number;
  /** Of the terminal, in characters. */
  width: number;
  height: number;
}

const MOST_EVENTS = 8;
const LEAST_EVENTS = 3;
/** From this width on there is room for the instance and its address. */
const WIDE = 120;

const TONES: Partial<Record<Stage, Level>> = {
  verified: "success",
  unknown: "warning",
  failed: "error",
  deleted: "debug",
  planned: "debug",
  kept: "debug",
};

/** Stages of which the reason is told, not what is waited for. */
const EXPLAINED: Partial<Record<Stage, Level>> = { failed: "error", unknown: "warning" };

/**
 * The live view as lines, none wider than the terminal and together less high than it, so that drawing never scrolls.
 * One line a node; where there are more nodes than lines, one a region. Computes only: the terminal is Screen's.
 */
export function frame({ title, progress, events, now, width, height }: FrameInput): FrameLine[] {
  const nodes = [...progress.nodes.values()].sort((a, b) => naturalCompare(a.name, b.name));
  const place = [progress.stack && `stack ${progress.stack}`, progress.account && `account ${progress.account}`]
    .filter(Boolean)
    .join(", ");
  const head: FrameLine[] = [
    [{ text: title, tone: "info" }, { text: `  ${clock(now - progress.startedAt)}${place ? `  ${place}` : ""}` }],
    ...(nodes.length > 0 ? [[{ text: `${pluralize(nodes.length, "node")}: ${countText(nodes)}` }]] : []),
    ...[...progress.tasks].map(
      ([task, { detail, beganAt }]): FrameLine => [
        { text: `${task}: `, tone: "info" },
        { text: `${detail ?? "under way"}  ${clock(now - beganAt)}` },
      ],
    ),
  ];
  // The cursor rests on a line of its own below.
  const room = Math.max(1, height - 1 - head.length);
  const forEvents = Math.min(LEAST_EVENTS, events.length);
  const table = nodeLines(nodes, now, width);
  const body =
    table.length + forEvents + 1 <= room ? table : regionLines(nodes, now, Math.max(1, room - forEvents - 1));
  const shown = events.slice(-Math.max(0, Math.min(MOST_EVENTS, room - body.length - 1)));
  const tail = room - body.length - 1 > 0 && shown.length > 0 ? [[], ...shown.map(eventLine)] : [];
  return [...head, ...body, ...tail].slice(0, Math.max(1, height - 1)).map((line) => fitted(line, width));
}

/** A line a node; while checks run, with a column a phase, and a line above that names them. */
function nodeLines(nodes: NodeProgress[], now: number, width: number): FrameLine[] {
  const longest = Math.max(...nodes.map(({ name }) => name.length));
  const matrix = matrixOf(nodes, width);
  const before = (node: NodeProgress): FrameLine => [
    { text: `${node.name.padEnd(longest)}  ` },
    { text: node.stage.padEnd(10), tone: TONES[node.stage] ?? "info" },
    { text: `${elapsed(node, now).padStart(6)}  ` },
    ...(width >= WIDE
      ? [
          {
            text: `${(node.instanceId ? `${node.instanceId} @ ${node.address ?? "-"}` : "").padEnd(38)}  `,
            tone: "debug" as const,
          },
        ]
      : []),
  ];
  const lines = nodes.map(
    (node): FrameLine => [
      ...before(node),
      ...cellsOf(matrix, node),
      { text: activity(node), tone: EXPLAINED[node.stage] },
    ],
  );
  const [first] = nodes;
  if (matrix === undefined || first === undefined) return lines;
  return [[{ text: "".padEnd(lineText(before(first)).length) }, ...matrix.heads], ...lines];
}

const cellsOf = (matrix: Matrix | undefined, node: NodeProgress): FrameLine =>
  matrix ? [...matrix.cellsOf(node), { text: " " }] : [];

/** Many nodes: a line a region, each with the node that has been under way for longest. */
function regionLines(nodes: NodeProgress[], now: number, room: number): FrameLine[] {
  const regions = [...new Set(nodes.map(({ region }) => region))].sort();
  const longest = Math.max(0, ...regions.map((region) => region.length));
  const shown = regions.length <= room ? regions : regions.slice(0, Math.max(0, room - 1));
  const lines = shown.map((region): FrameLine => {
    const here = nodes.filter((node) => node.region === region);
    const [slowest] = here
      .flatMap((node) =>
        node.beganAt === undefined || node.endedAt !== undefined ? [] : [{ ...node, beganAt: node.beganAt }],
      )
      .sort((a, b) => a.beganAt - b.beganAt);
    const failed = here.some(({ stage }) => stage === "failed");
    return [
      { text: `${region.padEnd(longest)}  ` },
      { text: countText(here), tone: failed ? "error" : undefined },
      ...(slowest
        ? [{ text: `  longest: ${slowest.name} ${elapsed(slowest, now)} ${activity(slowest)}`, tone: "debug" as const }]
        : []),
    ];
  });
  return shown.length === regions.length
    ? lines
    : [...lines, [{ text: `… and ${regions.length - shown.length} more regions`, tone: "debug" }]];
}

function activity({ reason, checks, stage }: NodeProgress): string {
  if (reason !== undefined) return EXPLAINED[stage] ? reason : `waits: ${reason}`.replace(/^waits: to be /, "to be ");
  if (checks && checks.done < checks.total)
    return `checks ${checks.done} of ${checks.total}${checks.failed.length > 0 ? `, ${checks.failed.length} failed` : ""}`;
  return "";
}

function eventLine({ level, prefix, message }: LogLine): FrameLine {
  return [{ text: `${prefix} ` }, { text: `${LEVEL_WORDS[level]}:`, tone: level }, { text: ` ${headLine(message)}` }];
}

function elapsed({ beganAt, endedAt }: NodeProgress, now: number): string {
  return beganAt === undefined ? "" : clock((endedAt ?? now) - beganAt);
}

/** `0:07`, `12:30`, `1:02:03`. */
export function clock(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export const lineText = (line: FrameLine): string => line.map(({ text }) => text).join("");

/** Cut to the width, the cut marked by an ellipsis; nothing in it can move the cursor. */
function fitted(line: FrameLine, width: number): FrameLine {
  let left = width;
  const clean = line.map(({ text, tone }) => ({
    characters: Array.from(text.replace(/[\u0000-\u001f\u007f-\u009f]/g, " ")),
    tone,
  }));
  const total = clean.reduce((sum, { characters }) => sum + characters.length, 0);
  const mark = total > width;
  if (mark) left -= 1;
  const spans = clean.map(({ characters, tone }): Span => {
    const kept = characters.slice(0, left);
    left -= kept.length;
    return { text: kept.join(""), tone };
  });
  return mark ? [...spans, { text: "…" }] : spans;
}
