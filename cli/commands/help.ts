import { ExitCode } from "../../fleet/errors/exit-codes";
import { SpotError } from "../../fleet/errors";
import { didYouMean } from "../../fleet/text/suggest";
import { commandNamed, type CommandDefinition } from "../runtime/command";
import type { CommandContext } from "../runtime/context";
import { optionRows, usageOf } from "../runtime/usage";

export function run(
  { positionals, terminal }: CommandContext,
  commands: readonly CommandDefinition[],
): Promise<ExitCode> {
  const [name] = positionals;
  const command = name === undefined ? undefined : commandNamed(name, commands);
  if (name !== undefined && !command)
    throw new SpotError("E_USAGE", {
      message: `there is no command \`${name}\`${didYouMean(
        name,
        commands.flatMap((known) => [known.name, ...known.aliases]),
      )}`,
    });
  terminal.stdout.write(`${command ? commandHelp(command) : overview(commands)}\n`);
  return Promise.resolve(ExitCode.ok);
}

function overview(commands: readonly CommandDefinition[]): string {
  return [
    "spot: a verified fleet of spot instances in many AWS regions",
    "",
    "Examples",
    "  npm run up -- --sandbox        the whole way on this machine, without an AWS account",
    "  npm run up                     the fleet of config.yaml, on AWS",
    "  npm run list                   what there is",
    "  npm run ssh -- us-west-2-0     log in on a node",
    "  npm run down                   end it, with proof",
    "",
    "Commands",
    ...columns(commands.map(({ name, aliases, summary }) => [[name, ...aliases].join(", "), summary])),
    "",
    "`spot help COMMAND` explains one. The same commands: npm run X -- …, npx spot X …",
    "",
    "Exit codes",
    "  0 done  1 unexpected  2 usage or configuration  3 credentials  4 partly failed or unknown  5 verification failed",
    "  6 no capacity or quota  7 locked  8 something left after down  9 created, not verifiable here  130 interrupted",
  ].join("\n");
}

function commandHelp(command: CommandDefinition): string {
  const options = optionRows(command);
  return [
    `${usageOf(command)}: ${command.summary}`,
    ...(command.aliases.length > 0 ? [`Also: spot ${command.aliases.join(", spot ")}`] : []),
    "",
    "Examples",
    ...command.examples.map((example) => `  ${example}`),
    ...(options.length > 0 ? ["", "Options", ...columns(options)] : []),
  ].join("\n");
}

function columns(rows: [string, string][]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
