import { setTimeout as sleep } from "node:timers/promises";
import { isRunning, markOf, type ProcessMark } from "../../system/process";
import { kill, Workbench, type Outcome } from "../support/workbench";
import { oneOf, seeded } from "../support/random";
import { VICTIMS, victimsOf, type Victim } from "./victims";
import { differences, Witness } from "./witness";

/** What is broken off. `recovery`: the `up` that follows an `up` that was killed. */
export const KINDS = ["up", "down", "replace", "recovery"] as const;
export type Kind = (typeof KINDS)[number];

export interface KillOptions {
  seed: number;
  /** Trials of each kind. */
  trials: Record<Kind, number>;
  tell: (line: string) => void;
  /** Ends the test after the trial that is under way. */
  signal?: AbortSignal;
}

export interface KillTotals {
  trials: number;
  /** One line for each trial after which something was not as it must be. */
  failed: string[];
}

const FLEET = { "us-west-2": 2, "us-east-1": 1 };
const NODES = ["us-east-1-0", "us-west-2-0", "us-west-2-1"];
const SIGNALS = ["SIGINT", "SIGTERM", "SIGKILL"] as const;
/** `up` in a sandbox without hosts: created, nothing to verify. */
const DONE = { up: 9, down: 0 } as const;

const COMMAND: Record<Kind, string[]> = {
  up: ["up"],
  down: ["down"],
  replace: ["replace", "us-west-2-*"],
  recovery: ["up"],
};
/** A run may end before its moment comes; then the trial is done again, with the time that this run took. */
const TRIES = 5;
const HANGS_MS = 120_000;

/** Slow enough that calls are under way when the signal comes, in a pattern that the seed fixes. */
const slowness = (seed: number) => [
  { action: "RunInstances", when: "after", effect: { delayMs: 700 } },
  { action: "TerminateInstances", when: "after", effect: { delayMs: 300 } },
  { action: "*", probability: 0.15, seed, effect: { delayMs: 250 } },
];

/**
 * Breaks runs off at random moments, lets the ordinary next command follow, and counts in the emulated AWS what is
 * there: each node once, nothing else, and no lock.
 */
export async function killTrials({ seed, trials, tell, signal }: KillOptions): Promise<KillTotals> {
  const bench = new Workbench();
  try {
    return await new Trials(bench, seeded(seed), tell).run(seed, trials, signal);
  } finally {
    await bench[Symbol.asyncDispose]();
  }
}

class Trials {
  private readonly witness: Witness;
  private readonly totals: KillTotals = { trials: 0, failed: [] };
  /** How long each command takes undisturbed, milliseconds: the shortest time seen. */
  private readonly usual = new Map<Kind, number>();
  private stands = false;

  constructor(
    private readonly bench: Workbench,
    private readonly random: () => number,
    private readonly tell: (line: string) => void,
  ) {
    this.witness = new Witness(bench);
  }

  async run(seed: number, trials: Record<Kind, number>, signal?: AbortSignal): Promise<KillTotals> {
    this.bench.config(FLEET);
    await this.bench.begin();
    await this.witness.plantForeign();
    await this.bench.control("POST", "faults", slowness(seed));
    await this.measure();
    // In turn, so that what one leaves is what the next begins with.
    const left = { ...trials };
    while (KINDS.some((kind) => left[kind] > 0)) {
      for (const kind of KINDS) {
        if (left[kind] <= 0) continue;
        if (signal?.aborted) return this.totals;
        left[kind] -= 1;
        await this.trial(kind);
      }
    }
    return this.totals;
  }

