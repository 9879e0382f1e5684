import path from "node:path";
import type { ErrorInfo } from "../../fleet/errors";
import { ExitCode } from "../../fleet/exit-codes";
import type { Reporter } from "../../fleet/events";
import { packageRoot } from "../../project/package-root";
import type { ConfigFile } from "../../project/config-file";
import { readConfig } from "../../project/config-file";
import { watchSignals, type Interrupts } from "../interrupts";
import type { SessionOptions } from "../session";
import { consoleReporter } from "../ui/console";
import { jsonReporter, silentReporter } from "../ui/json";
import type { CommandContext } from "./context";

/** Commands that run for long tell their progress; the others answer with one document. */
export function reporterFor({ options, terminal }: CommandContext, progress: boolean): Reporter {
  if (!options.json) return consoleReporter(terminal, options);
  return progress ? jsonReporter(terminal, options) : silentReporter(terminal, options);
}

/** The configuration's path: named ones from where the user stands, the default one beside Pulumi.yaml. */
export function configPath({ options }: CommandContext): string {
  return options.config ? path.resolve(options.config) : path.join(packageRoot(), "config.yaml");
}

/** Reads the configuration and tells its warnings. @throws SpotError E_CONFIG_* */
export function configFor(context: CommandContext, reporter: Reporter): ConfigFile {
  const file = readConfig(configPath(context));
  for (const { message, location } of file.warnings) {
    reporter.emit({ type: "message", level: "warning", subject: "config", message: `${path.basename(location.file)}:${location.line}:${location.column}: ${message}` });
  }
  return file;
}

export function sessionOptions(
  { options, env }: CommandContext,
  given: { reporter: Reporter; interrupts: Interrupts; stack?: string; backend?: string },
): SessionOptions {
  return {
    projectDir: packageRoot(),
    env,
    reporter: given.reporter,
    interrupts: given.interrupts,
    sandbox: options.sandbox,
    stack: options.stack ?? given.stack,
    backend: given.backend,
    profile: options.profile,
  };
}

/** Runs `work` with the signals of this process turned into interrupts. */
export async function interruptible<T>(reporter: Reporter, work: (interrupts: Interrupts) => Promise<T>): Promise<T> {
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
  } finally {
    interrupts.release();
  }
}

/**
 * The exit code of a run in which something failed: what all failures have in common, else "partial". While a part of
 * the fleet stands, it is partial whatever the class.
 */
export function exitCodeOf(failures: ErrorInfo[], standing: number): ExitCode {
  if (failures.length === 0) return ExitCode.ok;
  if (failures.some((failure) => failure.class === "interrupted")) return ExitCode.interrupted;
  if (standing > 0) return ExitCode.partial;
  const all = (...classes: string[]) => failures.every((failure) => classes.includes(failure.class));
  if (all("capacity", "quota", "price")) return ExitCode.noCapacity;
  if (all("auth")) return ExitCode.credentials;
  if (all("config", "usage")) return ExitCode.usage;
  return ExitCode.partial;
}
