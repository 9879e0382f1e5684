import path from "node:path";
import { isSpotError, SpotError } from "../../fleet/errors";
import type { Reporter } from "../../fleet/report/events";
import { shellQuote } from "../../fleet/text/shell-quote";
import { readConfig, type ConfigFile } from "../../project/config-file";
import { packageRoot } from "../../project/package-root";
import { placeIn, type Place } from "../../automation/target";
import { isAbsent } from "../../system/absent";
import { placeArgs } from "../output/steps";
import type { CommandContext, ParsedOptions } from "./context";

/** The configuration's path: named ones from where the user stands, the default one beside Pulumi.yaml. */
export function configPath({ options }: CommandContext): string {
  return options.config ? path.resolve(options.config) : path.join(packageRoot(), "config.yaml");
}

/** The options that lead another command to the same fleet, as they are typed. */
export const placeWords = (options: Pick<ParsedOptions, "sandbox" | "stack" | "profile" | "config">): string[] =>
  placeArgs(options).map(shellQuote);

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

/** What config.yaml says of the place that a command acts on. */
export type NamedPlace = Partial<Place> & { clusterApi?: string };

/**
 * Stack, backend and orchestrator as config.yaml names them. Commands that need nothing else work without it, or with a broken one
 * when the command line names the stack; a file that was asked for by name must be there.
 * @throws SpotError E_CONFIG_*
 */
export function placeFrom(context: CommandContext): NamedPlace {
  return namedPlace(configPath(context), context.options);
}

/** `placeFrom` for a file and what the command line names. */
export function namedPlace(file: string, named: { config?: string; stack?: string }): NamedPlace {
  if (named.config === undefined && isAbsent(file)) return {};
  try {
    const { config } = readConfig(file);
    return { ...placeIn(config), clusterApi: config.bacalhau?.api };
  } catch (error) {
    if (named.config !== undefined || !isSpotError(error)) throw error;
    if (named.stack !== undefined) return {};
    // The usual stack in the place of the one that the file names would be another fleet.
    const { code, message, cause, next, step, location, problems } = error;
    throw new SpotError(code, {
      message,
      cause,
      next: `${next} Or name the stack with --stack: then the file is not needed.`,
      step,
      location,
      problems: [...problems],
    });
  }
}
