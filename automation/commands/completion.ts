import { SpotError } from "../../fleet/errors";
import { ExitCode } from "../../fleet/exit-codes";
import type { CommandContext } from "./context";
import { COMMANDS, OPTIONS, type CommandDefinition, type OptionDefinition } from "./table";

/** A shell and the script that completes our commands in it, made from the command table. */
const SHELLS: Record<string, () => string> = { bash, zsh, fish };

export async function run({ positionals, terminal }: CommandContext): Promise<ExitCode> {
  const name = positionals[0]!;
  if (!Object.hasOwn(SHELLS, name)) throw new SpotError("E_USAGE", { message: `there is no completion for ${name}`, next: `Use one of: ${Object.keys(SHELLS).join(", ")}.` });
  terminal.stdout.write(`${SHELLS[name]!()}\n`);
  return ExitCode.ok;
}

const PROGRAMS = ["spot", "spot-deployer"];

const optionsOf = ({ options }: CommandDefinition): string[] =>
  options.flatMap((name) => {
    const { short }: OptionDefinition = OPTIONS[name];
    return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])];
  });

/** Words that may stand after a command and are known beforehand. */
function wordsOf(command: CommandDefinition): string[] {
  if (command.name === "help") return COMMANDS.map(({ name }) => name);
  const usage = command.positionals?.usage ?? "";
  return usage.includes("|") ? usage.split("|").map((part) => part.trim().split(" ", 1)[0]!).filter((word) => /^[a-z]+$/.test(word)) : [];
}

function bash(): string {
  const cases = COMMANDS.map((command) => `    ${[command.name, ...command.aliases].join("|")}) words="${[...wordsOf(command), ...optionsOf(command)].join(" ")}" ;;`);
  return `_spot() {
  local words current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  case "$previous" in
    --config|--log-file) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${COMMANDS.flatMap(({ name, aliases }) => [name, ...aliases]).join(" ")}" -- "$current"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    *) words="" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _spot ${PROGRAMS.join(" ")}`;
}

function zsh(): string {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const named = (name: string, summary: string) => quoted([name.replaceAll(":", "\\:"), ...(summary === "" ? [] : [summary])].join(":"));
  const cases = COMMANDS.map((command) => {
    const rows = [...wordsOf(command).map((word) => named(word, "")), ...command.options.map((name) => named(`--${name}`, OPTIONS[name].description))];
    return `    ${[command.name, ...command.aliases].join("|")}) entries=(${rows.join(" ")}) ;;`;
  });
  return `#compdef ${PROGRAMS.join(" ")}
_spot() {
  local -a entries
  if (( CURRENT == 2 )); then
    entries=(${COMMANDS.map(({ name, summary }) => named(name, summary)).join(" ")})
    _describe command entries
    return
  fi
  case "$words[2]" in
${cases.join("\n")}
  esac
  _describe option entries || _files
}
compdef _spot ${PROGRAMS.join(" ")}`;
}

function fish(): string {
  const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = PROGRAMS.flatMap((program) => [
    ...COMMANDS.map(({ name, summary }) => `complete -c ${program} -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`),
    ...COMMANDS.flatMap((command) => {
      const seen = `__fish_seen_subcommand_from ${[command.name, ...command.aliases].join(" ")}`;
      return [
        ...wordsOf(command).map((word) => `complete -c ${program} -n ${quoted(seen)} -f -a ${word}`),
        ...command.options.map((name) => {
          const { short, value, description }: OptionDefinition = OPTIONS[name];
          return `complete -c ${program} -n ${quoted(seen)} -l ${name}${short === undefined ? "" : ` -s ${short}`}${value === undefined || value.startsWith("[") ? "" : " -r"} -d ${quoted(description)}`;
        }),
      ];
    }),
  ]);
  return lines.join("\n");
}
