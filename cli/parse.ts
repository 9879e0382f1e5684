import { parseArgs, type ParseArgsConfig } from "node:util";
import { SpotError } from "../fleet/errors";
import { outside } from "../fleet/steps";
import { STACK_NAME } from "../fleet/model";
import { didYouMean } from "../fleet/text/suggest";
import type { SandboxMode } from "../sandbox/control";
import { commandNamed, type CommandDefinition } from "./runtime/command";
import type { ParsedOptions } from "./runtime/context";
import { refuseOptionsKeptByNpm } from "./npm-options";
import { OPTIONS, type OptionDefinition, type OptionName } from "./runtime/options";
import { COMMANDS } from "./table";

const SANDBOX_MODES: readonly SandboxMode[] = ["hosts", "images", "api"];

const VPC_ID = /^vpc-[0-9a-f]{8,17}$/;

export interface ParsedCommandLine {
  command: CommandDefinition;
  options: ParsedOptions;
  positionals: string[];
  /** What stood behind `--`. */
  rest: string[];
}

/**
 * Understands a command line, or says what is wrong with it. `env` tells what of it npm kept.
 * @throws SpotError E_USAGE
 */
export function parseCommandLine(argv: string[], env: NodeJS.ProcessEnv = {}): ParsedCommandLine {
  const [first, ...words] = argv;
  if (first === undefined || first === "--help" || first === "-h")
    return { command: demand("help"), options: parsed({}), positionals: [], rest: [] };
  if (first === "--version") return { command: demand("version"), options: parsed({}), positionals: [], rest: [] };
  const command = demand(first);
  const end = command.rest === undefined || !words.includes("--") ? words.length : words.indexOf("--");
  const [own, rest] = [words.slice(0, end), words.slice(end + 1)];
  if (own.includes("--help") || own.includes("-h"))
    return { command: demand("help"), options: parsed({}), positionals: [command.name], rest: [] };
  const { values, positionals } = read(command, own);
  // Before what is left is judged: a word too many may be the value of an option that npm kept.
  refuseOptionsKeptByNpm(command, { words, positionals, options: values }, env);
  if (positionals.length > (command.positionals?.max ?? 0)) {
    throw usage(
      command,
      `\`${positionals[command.positionals?.max ?? 0] ?? ""}\` is not understood after \`${command.name}\``,
    );
  }
  if (command.positionals && positionals.length < (command.positionals.min ?? 0)) {
    throw usage(command, `\`${command.name}\` needs ${command.positionals.usage}`);
  }
  return { command, options: parsed(values), positionals, rest };
}

function demand(name: string): CommandDefinition {
  const command = commandNamed(name, COMMANDS);
  if (command) return command;
  const names = COMMANDS.flatMap((known) => [known.name, ...known.aliases]);
  const what = name.startsWith("-")
    ? `the first word must be a command, not \`${name}\``
    : `there is no command \`${name}\`${didYouMean(name, names)}`;
  throw new SpotError("E_USAGE", { message: what });
}

function read(command: CommandDefinition, args: string[]): { values: Record<string, unknown>; positionals: string[] } {
  const options: NonNullable<ParseArgsConfig["options"]> = {};
  const present = new Map<string, OptionName>();
  for (const name of command.options) {
    const { value, short, formerly }: OptionDefinition = OPTIONS[name];
    options[name] = { type: value === undefined ? "boolean" : "string", ...(short === undefined ? {} : { short }) };
    if (formerly === undefined) continue;
    options[formerly] = options[name];
    present.set(formerly, name);
  }
  // `--sandbox` may stand alone: the one option whose value can be left out.
  const spelled = args.map((arg) => (arg === "--sandbox" ? "--sandbox=hosts" : arg));
  const { tokens } = parseArgs({ args: spelled, options, allowPositionals: true, strict: false, tokens: true });
  const values: Record<string, unknown> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const name = present.get(token.name) ?? token.name;
    const definition: OptionDefinition | undefined = command.options.includes(name as OptionName)
      ? OPTIONS[name as OptionName]
      : undefined;
    if (!definition) throw unknownOption(command, token.rawName);
    if (definition.value === undefined && token.value !== undefined)
      throw usage(command, `--${token.name} takes no value`);
    if (
      definition.value !== undefined &&
      (token.value === undefined || token.value === "" || (token.value.startsWith("-") && !token.inlineValue))
    ) {
      throw usage(command, `--${token.name} needs a value: --${token.name} ${definition.value}`);
    }
    if (definition.many && token.value !== undefined) {
      values[name] = [...((values[name] as string[] | undefined) ?? []), token.value];
      continue;
    }
    if (values[name] !== undefined) throw usage(command, `--${name} stands twice`);
    values[name] = token.value ?? true;
  }
  if (typeof values.sandbox === "string" && !SANDBOX_MODES.some((mode) => mode === values.sandbox)) {
    throw usage(command, `--sandbox=${values.sandbox}: only ${SANDBOX_MODES.join(", ")} are known`);
  }
  if (typeof values.stack === "string" && !STACK_NAME.test(values.stack))
    throw usage(
      command,
      `--stack ${values.stack}: a stack's name is letters, digits, - _ . and at most organisation/project/ before it`,
    );
  const wrong = ((values.vpc as string[] | undefined) ?? []).find((id) => !VPC_ID.test(id));
  if (wrong !== undefined) throw usage(command, `--vpc ${wrong}: a VPC's id is vpc- and 8 to 17 digits of 0-9a-f`);
  return { values, positionals };
}

function unknownOption(command: CommandDefinition, rawName: string): SpotError {
  const known = command.options.map((name) => `--${name}`);
  const elsewhere = rawName.startsWith("--") && rawName.slice(2) in OPTIONS;
  return usage(
    command,
    `\`${command.name}\` has no option \`${rawName}\`${elsewhere ? "" : didYouMean(rawName, known)}`,
  );
}

function usage(command: CommandDefinition, message: string): SpotError {
  return new SpotError("E_USAGE", {
    message,
    next: `Run \`spot help ${command.name}\`.`,
    step: outside("correct-command-line"),
  });
}

function parsed(values: Record<string, unknown>): ParsedOptions {
  return { yes: false, json: false, verbose: false, debug: false, ...values };
}
