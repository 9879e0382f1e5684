import type { FleetConfig, Locate } from "../../fleet/config";
import type { SpotErrorInput } from "../../fleet/errors";
import type { ExitCode } from "../../fleet/errors/exit-codes";
import type { Reporter } from "../../fleet/report/events";
import { packageRoot } from "../../project/package-root";
import { inSession, type Session, type SessionOptions } from "../../automation/session";
import type { Interrupts } from "../../automation/session/interrupts";
import { placeIn, type Place } from "../../automation/target";
import type { CommandContext } from "./context";
import { configFor, configPath, placeFrom, type NamedPlace } from "./place";
import { reporterFor, type Shows } from "./reporter";
import { interruptible, reading } from "./signals";

/** What a command may need of config.yaml. */
interface Needs {
  /** All of it, and valid. */
  config: { config: FleetConfig; configFile: string; locate: Locate; text: string };
  /** Where the fleet is: the file may be missing, or broken when the command line names the stack. */
  place: NamedPlace;
}

/** How a command opens its fleet. */
export interface Access<N extends keyof Needs>
  extends Pick<SessionOptions, "starts" | "changes" | "founds" | "withoutState"> {
  needs: N;
  /** Default: `answer`. */
  shows?: Shows;
  /** Refuses the command before anything is read or opened; the log is there by then. */
  before?: () => void;
  /** It changes nothing, so the first wish to stop ends it; what it says then, when a node may have been changed. */
  reads?: true | SpotErrorInput;
  /** Warnings of the configuration are not told: what is shown is a node's own. */
  withoutWarnings?: true;
}

/** What a command works with. */
export interface Opening<G> {
  /** What it needs of config.yaml. */
  given: G;
  reporter: Reporter;
  interrupts: Interrupts;
  options: SessionOptions;
  /** Opens the stack and closes it again: what was replaced meanwhile is the new one in the next session. */
  open: <T>(work: (session: Session) => Promise<T>) => Promise<T>;
}

const READ: {
  [N in keyof Needs]: (context: CommandContext, reporter: Reporter) => { given: Needs[N]; place: Partial<Place> };
} = {
  config(context, reporter) {
    const { config, locate, text } = configFor(context, reporter);
    return { given: { config, configFile: configPath(context), locate, text }, place: placeIn(config) };
  },
  place(context) {
    const given = placeFrom(context);
    return { given, place: given };
  },
};

/**
 * Runs a command that opens its fleet more than once, or not at all: with its reporter, its configuration and the signals
 * of this process.
 * @throws SpotError E_CONFIG_*, E_INTERRUPTED, and what `inSession` throws
 */
export async function withSessions<N extends keyof Needs>(
  context: CommandContext,
  { needs, shows = "answer", before, reads, withoutWarnings, ...kind }: Access<N>,
  work: (opening: Opening<Needs[N]>) => Promise<ExitCode>,
): Promise<ExitCode> {
  const reporter = reporterFor(context, shows);
  before?.();
  const { given, place } = READ[needs](context, withoutWarnings ? { ...reporter, emit: () => undefined } : reporter);
  const run = (interrupts: Interrupts): Promise<ExitCode> => {
    const options: SessionOptions = {
      projectDir: packageRoot(),
      configFile: configPath(context),
      env: context.env,
      reporter,
      interrupts,
      sandbox: context.options.sandbox,
      stack: context.options.stack ?? place.stack,
      backend: place.backend,
      regions: place.regions,
      profile: context.options.profile,
      reading: reads !== undefined,
      ...kind,
    };
    return work({ given, reporter, interrupts, options, open: (use) => inSession(options, use) });
  };
  if (reads === undefined) return interruptible(reporter, run);
  return reading(reporter, run, reads === true ? undefined : reads);
}

/** Runs a command that opens its fleet once. @throws as `withSessions` */
export function withSession<N extends keyof Needs>(
  context: CommandContext,
  access: Access<N>,
  work: (opening: Opening<Needs[N]> & { session: Session }) => Promise<ExitCode>,
): Promise<ExitCode> {
  return withSessions(context, access, (opening) => opening.open((session) => work({ ...opening, session })));
}