  /** The undisturbed run of each command, and what the count shows after it. */
  private async measure(): Promise<void> {
    for (const kind of ["up", "replace", "down"] as const) {
      const started = Date.now();
      const outcome = await this.bench.spot(COMMAND[kind]);
      this.usual.set(kind, Date.now() - started);
      const wanted = kind === "down" ? [] : NODES;
      const wrong = differences(await this.witness.look(), wanted);
      if (outcome.code !== DONE[kind === "down" ? "down" : "up"] || wrong.length > 0) {
        throw new Error(
          `undisturbed ${kind} ended with ${outcome.code}, ${wrong.join(", ")}\n${outcome.stdout}${outcome.stderr}`,
        );
      }
    }
    this.usual.set("recovery", this.usual.get("up")!);
    this.tell(`undisturbed: ${[...this.usual].map(([kind, ms]) => `${kind} ${(ms / 1000).toFixed(1)} s`).join(", ")}`);
  }

  private async trial(kind: Kind): Promise<void> {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      await this.prepare(kind);
      const started = Date.now();
      const hit = await this.breakOff(
        COMMAND[kind],
        this.usual.get(kind)!,
        oneOf(VICTIMS, this.random),
        oneOf(SIGNALS, this.random),
      );
      if (!hit) {
        this.usual.set(kind, Math.min(this.usual.get(kind)!, Date.now() - started));
        continue;
      }
      // After a `down` that was broken off a user may as well want the fleet back.
      const next = kind === "down" && this.random() < 0.8 ? "down" : "up";
      await this.judge(kind, hit.what, next, hit.processes);
      return;
    }
    this.failed(`${kind}: ended before its moment ${TRIES} times`);
  }

  /** The state that a trial begins with. */
  private async prepare(kind: Kind): Promise<void> {
    const wanted = kind === "down" || kind === "replace";
    if (wanted !== this.stands) await this.bench.spot([wanted ? "up" : "down"]);
    this.stands = wanted;
    if (kind === "recovery") await this.breakOff(["up"], this.usual.get("up")!, "all", "SIGKILL");
  }

  /** Starts a command and hits it at a random moment; undefined when it had ended by then. */
  private async breakOff(
    command: string[],
    usualMs: number,
    wanted: Victim,
    signal: NodeJS.Signals,
  ): Promise<{ what: string; processes: ProcessMark[] } | undefined> {
    // Nothing is begun while the program itself is being loaded.
    const moment = (0.1 + 0.9 * this.random()) * usualMs;
    const run = this.bench.start(command);
    this.stands = true;
    await Promise.race([sleep(moment), run.done]);
    if (run.child.exitCode !== null || run.child.signalCode !== null) return undefined;
    const { victim, pids, all } = victimsOf(run.child.pid!, wanted);
    const processes = all.flatMap((pid) => markOf(pid) ?? []);
    for (const pid of pids) send(pid, signal);
    const outcome = await this.end(run.done, run.child.pid!);
    return {
      what: `${signal} to ${victim} after ${(moment / 1000).toFixed(2)} s (ended with ${outcome?.code ?? outcome?.signal ?? "nothing: it hung"})`,
      processes,
    };
  }

  private async end(done: Promise<Outcome>, pid: number): Promise<Outcome | undefined> {
    const ended = await Promise.race([done, sleep(HANGS_MS, undefined, { ref: false })]);
    if (!ended) kill(pid);
    return ended;
  }

  private async judge(kind: Kind, what: string, next: "up" | "down", processes: ProcessMark[]): Promise<void> {
    const outcome = await this.bench.spot([next]);
    this.stands = next === "up";
    const wrong = differences(await this.witness.look(), next === "up" ? NODES : []);
    if (outcome.code !== DONE[next]) wrong.unshift(`${next} answered ${outcome.code}`);
    const alive = processes.filter(isRunning);
    if (alive.length > 0) wrong.push(`still running: ${alive.map(({ pid }) => pid).join(", ")}`);
    this.totals.trials += 1;
    const line = `#${this.totals.trials} ${kind}: ${what}, then ${next}: ${wrong.length === 0 ? "ok" : wrong.join("; ")}`;
    this.tell(line);
    if (wrong.length === 0) return;
    this.tell(`${outcome.stdout}${outcome.stderr}`);
    this.failed(line);
    await this.bench.spot(["down"]);
    this.stands = false;
  }

  private failed(line: string): void {
    this.totals.failed.push(line);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
