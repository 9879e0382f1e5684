import { outside, type Step } from "../steps";
import { shellQuote } from "../text/shell-quote";
import { capitalized } from "../text/words";

/** What a stack remembers of the configuration that last changed it, where that is not the configuration at hand. */
export interface OtherConfig {
  /** `gone`: it is not there any more. `unreadable`: what was remembered is damaged. */
  kind: "there" | "gone" | "unreadable";
  /** That configuration; where it is unreadable, the file that should name it. Absolute. */
  file: string;
}

/** What is said of it, asked, and refused with. */
export interface OtherConfigWords {
  fact: string;
  question: string;
  /** Why two configurations have come to one stack. */
  cause: string;
  next: string;
  step: Step;
}

interface Row {
  fact(stack: string, file: string): string;
  /** What else than another stack, or the switch, is a way out. */
  way(file: string): string;
}

const ROWS: Record<OtherConfig["kind"], Row> = {
  there: {
    fact: (stack, file) => `stack ${stack} was last changed with ${file}`,
    way: (file) => `Change that fleet from its own folder, or with --config ${shellQuote(file)}.`,
  },
  gone: {
    fact: (stack, file) => `stack ${stack} was last changed with ${file}, which is not there any more`,
    way: () => "If it was moved here, --take-over is right.",
  },
  unreadable: {
    fact: (stack, file) => `which configuration last changed stack ${stack} cannot be read from ${file}`,
    way: () => "If this is the only configuration that uses the stack, --take-over is right.",
  },
};

/**
 * Words for a default stack that another configuration changed last.
 * @param now the configuration at hand, absolute
 */
export function otherConfigWords({ kind, file }: OtherConfig, stack: string, now: string): OtherConfigWords {
  const row = ROWS[kind];
  const fact = `${row.fact(stack, file)}; this is ${now}`;
  return {
    fact,
    question: `${capitalized(fact)}. Take the stack over, with what is in it?`,
    cause: `no stack is named with \`stack:\` or --stack, and ${stack} is what all configurations share that name none`,
    next: `Nothing was changed. For a fleet of this configuration's own: --stack NEW. ${row.way(file)} To let this one change the stack from now on: --take-over.`,
    step: outside("decide"),
  };
}

/** As the file beside the state holds it. */
export function lastConfigText(file: string): string {
  return `${JSON.stringify({ configFile: file })}\n`;
}

/** The path in such a text; undefined for one that is damaged. */
export function parseLastConfig(text: string): string | undefined {
  try {
    const file: unknown = (JSON.parse(text) as { configFile?: unknown } | null)?.configFile;
    return typeof file === "string" && file !== "" ? file : undefined;
  } catch {
    return undefined;
  }
}
