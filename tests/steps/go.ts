import { seeded } from "../support/random";
import type { StepTrial } from "./trials";
import { World } from "./world";

export interface StepTotals {
  taken: number;
  /** One text for each step that did not end its failure. */
  failed: string[];
}

/** Takes the step of each trial, on one fleet that is made anew after a trial that went wrong. Those of two nodes come last. */
export async function takeSteps(
  trials: readonly StepTrial[],
  tell: (line: string) => void,
  signal?: AbortSignal,
): Promise<StepTotals> {
  const totals: StepTotals = { taken: 0, failed: [] };
  const ordered = [...trials].sort((a, b) => (a.nodes ?? 1) - (b.nodes ?? 1));
  let world: World | undefined;
  try {
    for (const trial of ordered) {
      if (signal?.aborted) break;
      const start = Date.now();
      try {
        if (world === undefined) {
          world = new World();
          await world.begin();
        }
        await world.take(trial);
        totals.taken += 1;
        tell(`${trial.check} ${trial.name}: ended by its step, ${((Date.now() - start) / 1000).toFixed(0)} s`);
      } catch (error) {
        const fault = `${trial.check} ${trial.name}: ${error instanceof Error ? error.message : String(error)}`;
        totals.failed.push(fault);
        tell(`FAILED ${fault}`);
        await world?.[Symbol.asyncDispose]();
        world = undefined;
      }
    }
  } finally {
    await world?.[Symbol.asyncDispose]();
  }
  return totals;
}

/** So many of the trials, by a seed. */
export function sampleOf(trials: readonly StepTrial[], count: number, seed: number): StepTrial[] {
  const random = seeded(seed);
  const left = [...trials];
  return Array.from({ length: Math.min(count, left.length) }, () =>
    left.splice(Math.floor(random() * left.length), 1),
  ).flat();
}
