import type { FleetEvent, Question, Reporter } from "../../fleet/events";
import { ask, type Terminal } from "./console";

/** One JSON document a line on stdout, and nothing else there. */
export function jsonLine(terminal: Terminal, document: unknown): void {
  terminal.stdout.write(`${JSON.stringify(document)}\n`);
}

/** Events as JSON lines with the time they happened. Questions are not asked: scripts give --yes. */
export function jsonReporter(terminal: Terminal, options: { yes: boolean }): Reporter {
  return {
    emit: (event: FleetEvent) => jsonLine(terminal, { time: new Date().toISOString(), ...event }),
    confirm: (question: Question) => (options.yes ? Promise.resolve(true) : ask({ ...terminal, stdin: NOT_A_TERMINAL }, question, false)),
  };
}

const NOT_A_TERMINAL = { isTTY: false } as NodeJS.ReadStream;

/** For commands whose result is one document: their progress is no part of it. */
export function silentReporter(terminal: Terminal, options: { yes: boolean }): Reporter {
  return { emit: () => undefined, confirm: jsonReporter(terminal, options).confirm };
}
