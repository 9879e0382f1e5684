import type { ExitCode } from "../../fleet/errors/exit-codes";
import type { CommandContext } from "./context";
import type { OptionName } from "./options";

/** What a command file exports. `commands`: every one that there is, for those that tell of them. */
export interface CommandModule {
  run: (context: CommandContext, commands: readonly CommandDefinition[]) => Promise<ExitCode>;
}

export interface CommandDefinition {
  name: string;
  aliases: string[];
  summary: string;
  /** package.json has a script of this name, and of each alias. Else it is called as `npx spot NAME`. */
  script?: true;
  options: OptionName[];
  /** What stands after the command, for help; absent: nothing may. */
  positionals?: { usage: string; min?: number; max: number };
  /** What stands behind `--` and is passed on as it is; absent: nothing may. */
  rest?: string;
  examples: string[];
  load(): Promise<CommandModule>;
}

/** How a command is called in a project: `npm run up`, `npx spot env`. */
export function callOf({ name, script }: CommandDefinition): string {
  return script ? `npm run ${name}` : `npx spot ${name}`;
}

/** The command that goes by this name or alias. */
export function commandNamed(name: string, commands: readonly CommandDefinition[]): CommandDefinition | undefined {
  return commands.find((command) => command.name === name || command.aliases.includes(name));
}
