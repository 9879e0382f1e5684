import type { FleetEvent, Question, Reporter } from "../../fleet/report/events";
import { unattendedAnswer, type Answers, type Terminal } from "./console";

/** One JSON document a line on stdout, and nothing else there. */
export function jsonLine(terminal: Terminal, document: unknown): void {
  terminal.stdout.write(`${JSON.stringify(document)}\n`);
}

/** Events as JSON lines with the time they happened. Questions are not asked: scripts answer them by options. */
export function jsonReporter(terminal: Terminal, options: Answers): Reporter {
  return {
    emit: (event: FleetEvent) => jsonLine(terminal, { time: new Date().toISOString(), ...event }),
    confirm: (question: Question) => Promise.resolve(unattendedAnswer(question, options)),
  };
}

/** For commands whose result is one document: their progress is no part of it. */
export function silentReporter(terminal: Terminal, options: Answers): Reporter {
  return { emit: () => undefined, confirm: jsonReporter(terminal, options).confirm };
}
