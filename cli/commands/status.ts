import { readFileSync } from "node:fs";
import { SpotError } from "../../fleet/errors";
import { spot } from "../../fleet/steps";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { pluralize } from "../../fleet/text/words";
import { processStartedAt } from "../../system/process";
import { clock } from "../output/live/frame";
import { recordFile, type RunRecord } from "../output/run-log";
import { jsonLine } from "../output/json";
import { countText } from "../output/progress";
import { ageText } from "../output/node-table";
import { tableText, widthOf } from "../output/table";
import { keptReport } from "../output/report-store";
import type { CommandContext } from "../runtime/context";
import { logsOf } from "../runtime/reporter";

/** What is told of the last verification: each node's last result of the whole list. */
interface Verified {
  at: string;
  stack: string;
  nodes: number;
  verified: number;
  failed: number;
  unknown: number;
  notLookedAt: number;
  /** When each node was looked at that was not at the last time, by name. */
  earlier: Record<string, string>;
  /** Path of its page. */
  report: string;
}

/** Reads the records of the last run and of the last verification; asks nobody. */
export function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  const folder = logsOf(context);
  const record = readRecord(recordFile(folder));
  const state = record.endedAt !== null ? "ended" : processStartedAt(record.pid) === "none" ? "broken off" : "running";
  const verified = lastVerified(folder);
  if (options.json) jsonLine(context, { ...record, state, ...(verified ? { verification: verified } : {}) });
  else
    terminal.stdout.write(
      `${text({ record, state, verification: verified, now: Date.now() }, widthOf(terminal.stdout))}\n`,
    );
  return Promise.resolve(ExitCode.ok);
}

function lastVerified(folder: string): Verified | undefined {
  const kept = keptReport(folder);
  if (kept === undefined) return undefined;
  const { at, stack, summary, nodes } = kept.report;
  return {
    at,
    stack,
    nodes: summary.nodes + summary.notLookedAt,
    verified: summary.verified,
    failed: summary.failed,
    unknown: summary.unknown,
    notLookedAt: summary.notLookedAt,
    earlier: Object.fromEntries(nodes.flatMap((node) => (node.at === at ? [] : [[node.node, node.at]]))),
    report: kept.page,
  };
}

function readRecord(file: string): RunRecord {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as RunRecord;
  } catch (cause) {
    throw new SpotError("E_NOT_FOUND", {
      message: "no run is recorded here",
      cause,
      next: "Run `up`; with --sandbox, say it here too.",
      step: spot("up"),
    });
  }
}

interface Status {
  record: RunRecord;
  state: string;
  verification: Verified | undefined;
  now: number;
}

function text({ record, state, verification, now }: Status, width: number): string {
  const { command, args, startedAt, endedAt, exitCode, nodes, failures, error, log } = record;
  const end = endedAt === null ? now : Date.parse(endedAt);
  const how =
    state === "ended"
      ? `ended with exit code ${exitCode ?? "unknown"}`
      : state === "running"
        ? `is running (process ${record.pid})`
        : "was broken off; run it again: it clears up and goes on";
  const problems = [...failures, ...(error ? [error] : [])];
  return [
    `${[command, ...args].join(" ")}: ${how}, ${clock(end - Date.parse(startedAt))} long, begun ${ageText(now - Date.parse(startedAt))} ago`,
    ...(nodes.length > 0
      ? [
          `${pluralize(nodes.length, "node")}: ${countText(nodes)}`,
          tableText(
            ["NODE", "STAGE", "REASON"],
            nodes.map(({ name, stage, reason }) => [name, stage, reason ?? ""]),
            width,
          ),
        ]
      : []),
    ...problems.flatMap(({ code, message, next }) => [`${code}: ${message}`, `  next: ${next}`]),
    `log: ${log}`,
    ...(verification ? [verifiedText(verification, now)] : []),
  ].join("\n");
}

function verifiedText(
  { at, stack, nodes, verified, unknown, notLookedAt, earlier, report }: Verified,
  now: number,
): string {
  const ago = (time: string): string => `${ageText(now - Date.parse(time))} ago`;
  const counts = [
    `${verified} of ${pluralize(nodes, "node")} of stack ${stack} verified`,
    ...(unknown > 0 ? [`${unknown} unknown`] : []),
    ...(notLookedAt > 0 ? [`${notLookedAt} not looked at`] : []),
  ];
  const older = Object.entries(earlier).map(([node, time]) => `${node} ${ago(time)}`);
  return `last verification, ${ago(at)}: ${counts.join(", ")}${older.length > 0 ? `; looked at earlier: ${older.join(", ")}` : ""}; its report: ${report}`;
}
