import type { FleetEvent, Question, Reporter } from "../../fleet/report/events";
import { unattendedAnswer, type Answers, type Terminal } from "./console";
import { withSteps, type Typed } from "./steps";

/** One JSON document a line on stdout, and nothing else there. Its steps are as they are typed here. */
export function jsonLine(typed: Typed & { terminal: Terminal }, document: unknown): void {
  typed.terminal.stdout.write(`${JSON.stringify(withSteps(document, typed))}\n`);
}

/** Events as JSON lines with the time they happened. Questions are not asked: scripts answer them by options. */
export function jsonReporter(typed: Typed & { terminal: Terminal; options: Answers }): Reporter {
  return {
    emit: (event: FleetEvent) => jsonLine(typed, { time: new Date().toISOString(), ...event }),
    confirm: (question: Question) => Promise.resolve(unattendedAnswer(question, typed.options)),
  };
}

/** For commands whose result is one document: their progress is no part of it. */
export function silentReporter(typed: Parameters<typeof jsonReporter>[0]): Reporter {
  return { emit: () => undefined, confirm: jsonReporter(typed).confirm };
}
