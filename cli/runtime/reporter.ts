import path from "node:path";
import { wordsOf } from "../../fleet/errors";
import type { Reporter } from "../../fleet/report/events";
import { packageRoot } from "../../project/package-root";
import { logFolder } from "../../automation/target";
import { pathsOf } from "../../automation/target/paths";
import { consoleReporter } from "../output/console";
import { RunLog } from "../output/run-log";
import { jsonReporter, silentReporter } from "../output/json";
import { canDraw, liveReporter, type View } from "../output/live/live";
import type { CommandContext } from "./context";

/**
 * What a command shows while it runs. `answer`: little, then its answer. `nodes`: it works on nodes, so a live view of them
 * where a person looks on, and a record for `status`. `progress`: as `nodes`, and with --json one event a line, for it runs
 * for long; the others answer with one document.
 */
export type Shows = "answer" | "nodes" | "progress";

/** Where a command's events go: to the log always, and to the view that fits. */
export function reporterFor(context: CommandContext, shows: Shows): Reporter {
  const { command, args, options } = context;
  const journal = new RunLog({
    folder: logsOf(context),
    file: options["log-file"] && path.resolve(options["log-file"]),
    command,
    args,
    options,
    recorded: shows !== "answer",
  });
  const view = viewFor(context, journal, shows);
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
    isAttended: () => view.isAttended?.() === true,
    async confirm(question) {
      const yes = await view.confirm(question);
      journal.write(`${new Date().toISOString()} [spot] ${question.message} ${yes ? "yes" : "no"}`);
      return yes;
    },
  };
}

function viewFor(context: CommandContext, { progress: state }: RunLog, shows: Shows): Reporter & Partial<View> {
  const { command, options, terminal } = context;
  if (options.json) return shows === "progress" ? jsonReporter(context) : silentReporter(context);
  if (shows !== "answer" && !options.plain && !options.quiet && canDraw(terminal))
    return liveReporter(terminal, state, { ...options, title: command });
  return consoleReporter(terminal, options);
}

/** The folder of the logs, of the last run's record and of the last verification's report. */
export function logsOf({ options, env }: CommandContext): string {
  return logFolder({ sandbox: options.sandbox, projectDir: packageRoot(), paths: pathsOf(env), env });
}
