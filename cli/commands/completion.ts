import { SpotError } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import { ExitCode } from "../../fleet/errors/exit-codes";
import type { CommandDefinition } from "../runtime/command";
import { firstWord, type CommandContext } from "../runtime/context";
import { OPTIONS, type OptionDefinition } from "../runtime/options";

type Commands = readonly CommandDefinition[];

/** A shell and the script that completes our commands in it, made from the command table. */
const SHELLS = new Map(Object.entries({ bash, zsh, fish }));

/** What the scripts ask for when a node's name is wanted; the words typed so far stand behind `--`. */
const NODES = "nodes";

export async function run(context: CommandContext, commands: Commands): Promise<ExitCode> {
  const { rest, terminal } = context;
  const name = firstWord(context);
  if (name === NODES) {
    const { knownNodes } = await import("./completion-nodes.js");
    for (const node of knownNodes(context, rest)) terminal.stdout.write(`${node}\n`);
    return ExitCode.ok;
  }
  const script = SHELLS.get(name);
  if (script === undefined)
    throw new SpotError("E_USAGE", {
      message: `there is no completion for ${name}`,
      next: `Use one of: ${[...SHELLS.keys()].join(", ")}.`,
      step: outside("correct-command-line"),
    });
  terminal.stdout.write(`${script(commands)}\n`);
  return ExitCode.ok;
}

const PROGRAMS = ["spot", "spot-deployer"];

const optionsOf = ({ options }: CommandDefinition): string[] =>
  options.flatMap((name) => {
    const { short }: OptionDefinition = OPTIONS[name];
    return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])];
  });

/** What may stand after a command, one way each: `status`, `interrupt NODE`, `[NODES]`. */
const waysOf = ({ positionals }: CommandDefinition): string[][] =>
  (positionals?.usage ?? "").split("|").map((way) => way.trim().split(" "));

/** Words that may stand after a command and are known beforehand. */
function wordsOf(command: CommandDefinition, commands: Commands): string[] {
  if (command.name === "help") return commands.map(({ name }) => name);
  return waysOf(command).flatMap(([word]) => (word !== undefined && /^[a-z]+$/.test(word) ? [word] : []));
}

const isNode = (word: string | undefined): boolean => /^\[?NODES?\]?$/.test(word ?? "");

const takesNode = (command: CommandDefinition): boolean => waysOf(command).some(([word]) => isNode(word));

/** Words behind which a node's name stands, whatever the command: `--node`, `interrupt`. */
const beforeNode = (commands: Commands): string[] => [
  ...Object.entries(OPTIONS).flatMap(([name, option]) =>
    "value" in option && option.value === "NODES" ? [`--${name}`] : [],
  ),
  ...commands.flatMap((command) =>
    waysOf(command).flatMap(([word, next]) => (word !== undefined && isNode(next) ? [word] : [])),
  ),
];

/** Options behind which a file stands. */
const BEFORE_FILE = Object.entries(OPTIONS).flatMap(([name, option]) =>
  "value" in option && option.value.startsWith("FILE") ? [`--${name}`] : [],
);

function bash(commands: Commands): string {
  const cases = commands.map(
    (command) =>
      `    ${[command.name, ...command.aliases].join("|")}) words="${[...(takesNode(command) ? ["$(_spot_nodes)"] : []), ...wordsOf(command, commands), ...optionsOf(command)].join(" ")}" ;;`,
  );
  return `_spot_nodes() {
  [[ "$current" == -* ]] || "\${COMP_WORDS[0]}" completion ${NODES} -- "\${COMP_WORDS[@]:1}" 2>/dev/null
}
_spot() {
  local words current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  case "$previous" in
    ${BEFORE_FILE.join("|")}) COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${beforeNode(commands).join("|")}) COMPREPLY=($(compgen -W "$(_spot_nodes)" -- "$current")); return ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.flatMap(({ name, aliases }) => [name, ...aliases]).join(" ")}" -- "$current"))
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

function zsh(commands: Commands): string {
  const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  const named = (name: string, summary: string) =>
    quoted([name.replaceAll(":", "\\:"), ...(summary === "" ? [] : [summary])].join(":"));
  const cases = commands.map((command) => {
    const rows = [
      ...(takesNode(command) ? ["$(_spot_nodes)"] : []),
      ...wordsOf(command, commands).map((word) => named(word, "")),
      ...command.options.map((name) => named(`--${name}`, OPTIONS[name].description)),
    ];
    return `    ${[command.name, ...command.aliases].join("|")}) entries=(${rows.join(" ")}) ;;`;
  });
  return `#compdef ${PROGRAMS.join(" ")}
_spot_nodes() {
  [[ "$words[CURRENT]" == -* ]] || "$words[1]" completion ${NODES} -- "\${(@)words[2,-1]}" 2>/dev/null
}
_spot() {
  local -a entries
  if (( CURRENT == 2 )); then
    entries=(${commands.map(({ name, summary }) => named(name, summary)).join(" ")})
    _describe command entries
    return
  fi
  case "$words[CURRENT-1]" in
    ${BEFORE_FILE.join("|")}) _files; return ;;
    ${beforeNode(commands).join("|")}) entries=($(_spot_nodes)); _describe node entries; return ;;
  esac
  case "$words[2]" in
${cases.join("\n")}
  esac
  _describe option entries || _files
}
compdef _spot ${PROGRAMS.join(" ")}`;
}

function fish(commands: Commands): string {
  const quoted = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const functions = [
    "function __spot_nodes",
    "  set -l words (commandline -opc)",
    `  $words[1] completion ${NODES} -- $words[2..-1] 2>/dev/null`,
    "end",
    "function __spot_after",
    "  contains -- (commandline -opc)[-1] $argv",
    "end",
  ];
  const lines = PROGRAMS.flatMap((program) => [
    `complete -c ${program} -n ${quoted(
      `__spot_after ${beforeNode(commands)
        .filter((word) => !word.startsWith("-"))
        .join(" ")}`,
    )} -f -a '(__spot_nodes)'`,
    ...commands.map(
      ({ name, summary }) => `complete -c ${program} -n __fish_use_subcommand -f -a ${name} -d ${quoted(summary)}`,
    ),
    ...commands.flatMap((command) => {
      const seen = `__fish_seen_subcommand_from ${[command.name, ...command.aliases].join(" ")}`;
      return [
        ...(takesNode(command) ? [`complete -c ${program} -n ${quoted(seen)} -f -a '(__spot_nodes)'`] : []),
        ...wordsOf(command, commands).map((word) => `complete -c ${program} -n ${quoted(seen)} -f -a ${word}`),
        ...command.options.map((name) => {
          const { short, value, description }: OptionDefinition = OPTIONS[name];
          return `complete -c ${program} -n ${quoted(seen)} -l ${name}${short === undefined ? "" : ` -s ${short}`}${value === undefined || value.startsWith("[") ? "" : " -r"}${value === "NODES" ? " -f -a '(__spot_nodes)'" : ""} -d ${quoted(description)}`;
        }),
      ];
    }),
  ]);
  return [...functions, ...lines].join("\n");
}
