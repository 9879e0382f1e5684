import { accessSync, constants, writeFileSync } from "node:fs";
import path from "node:path";
import { SpotError, wordsOf } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import { ExitCode } from "../../fleet/errors/exit-codes";
import { verifyFleet, type VerifyRequest } from "../../automation/operations/nodes/verify-fleet";
import { jsonLine } from "../output/json";
import { StepThrough } from "../output/step-through";
import { CLEAR } from "../output/live/screen";
import { withSteps } from "../output/steps";
import { tableText, widthOf } from "../output/table";
import { nextLines, verdictLine, verificationText } from "../output/verification";
import { isHealthy, parseMinHealthy, unhealthyCode } from "../../automation/verify/min-healthy";
import { keepReport } from "../output/report-store";
import { checkRows, placeOf, verificationReport, type VerificationReport } from "../../automation/verify/report";
import type { Verification } from "../../automation/verify/result";
import { selectChecks } from "../../automation/verify/select";
import type { CommandContext, ParsedOptions } from "../runtime/context";
import type { Session } from "../../automation/session";
import { placeWords } from "../runtime/place";
import { logsOf } from "../runtime/reporter";
import { watching } from "../runtime/watch";
import { withSessions } from "../runtime/with-session";

/** Between two looks of --watch. */
const WATCH_MS = 10_000;

/** Names of files that `--report` writes. */
const PAGE = /\.html?$/i;

/** Pairs of options that cannot mean anything together. */
const EXCLUDE: [keyof ParsedOptions, keyof ParsedOptions][] = [
  ["json", "tap"],
  ["one-at-a-time", "json"],
  ["one-at-a-time", "tap"],
  ["one-at-a-time", "watch"],
  ["one-at-a-time", "until-first-failure"],
  ["watch", "tap"],
  ...(
    [
      "node",
      "one-at-a-time",
      "until-first-failure",
      "watch",
      "deadline",
      "min-healthy",
      "junit",
      "tap",
      "report",
    ] as const
  ).map((option): [keyof ParsedOptions, keyof ParsedOptions] => ["list", option]),
];

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  const { min, deadlineMs } = understood(options);
  if (options.list) return listChecks(context);
  const access = {
    needs: "config",
    // A person who goes through the list sees it alone, and so does who reads the result as it comes again and again.
    shows: options["one-at-a-time"] || options.watch ? "answer" : "nodes",
    reads: true,
  } as const;
  return withSessions(context, access, async ({ given, open, reporter, interrupts }) => {
    const person = options["one-at-a-time"]
      ? new StepThrough(terminal, (node) => `npx spot ssh ${[node, ...placeWords(options)].join(" ")}`)
      : undefined;
    const request: VerifyRequest = {
      ...given,
      choice: { only: options.only, phase: options.phase },
      nodes: options.node,
      minHealthy: min,
      deadlineMs,
      // To look again is what --watch does; nothing is waited for within one look.
      ...(options.watch ? { patienceMs: 0 } : {}),
      ...(person ? { after: person.after, before: person.before } : {}),
      ...(options["until-first-failure"]
        ? { after: (_node, { status }) => (status === "failed" ? "quit" : "next") }
        : {}),
    };
    // What waits for an answer would wait for ever.
    interrupts.soft.addEventListener("abort", () => person?.close(), { once: true });
    const once = async (): Promise<Verification> => {
      const { verification, session } = await open(async (session) => ({
        verification: await verifyFleet(session, request),
        session,
      }));
      interrupts.soft.throwIfAborted();
      await tell(context, verification, session);
      return verification;
    };
    try {
      if (options.watch)
        return await watching(context, { reporter, everyMs: WATCH_MS, signal: interrupts.soft, look: once });
      const verification = await once();
      return isHealthy(verification, min) ? ExitCode.ok : unhealthyCode(verification);
    } finally {
      person?.close();
    }
  });
}

