import { Chalk, type ChalkInstance } from "chalk";
import { createInterface } from "node:readline/promises";
import type { Level, Question, Reporter } from "../../fleet/report/events";
import { lineFormatter, formatLine } from "./lines";

/** The streams of a run and what may be done with them. */
export interface Terminal {
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  stdin: NodeJS.ReadStream;
  env: NodeJS.ProcessEnv;
}

/** What tells of a stream whether it is a terminal, and how wide; where it is none, both are missing. */
export type TerminalLike = Partial<Pick<NodeJS.WriteStream, "isTTY" | "columns">>;

/** Colours for one stream: none when it is no terminal, or NO_COLOR is set (no-color.org). */
export function coloursFor(stream: TerminalLike, env: NodeJS.ProcessEnv): ChalkInstance {
  const on = env.FORCE_COLOR ? env.FORCE_COLOR !== "0" : stream.isTTY && !env.NO_COLOR && env.TERM !== "dumb";
  return new Chalk({ level: on ? 1 : 0 });
}

export function levelPaint(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): (level: Level, text: string) => string {
  const colours = coloursFor(stream, env);
  const paint: Record<Level, (text: string) => string> = {
    debug: colours.dim,
    info: colours.cyan,
    success: colours.green,
    warning: colours.yellow,
    error: colours.red,
  };
  return (level, text) => paint[level](text);
}

export interface Loudness {
  /** Warnings and errors alone. */
  quiet?: boolean;
  /** Debug messages too. */
  verbose: boolean;
}

export function isTold(level: Level, { quiet, verbose }: Loudness): boolean {
  return quiet ? level === "warning" || level === "error" : verbose || level !== "debug";
}

/**
 * The plain human view: one line an event on stderr, so that stdout holds the result alone. Questions are asked on the
 * terminal; where there is none, the unattended answer counts.
 */
export function consoleReporter(terminal: Terminal, options: Loudness & Answers): Reporter {
  const paint = levelPaint(terminal.stderr, terminal.env);
  const tell = lineFormatter();
  return {
    emit: (event) => {
      for (const told of tell(event))
        if (isTold(told.level, options)) terminal.stderr.write(`${formatLine(told, paint)}\n`);
    },
    confirm: (question) => ask(terminal, question, options),
    isAttended: () => isAttended(terminal) && !options.yes,
  };
}

/** True when somebody sits there who can be asked. */
export function isAttended({ stdin, stderr }: Record<"stdin" | "stderr", TerminalLike>): boolean {
  return Boolean(stdin.isTTY && stderr.isTTY);
}

/** The options that answer questions beforehand. */
export interface Answers {
  yes: boolean;
  "take-over"?: boolean;
}

/** What a question is answered where nobody can be asked. */
export function unattendedAnswer(question: Question, answers: Answers): boolean {
  return isAnswered(question, answers) || question.unattended;
}

function isAnswered(question: Question, answers: Answers): boolean {
  const { answeredBy = "yes" } = question;
  return answeredBy !== "nothing" && answers[answeredBy] === true;
}

/** Ctrl-C and the end of the input are a no. */
export async function ask(terminal: Terminal, question: Question, answers: Answers): Promise<boolean> {
  if (isAnswered(question, answers)) return true;
  if (!isAttended(terminal)) return question.unattended;
  return /^y(es)?$/i.test((await askText(terminal, `${question.message} [y/N] `)) ?? "");
}

/** One line that a person types, trimmed; undefined when the input ended instead. */
export async function askText(
  terminal: Pick<Terminal, "stdin" | "stderr">,
  prompt: string,
): Promise<string | undefined> {
  const readline = createInterface({ input: terminal.stdin, output: terminal.stderr });
  try {
    return await new Promise<string | undefined>((resolve, reject) => {
      readline.once("SIGINT", () => readline.close());
      readline.once("close", () => resolve(undefined));
      readline.question(prompt).then((answer) => resolve(answer.trim()), reject);
    });
  } finally {
    readline.close();
  }
}
