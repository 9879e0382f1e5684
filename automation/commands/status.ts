import { readFileSync } from "node:fs";
import { SpotError } from "../../fleet/errors";
import { ExitCode } from "../../fleet/exit-codes";
import { packageRoot } from "../../project/package-root";
import { pathsOf } from "../paths";
import { processStartedAt } from "../processes";
import { logFolder } from "../target";
import { clock } from "../ui/frame";
import { recordFile, type RunRecord } from "../ui/journal";
import { jsonLine } from "../ui/json";
import { countText } from "../ui/progress";
import { ageText, tableText } from "../ui/table";
import type { CommandContext } from "./context";

/** Reads the record of the last run; asks nobody. */
export async function run({ options, terminal, env }: CommandContext): Promise<ExitCode> {
  const folder = logFolder({ sandbox: options.sandbox, projectDir: packageRoot(), paths: pathsOf(env), env });
  const record = readRecord(recordFile(folder));
  const state = record.endedAt !== null ? "ended" : processStartedAt(record.pid) === "none" ? "broken off" : "running";
  if (options.json) jsonLine(terminal, { ...record, state });
  else terminal.stdout.write(`${text(record, state, Date.now())}\n`);
  return ExitCode.ok;
}

function readRecord(file: string): RunRecord {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as RunRecord;
  } catch (cause) {
    throw new SpotError("E_NOT_FOUND", { message: "no run is recorded here", cause, next: "Run `up`; with --sandbox, say it here too." });
  }
}

function text(record: RunRecord, state: string, now: number): string {
  const { command, args, startedAt, endedAt, exitCode, nodes, failures, error, log } = record;
  const end = endedAt === null ? now : Date.parse(endedAt);
  const how = state === "ended" ? `ended with exit code ${exitCode}` : state === "running" ? `is running (process ${record.pid})` : "was broken off; run it again: it clears up and goes on";
  const problems = [...failures, ...(error ? [error] : [])];
  return [
    `${[command, ...args].join(" ")}: ${how}, ${clock(end - Date.parse(startedAt))} long, begun ${ageText(now - Date.parse(startedAt))} ago`,
    ...(nodes.length > 0 ? [`${nodes.length} nodes: ${countText(nodes)}`, tableText(["NODE", "STAGE", "REASON"], nodes.map(({ name, stage, reason }) => [name, stage, reason ?? ""]))] : []),
    ...problems.flatMap(({ code, message, next }) => [`${code}: ${message}`, `  next: ${next}`]),
    `log: ${log}`,
  ].join("\n");
}
