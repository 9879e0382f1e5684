import type { ExitCode } from "../../fleet/errors/exit-codes";
import type { SandboxMode } from "../../sandbox/control";
import type { Terminal } from "../output/console";
import type { OPTIONS, OptionName } from "./options";

type Value<K extends OptionName> = K extends "sandbox"
  ? SandboxMode
  : (typeof OPTIONS)[K] extends { many: true }
    ? string[]
    : (typeof OPTIONS)[K] extends { value: string }
      ? string
      : boolean;
type Always = "yes" | "json" | "verbose" | "debug";

/** The options as given, checked: those that take a value as text (several as a list), switches as true. Names as in the table. */
export type ParsedOptions = { [K in Exclude<OptionName, Always>]?: Value<K> } & Record<Always, boolean>;

/** The word that a command of one word or more begins with; a command line without it was refused. */
export function firstWord({ positionals }: CommandContext): string {
  const [word] = positionals;
  if (word === undefined) throw new Error("the command table lets this command go without a word");
  return word;
}

export interface CommandContext {
  /** The command's name, whatever alias was typed. */
  command: string;
  /** The words after it, as typed. */
  args: string[];
  options: ParsedOptions;
  positionals: string[];
  /** What stood behind `--`. */
  rest: string[];
  terminal: Terminal;
  env: NodeJS.ProcessEnv;
  /** Ends view and log, when the command has begun with them. Safe to call twice. */
  end?(exitCode: ExitCode, error?: unknown): { log?: string };
}