/** What must be wrong before anything is done. @throws SpotError E_USAGE */
function understood(options: ParsedOptions): {
  min: ReturnType<typeof parseMinHealthy> | undefined;
  deadlineMs: number | undefined;
} {
  for (const [one, other] of EXCLUDE) {
    if (options[one] && options[other])
      throw new SpotError("E_USAGE", {
        message: `--${one} and --${other} exclude each other`,
        next: "Run `spot help verify`.",
        step: outside("correct-command-line"),
      });
  }
  if (options.report !== undefined && !PAGE.test(options.report)) {
    throw new SpotError("E_USAGE", {
      message: `--report ${options.report}: a report is a page for a browser, FILE.html or FILE.htm`,
      next: "Name such a file; other kinds: --junit FILE writes JUnit XML, --tap and --json print theirs (`> FILE` keeps it).",
      step: outside("correct-command-line"),
    });
  }
  for (const file of [options.junit, options.report]) if (file !== undefined) assertWritable(file);
  if (options.deadline !== undefined && !/^[1-9]\d{0,4}$/.test(options.deadline)) {
    throw new SpotError("E_USAGE", {
      message: `--deadline ${options.deadline}: it must be a whole number of seconds, 1 to 99999`,
      next: "Run `spot help verify`.",
      step: outside("correct-command-line"),
    });
  }
  return {
    min: options["min-healthy"] === undefined ? undefined : parseMinHealthy(options["min-healthy"]),
    deadlineMs: options.deadline === undefined ? undefined : Number(options.deadline) * 1000,
  };
}

function assertWritable(file: string): void {
  try {
    accessSync(path.dirname(path.resolve(file)), constants.W_OK);
  } catch (cause) {
    throw new SpotError("E_USAGE", {
      message: `${file} cannot be written`,
      cause,
      next: "Name a file in a folder that exists and that you may write to.",
      step: outside("correct-command-line"),
    });
  }
}

/** The result in every form that was asked for, and kept for a later look. Each form is loaded only then. */
async function tell(context: CommandContext, verification: Verification, { target, state }: Session): Promise<void> {
  const { options, terminal } = context;
  const report = withSteps(verificationReport(verification, { ...placeOf(target), at: new Date() }), context);
  const page = await keepReport(logsOf(context), report, state.nodes);
  if (options.json) jsonLine(context, report);
  else if (options.tap) terminal.stdout.write((await import("../output/formats/tap.js")).tap(report));
  else {
    if (options.watch && terminal.stdout.isTTY) terminal.stdout.write(CLEAR);
    terminal.stdout.write(
      `${verificationText(terminal, verification)}\n\n${[verdictLine(verification), ...nextLines(report)].join("\n")}\n${options.watch ? `As of ${report.at}; again every ${WATCH_MS / 1000} s, until Ctrl-C. ` : ""}${keptText(verification, page)}\n`,
    );
  }
  if (options.junit !== undefined) write(options.junit, (await import("../output/formats/junit.js")).junit, report);
  if (options.report !== undefined) write(options.report, (await import("../output/formats/html.js")).html, report);
}

function keptText({ nodes }: Verification, page: string | undefined): string {
  if (!nodes.some(({ isWhole }) => isWhole))
    return "Nothing of it is kept, for it is not the whole list: `status` goes on telling each node's last whole result.";
  return page === undefined ? "Its report cannot be kept." : `Report: ${page}`;
}

function write(file: string, format: (report: VerificationReport) => string, report: VerificationReport): void {
  try {
    writeFileSync(file, format(report));
  } catch (error) {
    throw new SpotError("E_USAGE", {
      message: `${file} cannot be written: ${wordsOf(error)}`,
      cause: error,
      next: "Name another file.",
      step: outside("correct-command-line"),
    });
  }
}

function listChecks(context: CommandContext): ExitCode {
  const { options, terminal } = context;
  const rows = checkRows(selectChecks({ only: options.only, phase: options.phase }));
  if (options.json) jsonLine(context, rows);
  else
    terminal.stdout.write(
      `${tableText(
        ["ID", "PHASE", "CHECK", "NEEDS", "SEVERITY"],
        rows.map(({ id, phase, title, needs, severity }) => [id, phase, title, needs.join(" "), severity]),
        widthOf(terminal.stdout),
      )}\n`,
    );
  return ExitCode.ok;
}
