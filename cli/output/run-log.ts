import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import path from "node:path";
import { errorInfo, SpotError, type ErrorInfo } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import type { FleetEvent } from "../../fleet/report/events";
import type { ExitCode } from "../../fleet/errors/exit-codes";
import { writeFileWhole } from "../../system/atomic-file";
import { errorLines, lineFormatter, formatLine } from "./lines";
import { withSteps, type Typed } from "./steps";
import { advance, emptyProgress, type NodeProgress, type Progress } from "./progress";

/** What is kept of the last run of a command that works on nodes: what `status` shows. */
export interface RunRecord {
  version: 1;
  command: string;
  /** The words after the command. */
  args: string[];
  pid: number;
  /** ISO 8601. */
  startedAt: string;
  /** Null while it runs; a run that was killed leaves it so. */
  endedAt: string | null;
  exitCode: number | null;
  stack?: string;
  nodes: NodeProgress[];
  /** Warnings are not in it. */
  failures: ErrorInfo[];
  /** The error that ended the run, when one did. */
  error?: ErrorInfo;
  /** Absolute path of the log. */
  log: string;
}

export interface JournalOptions extends Typed {
  /** Folder of the logs and of the record. */
  folder: string;
  /** Where the log goes instead of a file of its own in the folder. */
  file?: string;
  /** Keep a record for `status`. */
  recorded: boolean;
}

export const recordFile = (folder: string): string => path.join(folder, "last-run.json");

const LOGS_KEPT = 50;
/** Between two writings of a record that grows. */
const RECORD_EVERY_MS = 1000;

/**
 * The full log of one run, without colours and with debug messages, whatever the terminal shows; and the run's progress
 * beside it. The file is made with the first thing to write: a command that told nothing leaves none.
 */
export class RunLog {
  readonly file: string;
  readonly progress: Progress;
  private readonly tell = lineFormatter();
  private readonly startedAt = new Date();
  private readonly failures: ErrorInfo[] = [];
  private descriptor: number | undefined;
  /** Debug messages that came before anything else: by themselves they are not worth a file. */
  private readonly early: string[] = [];
  private recordedAt = 0;
  /** What happened since then is recorded when its time has come, though nothing more may happen for long. */
  private recording: NodeJS.Timeout | undefined;
  private isOver = false;
  /** Why no log, or no more of it, is kept. A run that works on machines never ends because of its own notes. */
  failure: unknown;

  constructor(private readonly options: JournalOptions) {
    this.progress = emptyProgress(this.startedAt.getTime());
    const stamp = this.startedAt.toISOString().replace(/[-:]|\.\d+/g, "");
    this.file = options.file ?? path.join(options.folder, `${stamp}-${options.command}-${process.pid}.log`);
    // A file that was asked for by name is found out at once.
    if (options.file !== undefined) this.descriptor = this.openNamed();
    if (options.recorded) this.record();
  }

  emit(event: FleetEvent): void {
    const now = new Date();
    advance(this.progress, event, now.getTime());
    if ("error" in event && event.error) this.failures.push(event.error);
    for (const told of this.tell(event)) {
      const line = `${now.toISOString()} ${formatLine(told)}`;
      if (told.level === "debug" && this.descriptor === undefined) this.early.push(line);
      else this.write(line);
    }
    if (this.options.recorded && !this.isOver) this.recordSoon(now.getTime());
  }

  /** A line that no event is about. */
  write(text: string): void {
    this.attempt(() => {
      this.descriptor ??= this.open();
      writeSync(this.descriptor, `${text}\n`);
    });
  }

  private attempt(work: () => void): void {
    if (this.failure !== undefined) return;
    try {
      work();
    } catch (error) {
      this.failure = error;
    }
  }

  /** The run is over. An error goes into the log with its stack, which the terminal is spared. */
  end(exitCode: ExitCode, error?: unknown): void {
    if (this.isOver) return;
    this.isOver = true;
    if (error !== undefined) {
      this.write(`${new Date().toISOString()} ${errorLines(errorInfo(error))}`);
      if (error instanceof Error && error.stack) this.write(error.stack);
    }
    if (this.options.recorded) this.record({ exitCode, error });
    if (this.descriptor === undefined) return;
    this.write(
      `${new Date().toISOString()} exit code ${exitCode} after ${((Date.now() - this.startedAt.getTime()) / 1000).toFixed(1)} s`,
    );
    closeSync(this.descriptor);
  }

  /** @throws SpotError E_USAGE */
  private openNamed(): number {
    try {
      return this.open();
    } catch (cause) {
      throw new SpotError("E_USAGE", {
        message: `the log ${this.file} cannot be written`,
        cause,
        next: "Name a file with --log-file in a folder that you may write to.",
        step: outside("correct-command-line"),
      });
    }
  }

  private open(): number {
    const { folder, file, command, args } = this.options;
    mkdirSync(path.dirname(this.file), { recursive: true });
    if (file === undefined) forgetOldLogs(folder);
    const descriptor = openSync(this.file, "w", 0o600);
    const head = `${this.startedAt.toISOString()} spot ${[command, ...args].join(" ")} (process ${process.pid}, node ${process.version}, ${process.platform})`;
    writeSync(descriptor, `${[head, ...this.early].join("\n")}\n`);
    return descriptor;
  }

  private recordSoon(now: number): void {
    const wait = this.recordedAt + RECORD_EVERY_MS - now;
    if (wait <= 0) this.record();
    else this.recording ??= setTimeout(() => this.record(), wait).unref();
  }

  private record(end?: { exitCode: ExitCode; error?: unknown }): void {
    const { folder, command, args } = this.options;
    this.recordedAt = Date.now();
    clearTimeout(this.recording);
    this.recording = undefined;
    const record: RunRecord = {
      version: 1,
      command,
      args: [...args],
      pid: process.pid,
      startedAt: this.startedAt.toISOString(),
      endedAt: end ? new Date().toISOString() : null,
      exitCode: end?.exitCode ?? null,
      ...(this.progress.stack === undefined ? {} : { stack: this.progress.stack }),
      nodes: [...this.progress.nodes.values()],
      failures: this.failures,
      ...(end?.error === undefined ? {} : { error: errorInfo(end.error) }),
      log: this.file,
    };
    this.attempt(() =>
      writeFileWhole(recordFile(folder), `${JSON.stringify(withSteps(record, this.options))}\n`, 0o600),
    );
  }
}

/** Their names begin with the time, so the first ones are the oldest. */
function forgetOldLogs(folder: string): void {
  const logs = readdirSync(folder)
    .filter((name) => /^\d{8}T\d{6}Z-.*\.log$/.test(name))
    .sort();
  for (const name of logs.slice(0, Math.max(0, logs.length - LOGS_KEPT + 1)))
    rmSync(path.join(folder, name), { force: true });
}
