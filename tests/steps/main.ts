import { asCommand, endedBySignal, newSeed, tell, wholeNumbers } from "../support/seeded-command";
import { sampleOf, takeSteps } from "./go";
import { stepTrials } from "./trials";

/** Takes the step of every check that can be made to fail here, or of `--trials` of them by `--seed`. */
asCommand(async () => {
  const { seed, trials } = wholeNumbers({ seed: newSeed(), trials: stepTrials.length });
  const chosen = trials < stepTrials.length ? sampleOf(stepTrials, trials, seed) : stepTrials;
  tell(`seed ${seed}, ${chosen.length} of ${stepTrials.length} trials`);
  const signal = endedBySignal("the trial that is under way");
  const { taken, failed } = await takeSteps(chosen, tell, signal);
  tell(`${taken} steps ended what failed, ${failed.length} did not`);
  process.exitCode = failed.length === 0 && !signal.aborted ? 0 : 1;
});
