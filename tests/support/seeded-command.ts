import os from "node:os";
import { parseArgs } from "node:util";
import type { TrialOptions, TrialTotals } from "./seeded-trials";

export const tell = (line: string): void => void process.stdout.write(`${line}\n`);

/** Options of the command line, each a whole number. @throws Error for anything else */
export function wholeNumbers<Name extends string>(defaults: Readonly<Record<Name, number>>): Record<Name, number> {
  const names = Object.keys(defaults) as Name[];
  const { values } = parseArgs({
    options: Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
  });
  const number = (name: Name): number => {
    const given: unknown = values[name];
    if (given === undefined) return defaults[name];
    if (typeof given !== "string" || !/^\d+$/.test(given))
      throw new Error(`--${name} ${JSON.stringify(given)}: not a whole number`);
    return Number(given);
  };
  return Object.fromEntries(names.map((name) => [name, number(name)])) as Record<Name, number>;
}

/** A seed for whoever names none; it is printed. */
export const newSeed = (): number => Date.now() % 1_000_000;

/** Aborted by the first signal: what is under way still comes to its end. @param rest what that is, in words */
export function endedBySignal(rest: string): AbortSignal {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => {
      tell(`ending after ${rest}`);
      stop.abort();
    });
  }
  return stop.signal;
}

/** A test of random trials as a command: what goes wrong outside a trial ends it with 1 and the reason. */
export function asCommand(main: () => Promise<void>): void {
  // The SDK's notice about Node versions is for those who choose the SDK's version: that is package.json here.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  });
}

/**
 * A property test as a command (`--seed`, `--runs`): prints the seed, a line for each run, how often each thing occurred
 * and a total; ends with 1 when anything was wrong, or occurred too seldom in a full run.
 */
export async function seededCommand(
  full: { runs: number; occurrences: number },
  trials: (options: TrialOptions) => Promise<TrialTotals>,
): Promise<void> {
  const { seed, runs } = wholeNumbers({ seed: newSeed(), runs: full.runs });
  tell(`seed ${seed}, ${runs} runs; run N has the seed ${seed} + N, for itself: --seed ${seed} + N --runs 1`);
  const signal = endedBySignal("the runs that are under way");
  const totals = await trials({ seed, runs, atOnce: os.availableParallelism(), tell, signal });
  for (const [name, times] of totals.counts) tell(`${String(times).padStart(5)} x ${name}`);
  const rare =
    runs < full.runs ? [] : [...totals.counts].flatMap(([name, times]) => (times < full.occurrences ? [name] : []));
  if (rare.length > 0) tell(`too rare to have been tested: ${rare.join(", ")}`);
  tell(`${totals.runs} runs, ${totals.steps} steps with seed ${seed}, ${totals.failed.length} failed`);
  process.exitCode = totals.failed.length === 0 && rare.length === 0 && !signal.aborted ? 0 : 1;
}
