import type { CommandDefinition } from "./command";
import { OPTIONS, type OptionDefinition } from "./options";

/** `spot ssh NODE [OPTIONS] [-- COMMAND]` */
export function usageOf({ name, positionals, options, rest }: CommandDefinition): string {
  const words = [
    ...(positionals
      ? [positionals.min || positionals.usage.startsWith("[") ? positionals.usage : `[${positionals.usage}]`]
      : []),
    ...(options.length > 0 ? ["[OPTIONS]"] : []),
    ...(rest === undefined ? [] : [`[-- ${rest}]`]),
  ];
  return ["spot", name, ...words].join(" ");
}

/** Each option of a command as it is typed, and what it is for. */
export function optionRows({ options }: CommandDefinition): [string, string][] {
  return options.map((name) => {
    const { value, short, description }: OptionDefinition = OPTIONS[name];
    const taken = value === undefined ? "" : value.startsWith("[") ? value : ` ${value}`;
    return [`${short === undefined ? "" : `-${short}, `}--${name}${taken}`, description];
  });
}
