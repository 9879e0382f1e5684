import { accessSync, constants, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SpotError, wordsOf } from "../../fleet/errors";
import { ExitCode } from "../../fleet/exit-codes";
import { verifyFleet, type VerifyRequest } from "../operations/verify";
import { openSession } from "../session";
import { jsonLine } from "../ui/json";
import { OneAtATime } from "../ui/one-at-a-time";
import { tableText } from "../ui/table";
import { verificationText } from "../ui/verification";
import { isHealthy, parseMinHealthy } from "../verify/health";
import { checkRows, verificationReport, type VerificationReport } from "../verify/report";
import type { Verification } from "../verify/result";
import type { CommandContext, ParsedOptions } from "./context";
import { configFor, configPath, reading, reporterFor, sessionOptions } from "./shell";

/** Between two looks of --watch. */
const WATCH_MS = 10_000;

/** Pairs of options that cannot mean anything together. */
const EXCLUDE: [keyof ParsedOptions, keyof ParsedOptions][] = [
  ["json", "tap"],
  ["one-at-a-time", "json"],
  ["one-at-a-time", "tap"],
  ["one-at-a-time", "watch"],
  ["one-at-a-time", "until-first-failure"],
  ["watch", "tap"],
];

export async function run(context: CommandContext): Promise<ExitCode> {
  const { options, terminal } = context;
  if (options.list) return listChecks(context);
  const { min, deadlineMs } = understood(options);
  // A person who goes through the list sees it alone, and so does who reads the result as it comes again and again.
  const reporter = reporterFor(context, false, !options["one-at-a-time"] && !options.watch);
  const { config } = configFor(context, reporter);
  return reading(reporter, async (interrupts) => {
    const session = await openSession({ ...sessionOptions(context, { reporter, interrupts, stack: config.stack, backend: config.backend }), reading: true }, false);
    const person = options["one-at-a-time"] ? new OneAtATime(terminal) : undefined;
    const request: VerifyRequest = {
      config,
      configFile: configPath(context),
      choice: { only: options.only, phase: options.phase },
      nodes: options.node,
      deadlineMs,
      // To look again is what --watch does; nothing is waited for within one look.
      ...(options.watch ? { patienceMs: 0 } : {}),
      ...(person ? { after: person.after, before: person.before } : {}),
      ...(options["until-first-failure"] ? { after: (_node, { status }) => (status === "failed" ? "quit" : "next") } : {}),
    };
    try {
      for (;;) {
        const verification = await verifyFleet(session, request);
        interrupts.soft.throwIfAborted();
        await tell(context, verification, session.target.stack);
        if (!options.watch) return isHealthy(verification, min) ? ExitCode.ok : ExitCode.verificationFailed;
        await delay(WATCH_MS, undefined, { signal: interrupts.soft });
      }
    } finally {
      person?.close();
      session.cloud.close();
    }
  });
}

/** What must be wrong before anything is done. @throws SpotError E_USAGE */
function understood(options: ParsedOptions): { min: ReturnType<typeof parseMinHealthy> | undefined; deadlineMs: number | undefined } {
  for (const [one, other] of EXCLUDE) {
    if (options[one] && options[other]) throw new SpotError("E_USAGE", { message: `--${one} and --${other} exclude each other`, next: "Run `spot help verify`." });
  }
  for (const file of [options.junit, options.report]) if (file !== undefined) assertWritable(file);
  const seconds = options.deadline === undefined ? undefined : Number(options.deadline);
  if (seconds !== undefined && !(Number.isInteger(seconds) && seconds > 0)) {
    throw new SpotError("E_USAGE", { message: `--deadline ${options.deadline}: it must be a whole number of seconds, 1 or more`, next: "Run `spot help verify`." });
  }
  return { min: options["min-healthy"] === undefined ? undefined : parseMinHealthy(options["min-healthy"]), deadlineMs: seconds && seconds * 1000 };
}

function assertWritable(file: string): void {
  try {
    accessSync(path.dirname(path.resolve(file)), constants.W_OK);
  } catch (cause) {
    throw new SpotError("E_USAGE", { message: `${file} cannot be written`, cause, next: "Name a file in a folder that exists and that you may write to." });
  }
}

/** The result in every form that was asked for. Each form is loaded only then. */
async function tell({ options, terminal }: CommandContext, verification: Verification, stack: string): Promise<void> {
  const report = verificationReport(verification, { stack, at: new Date() });
  if (options.json) jsonLine(terminal, report);
  else if (options.tap) terminal.stdout.write((await import("../verify/formats/tap.js")).tap(report));
  else terminal.stdout.write(`${verificationText(terminal, verification)}\n`);
  if (options.junit !== undefined) write(options.junit, (await import("../verify/formats/junit.js")).junit, report);
  if (options.report !== undefined) write(options.report, (await import("../verify/formats/html.js")).html, report);
}

function write(file: string, format: (report: VerificationReport) => string, report: VerificationReport): void {
  try {
    writeFileSync(file, format(report));
  } catch (error) {
    throw new SpotError("E_USAGE", { message: `${file} cannot be written: ${wordsOf(error)}`, cause: error, next: "Name another file." });
  }
}

function listChecks({ options, terminal }: CommandContext): ExitCode {
  const rows = checkRows();
  if (options.json) jsonLine(terminal, rows);
  else terminal.stdout.write(`${tableText(["ID", "PHASE", "CHECK", "NEEDS", "SEVERITY"], rows.map(({ id, phase, title, needs, severity }) => [id, phase, title, needs.join(" "), severity]))}\n`);
  return ExitCode.ok;
}
