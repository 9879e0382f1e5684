import { seeded } from "./random";
import { Workbench } from "./workbench";

export interface TrialOptions {
  seed: number;
  runs: number;
  /** How many runs are under way together; each has a machine, a sandbox and a seed of its own. */
  atOnce: number;
  tell: (line: string) => void;
  /** Ends the test after the runs that are under way. */
  signal?: AbortSignal;
}

export interface TrialTotals {
  runs: number;
  steps: number;
  /** How often each thing occurred. */
  counts: Map<string, number>;
  /** One text for each fault: the run's seed, what happened until then, and what was not as it must be. */
  failed: string[];
}

/** One run of a property test: everything that it does follows from its random numbers. */
export abstract class Trial {
  /** What has happened so far, in words. */
  protected readonly story: string[] = [];

  protected readonly random: () => number;

  constructor(
    protected readonly bench: Workbench,
    private readonly seed: number,
    protected readonly totals: TrialTotals,
    private readonly out: (line: string) => void,
  ) {
    this.random = seeded(seed);
  }

  abstract go(): Promise<void>;

  /** What it leaves beside its bench. */
  cleanUp(): void {}

  protected tell(line: string): void {
    this.out(`${this.seed}: ${line}`);
  }

  protected count(name: string): void {
    this.totals.counts.set(name, (this.totals.counts.get(name) ?? 0) + 1);
  }

  failed(fault: string): void {
    const line = `${this.story.join(", ")}: ${fault}`;
    this.totals.failed.push(`${this.seed}: ${line}`);
    this.tell(`FAILED ${line}`);
  }
}

/**
 * Runs of a property test, each on a machine of its own: run N has the seed `seed + N`.
 * @param counted what may occur; named with 0 where it never does
 */
export async function seededTrials(
  { seed, runs, atOnce, tell, signal }: TrialOptions,
  counted: readonly string[],
  begin: (...args: ConstructorParameters<typeof Trial>) => Trial,
): Promise<TrialTotals> {
  const totals: TrialTotals = { runs: 0, steps: 0, counts: new Map(counted.map((name) => [name, 0])), failed: [] };
  const go = async (run: number): Promise<void> => {
    if (signal?.aborted) return;
    const bench = new Workbench();
    const trial = begin(bench, seed + run, totals, tell);
    try {
      await trial.go();
      totals.runs += 1;
    } catch (error) {
      // Noted as well: the other runs that are under way end in order.
      trial.failed(error instanceof Error ? (error.stack ?? error.message) : String(error));
    } finally {
      trial.cleanUp();
      await bench[Symbol.asyncDispose]();
    }
  };
  const { default: pMap } = await import("p-map");
  await pMap(
    Array.from({ length: runs }, (_, run) => run),
    go,
    { concurrency: atOnce },
  );
  return totals;
}
