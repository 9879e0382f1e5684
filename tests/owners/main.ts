import os from "node:os";
import { parseArgs } from "node:util";
import { ownerTrials } from "./trials";

// The SDK's notice about Node versions is for those who choose the SDK's version: that is package.json here.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

/** Each hazard must have occurred so often in a full run. */
const FULL = { runs: 300, occurrences: 30 };

/** The property test as a command: prints the seed, a line for each run, the hazards and a total; ends with 1 when anything was wrong. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { seed: { type: "string" }, runs: { type: "string" } } });
  const number = (name: "seed" | "runs", otherwise: number): number => {
    const given = values[name];
    if (given !== undefined && !/^\d+$/.test(given)) throw new Error(`--${name} ${given}: not a whole number`);
    return given === undefined ? otherwise : Number(given);
  };
  const seed = number("seed", Date.now() % 1_000_000);
  const runs = number("runs", FULL.runs);
  const tell = (line: string) => void process.stdout.write(`${line}\n`);
  tell(`seed ${seed}, ${runs} runs; run N has the seed ${seed} + N, for itself: --seed ${seed} + N --runs 1`);
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => {
      tell("ending after the runs that are under way");
      stop.abort();
    });
  }
  const totals = await ownerTrials({ seed, runs, atOnce: os.availableParallelism(), tell, signal: stop.signal });
  for (const [hazard, times] of totals.hazards) tell(`${String(times).padStart(5)} x ${hazard}`);
  const rare =
    runs < FULL.runs
      ? []
      : [...totals.hazards].filter(([, times]) => times < FULL.occurrences).map(([hazard]) => hazard);
  if (rare.length > 0) tell(`too rare to have been tested: ${rare.join(", ")}`);
  tell(`${totals.runs} runs, ${totals.steps} commands with seed ${seed}, ${totals.failed.length} failed`);
  process.exitCode = totals.failed.length === 0 && rare.length === 0 && !stop.signal.aborted ? 0 : 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
