import { asCommand, endedBySignal, newSeed, tell, wholeNumbers } from "../support/seeded-command";
import { KINDS, killTrials, type Kind } from "./trials";

const DEFAULT: Record<Kind, number> = { up: 25, down: 25, replace: 5, recovery: 5 };

/** The kill test as a command: prints the seed, a line for each trial and a total; ends with 1 when anything was wrong. */
asCommand(async () => {
  const { seed, ...trials } = wholeNumbers({ seed: newSeed(), ...DEFAULT });
  tell(`seed ${seed}: ${KINDS.map((kind) => `${trials[kind]} in ${kind}`).join(", ")}`);
  const signal = endedBySignal("this trial");
  const totals = await killTrials({ seed, trials, tell, signal });
  for (const failure of totals.failed) tell(`FAILED ${failure}`);
  tell(
    `${totals.trials} trials with seed ${seed}, ${totals.failed.length} failed${totals.failed.length === 0 ? ": no orphan, no duplicate, no lock" : ""}`,
  );
  process.exitCode = totals.failed.length === 0 && !signal.aborted ? 0 : 1;
});
