import { AGAIN, withCommand, type CommandStep, type Step } from "../../fleet/steps";

/** Options that lead a command to a fleet. */
const PLACE = ["sandbox", "stack", "profile", "config"] as const;
type PlaceOption = (typeof PLACE)[number];

/** Commands that do not take all of them. */
export const placeOptionsOf: Readonly<Record<string, readonly PlaceOption[]>> = {
  setup: ["config"],
  sandbox: ["sandbox"],
};

/** What was typed, from which follows how a step is typed. */
export interface Typed {
  command: string;
  /** The words after it. */
  args: readonly string[];
  options: { [K in PlaceOption]?: string };
}

/** The options that lead another command to the same fleet, one word each. */
export const placeArgs = (options: Typed["options"], taken: readonly PlaceOption[] = PLACE): string[] =>
  taken.flatMap((name) => (options[name] === undefined ? [] : [`--${name}=${options[name]}`]));

/** The command with what it lacks here: the words of the one that failed, or what leads it to the same fleet. */
function completed({ command, args }: CommandStep, typed: Typed): CommandStep {
  if (command === AGAIN) {
    const end = typed.args.includes("--") ? typed.args.indexOf("--") : typed.args.length;
    return { command: typed.command, args: [...typed.args.slice(0, end), ...args, ...typed.args.slice(end)] };
  }
  const isGiven = (option: string): boolean => args.some((word) => word.split("=", 1)[0] === option.split("=", 1)[0]);
  return {
    command,
    args: [...args, ...placeArgs(typed.options, placeOptionsOf[command]).filter((option) => !isGiven(option))],
  };
}

const isStep = (value: unknown): value is Step =>
  typeof value === "object" && value !== null && ("command" in value || "action" in value);

/** A document with every step in it (`step`) as it is typed here. */
export function withSteps<T>(document: T, typed: Typed): T {
  const filled = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(filled);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [
        key,
        key === "step" && isStep(inner) ? withCommand(inner, (command) => completed(command, typed)) : filled(inner),
      ]),
    );
  };
  return filled(document) as T;
}
