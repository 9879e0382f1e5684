import { SpotError } from "../fleet/errors";
import { outside } from "../fleet/steps";
import { shellQuote } from "../fleet/text/shell-quote";
import type { CommandDefinition } from "./runtime/command";
import { OPTIONS, type OptionDefinition, type OptionName } from "./runtime/options";

/** An option that was typed before `--`, where npm reads it and the program never sees it. */
interface Kept {
  name: OptionName;
  /** Absent: npm has "true", which is a switch, or an option whose value npm passed on as a word of its own. */
  value?: string;
}

/** What stands on the command line as the program got it. */
interface CommandWords {
  /** As typed, the command itself aside. */
  words: readonly string[];
  positionals: readonly string[];
  options: Readonly<Record<string, unknown>>;
}

/** npm 10 completes an option that it does not know to one that it knows; those of Node itself begin with a dash. */
const COMPLETED: Partial<Record<OptionName, { to: string; ours: RegExp }>> = {
  node: { to: "node_options", ours: /^[^-]/ },
};

const NOT_ASKED_FOR = new Set(["", "false"]);

/**
 * Refuses a run whose decisive options npm has kept for itself (`npm run down --dry-run`): without them the command
 * would act elsewhere, or in earnest. npm leaves each in the environment as npm_config_NAME. An option that the command
 * line has as well is no loss, and those of other kinds are none of ours: people set `yes` or `loglevel` for npm.
 * @throws SpotError E_USAGE, with the right spelling as the next step
 */
export function refuseOptionsKeptByNpm(command: CommandDefinition, typed: CommandWords, env: NodeJS.ProcessEnv): void {
  // Only npm starts programs with this set; and a command without options acts on nothing.
  if (env.npm_lifecycle_event === undefined || command.options.length === 0) return;
  const lost = keptOptions(env).filter(({ name }) => typed.options[name] === undefined);
  if (lost.length === 0) return;
  const strange = lost.filter(({ name }) => !command.options.includes(name));
  if (strange.length > 0) {
    throw new SpotError("E_USAGE", {
      message: `\`${command.name}\` has no option ${strange.map(({ name }) => `\`--${name}\``).join(" or ")}, and npm kept ${them(strange)} for itself`,
      next: `Nothing was done. Run \`spot help ${command.name}\`.`,
      step: outside("correct-command-line"),
    });
  }
  const { options, words } = withValues(lost, typed);
  const line = (start: string): string => [start, ...options, ...words.map(shellQuote)].join(" ");
  const script = command.name === env.npm_lifecycle_event || command.aliases.includes(env.npm_lifecycle_event);
  throw new SpotError("E_USAGE", {
    message: `npm kept ${options.map((option) => `\`${option}\``).join(" and ")} for itself: \`${command.name}\` would run without ${them(lost)}`,
    next: script
      ? `Nothing was done. npm passes on what stands behind \`--\`: \`${line(`npm run ${env.npm_lifecycle_event} --`)}\`.`
      : `Nothing was done. Type \`${line(`npx spot ${command.name}`)}\`.`,
    step: outside("correct-command-line"),
  });
}

const them = (options: readonly Kept[]): string => (options.length === 1 ? "it" : "them");

function keptOptions(env: NodeJS.ProcessEnv): Kept[] {
  return (Object.keys(OPTIONS) as OptionName[]).flatMap((name): Kept[] => {
    const { decisive, formerly }: OptionDefinition = OPTIONS[name];
    const completed = COMPLETED[name];
    const asCompleted = completed && env[`npm_config_${completed.to}`];
    const spellings = [name, ...(formerly === undefined ? [] : [formerly])].map(
      (spelling) => env[`npm_config_${spelling.replaceAll("-", "_")}`],
    );
    const value =
      spellings.find((kept) => kept !== undefined) ??
      (asCompleted && completed.ours.test(asCompleted) ? asCompleted : undefined);
    if (!decisive || value === undefined || NOT_ASKED_FOR.has(value)) return [];
    return [value === "true" ? { name } : { name, value }];
  });
}

/** The options as they should have been typed, and the words that are left when a value has gone back to its option. */
function withValues(
  lost: readonly Kept[],
  { words, positionals }: CommandWords,
): { options: string[]; words: readonly string[] } {
  const [word] = positionals;
  const without = lost.filter(({ name, value }) => value === undefined && mayTake(OPTIONS[name], word));
  // With several of either, which belong together is not known.
  const owner = without.length === 1 && positionals.length === 1 ? without[0] : undefined;
  return {
    options: lost.map((kept) => spelt(kept, kept === owner ? word : kept.value)),
    words: owner && word !== undefined ? words.filter((_, at) => at !== words.indexOf(word)) : words,
  };
}

const CHOICE = /^\[=(.*)\]$/;

/** Whether an option's value can have been this word; one that may stand alone takes its own words only. */
function mayTake({ value }: OptionDefinition, word: string | undefined): boolean {
  const choice = CHOICE.exec(value ?? "")?.[1];
  return choice === undefined ? value !== undefined : word !== undefined && choice.split("|").includes(word);
}

function spelt({ name }: Kept, value: string | undefined): string {
  const { value: taken }: OptionDefinition = OPTIONS[name];
  if (taken === undefined) return `--${name}`;
  if (CHOICE.test(taken)) return value === undefined ? `--${name}` : `--${name}=${shellQuote(value)}`;
  return `--${name} ${value === undefined ? taken : shellQuote(value)}`;
}
