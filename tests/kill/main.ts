import { parseArgs } from "node:util";
import { KINDS, killTrials, type Kind } from "./trials";

const DEFAULT: Record<Kind, number> = { up: 25, down: 25, replace: 5, recovery: 5 };

// The SDK's notice about Node versions is for those who choose the SDK's version: that is package.json here.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";

/** The kill test as a command: prints the seed, a line for each trial and a total; ends with 1 when anything was wrong. */
async function main(): Promise<void> {
  const options = Object.fromEntries(["seed", ...KINDS].map((name) => [name, { type: "string" as const }]));
  const { values } = parseArgs({ options });
  const number = (name: string, otherwise: number): number => {
    const given = values[name];
    if (given === undefined) return otherwise;
    if (typeof given !== "string" || !/^\d+$/.test(given)) throw new Error(`--${name} ${given}: not a whole number`);
    return Number(given);
  };
  const seed = number("seed", Date.now() % 1_000_000);
  const trials = Object.fromEntries(KINDS.map((kind) => [kind, number(kind, DEFAULT[kind])])) as Record<Kind, number>;
  const tell = (line: string) => void process.stdout.write(`${line}\n`);
  tell(`seed ${seed}: ${KINDS.map((kind) => `${trials[kind]} in ${kind}`).join(", ")}`);
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => {
      tell("ending after this trial");
      stop.abort();
    });
  }
  const totals = await killTrials({ seed, trials, tell, signal: stop.signal });
  for (const failure of totals.failed) tell(`FAILED ${failure}`);
  tell(
    `${totals.trials} trials with seed ${seed}, ${totals.failed.length} failed${totals.failed.length === 0 ? ": no orphan, no duplicate, no lock" : ""}`,
  );
  process.exitCode = totals.failed.length === 0 && !stop.signal.aborted ? 0 : 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
