import path from "node:path";
import { SpotError, wordsOf, type ErrorInfo, type SpotErrorInput } from "../../fleet/errors";
import { ExitCode } from "../../fleet/errors/exit-codes";
import type { Reporter } from "../../fleet/report/events";
import { quote } from "../../fleet/text/quote";
import { packageRoot } from "../../project/package-root";
import type { ConfigFile } from "../../project/config-file";
import { readConfig } from "../../project/config-file";
import { watchSignals, type Interrupts } from "../../automation/session/interrupts";
import type { SessionOptions } from "../../automation/session";
import { pathsOf } from "../../automation/target/paths";
import { logFolder, type Place } from "../../automation/target";
import { consoleReporter } from "../output/console";
import { Journal } from "../output/journal";
import { jsonReporter, silentReporter } from "../output/json";
import { canDraw, liveReporter, type View } from "../output/live/live";
import type { CommandContext, ParsedOptions } from "./context";

/**
 * Where a command's events go: to the log always, and to the view that fits.
 * @param progress with --json, commands that run for long tell their progress; the others answer with one document
 * @param live the command works on nodes: a live view where a person looks on, and a record for `status`
 */
export function reporterFor(context: CommandContext, progress: boolean, live = progress): Reporter {
  const { command, args, options } = context;
  const journal = new Journal({
    folder: logsOf(context),
    file: options["log-file"] && path.resolve(options["log-file"]),
    command,
    args,
    recorded: live,
  });
  const view = viewFor(context, journal, { progress, live });
  context.end = (exitCode, error) => {
    view.end?.();
    journal.end(exitCode, error);
    return journal.failure === undefined ? { log: journal.file } : {};
  };
  let isTold = false;
  const tellLostLog = (): void => {
    if (isTold || journal.failure === undefined) return;
    isTold = true;
    view.emit({
      type: "message",
      level: "warning",
      subject: "log",
      message: `no log is kept of this run: ${wordsOf(journal.failure)}`,
    });
  };
  return {
    emit(event) {
      journal.emit(event);
      tellLostLog();
      view.emit(event);
    },
    async confirm(question) {
      const yes = await view.confirm(question);
      journal.write(`${new Date().toISOString()} [spot] ${question.message} ${yes ? "yes" : "no"}`);
      return yes;
    },
  };
}

function viewFor(
  { command, options, terminal }: CommandContext,
  { progress: state }: Journal,
  { progress, live }: { progress: boolean; live: boolean },
): Reporter & Partial<View> {
  if (options.json) return progress ? jsonReporter(terminal, options) : silentReporter(terminal, options);
  if (live && !options.plain && !options.quiet && canDraw(terminal))
    return liveReporter(terminal, state, { ...options, title: command });
  return consoleReporter(terminal, options);
}

/** The folder of the logs, of the last run's record and of the last verification's report. */
export function logsOf({ options, env }: CommandContext): string {
  return logFolder({ sandbox: options.sandbox, projectDir: packageRoot(), paths: pathsOf(env), env });
}

/** The configuration's path: named ones from where the user stands, the default one beside Pulumi.yaml. */
export function configPath({ options }: CommandContext): string {
  return options.config ? path.resolve(options.config) : path.join(packageRoot(), "config.yaml");
}

/** The options that lead another command to the same fleet, as they are typed. */
export function placeWords(options: Pick<ParsedOptions, "sandbox" | "stack" | "profile" | "config">): string[] {
  return (["sandbox", "stack", "profile", "config"] as const).flatMap((name) =>
    options[name] === undefined ? [] : [`--${name}=${quote(options[name])}`],
  );
}

/** Reads the configuration and tells its warnings. @throws SpotError E_CONFIG_* */
export function configFor(context: CommandContext, reporter: Reporter): ConfigFile {
  const file = readConfig(configPath(context));
  for (const { message, location } of file.warnings) {
    reporter.emit({
      type: "message",
      level: "warning",
      subject: "config",
      message: `${path.basename(location.file)}:${location.line}:${location.column}: ${message}`,
    });
  }
  return file;
}

export function sessionOptions(
  context: CommandContext,
  given: { reporter: Reporter; interrupts: Interrupts } & Partial<Place>,
): SessionOptions {
  const { options, env } = context;
  return {
    projectDir: packageRoot(),
    configFile: configPath(context),
    env,
    reporter: given.reporter,
    interrupts: given.interrupts,
    sandbox: options.sandbox,
    stack: options.stack ?? given.stack,
    backend: given.backend,
    regions: given.regions,
    profile: options.profile,
  };
}

/** Runs `work` with the signals of this process turned into interrupts. */
export async function interruptible<T>(reporter: Reporter, work: (interrupts: Interrupts) => Promise<T>): Promise<T> {
  // What comes may load the SDK, in a process that is the command line's own.
  await import("../../automation/engine/lean-sdk/preload.js");
  const interrupts = watchSignals((stage) =>
    reporter.emit({
      type: "message",
      level: "warning",
      message:
        stage === "soft"
          ? "interrupted: finishing what is in flight; interrupt again to stop at once"
          : "stopping at once; the next run clears up",
    }),
  );
  try {
    return await work(interrupts);
  } catch (error) {
    // What was cut off because of the second wish did not fail by itself.
    interrupts.hard.throwIfAborted();
    throw error;
  } finally {
    interrupts.release();
  }
}

const UNCHANGED = { message: "the command was interrupted; it changes nothing", next: "Run it again." };

/**
 * As `interruptible`, for a command that changes nothing: the first wish to stop ends it, and what it failed with, or
 * half found out, because of that is not told.
 * @throws SpotError E_INTERRUPTED
 */
export function reading<T>(
  reporter: Reporter,
  work: (interrupts: Interrupts) => Promise<T>,
  interrupted: SpotErrorInput = UNCHANGED,
): Promise<T> {
  return interruptible(reporter, async (interrupts) => {
    const stopped = new Promise<never>((_resolve, reject) => {
      interrupts.soft.addEventListener("abort", () => reject(new SpotError("E_INTERRUPTED", interrupted)), {
        once: true,
      });
    });
    return Promise.race([work(interrupts), stopped]);
  });
}

/**
 * The exit code of a run in which something failed: what all failures have in common, else "partial". While a part of
 * the fleet stands, it is partial whatever the class.
 */
export function exitCodeOf(failures: ErrorInfo[], standing: number): ExitCode {
  if (failures.length === 0) return ExitCode.ok;
  if (failures.some((failure) => failure.class === "interrupted")) return ExitCode.interrupted;
  // Credentials that AWS refuses are no matter of one part: nothing goes on before they are renewed.
  if (failures.some((failure) => failure.code === "E_CREDENTIALS")) return ExitCode.credentials;
  if (standing > 0) return ExitCode.partial;
  const all = (...classes: string[]) => failures.every((failure) => classes.includes(failure.class));
  if (all("capacity", "quota", "price")) return ExitCode.noCapacity;
  if (all("auth")) return ExitCode.credentials;
  if (all("config", "usage")) return ExitCode.usage;
  return ExitCode.partial;
}
