import type {
  Check,
  CloudFacts,
  CommandOutput,
  FleetCheck,
  NodeCheck,
  NodeExpectation,
  Verdict,
} from "../../fleet/checks";
import { atRecordedAddress } from "../../fleet/checks/reach";
import { rootOf, type DiagnosisStep, type ReachStage } from "../../fleet/checks/diagnosis";
import { wordsOf } from "../../fleet/errors";
import type { NodeRef } from "../../fleet/model";
import { systemClock, type Clock } from "../../system/clock";
import type { NodeConnection } from "../ssh/connection";
import { toResult, redacted, skipped } from "./check-result";
import { outcomeOf, together } from "./outcome";
import { reach, type Reach } from "./reach";
import type { CheckResult, NodeVerification, Verification } from "./result";

/** A node to verify, and how to get at it. */
export interface VerifyTarget {
  ref: NodeRef & { instanceId: string };
  expectation: NodeExpectation;
  cloud: CloudFacts;
  /**
   * Opens the one connection that all checks of this node share; called at most once, and only when a check needs it.
   * `deadlineMs` is all the time there is.
   */
  connect: (deadlineMs: number) => Promise<NodeConnection>;
  /** When there is no connection: looks at everything on the way to the node. Asked at most once. */
  diagnose?: (stage: ReachStage, failure: string) => Promise<DiagnosisStep[]>;
}

/**
 * What to do after a result: `skip-next` leaves the next check of this node out (what needs it is run all the same: who
 * leaves it out answers for it), `quit` ends the whole run.
 */
export type NextStep = "next" | "repeat" | "skip-next" | "quit";

export interface VerifyOptions {
  /** In an order in which needs come first (`selectChecks`). */
  checks: readonly Check[];
  /** For one node, ms. Checks that were not begun by then are unknown. */
  deadlineMs?: number;
  /** The most that is waited for what may come true by itself (a login, a unit that starts), ms; each check has its own. */
  patienceMs?: number;
  /** Nodes at a time. */
  concurrency?: number;
  /** Texts that must not be seen in any result (tokens). */
  secrets?: readonly string[];
  /** Told of every result as it comes. */
  onResult?: (node: NodeRef, result: CheckResult) => void;
  /**
   * When given, checks run one at a time, node after node, in the list's order, and it is asked after each how to go on:
   * "until first failure" and "one at a time" are answers to it.
   */
  after?: (node: NodeRef, result: CheckResult) => NextStep | Promise<NextStep>;
  /** With `after`: told of each check before it runs. */
  before?: (node: NodeRef, check: Check, expectation: NodeExpectation) => void;
  clock?: Clock;
}

const NODES_AT_A_TIME = 24;
/** Below sshd's MaxSessions (10 per connection). */
const CHANNELS_AT_A_TIME = 6;
const NODE_DEADLINE_MS = 300_000;
const CONNECT_MS = 20_000;
/** What a login gets whatever the patience: none succeeds in no time. */
const LOGIN_MS = 5_000;
const RETRY_MS = 1_000;

const LEFT_OUT = "it was left out";

/** Of a check for which no time was left: that says nothing of the node. */
const OUT_OF_TIME: Verdict = {
  ok: false,
  expected: "an answer",
  actual: "not looked at",
  severity: "unknown",
  cause: "the time for this node is over",
  next: "Run it again; `verify --deadline` gives it more time.",
};

/** Runs the check list on every node. Never throws for what a node does or fails to do: that is a result. */
export async function verify(targets: readonly VerifyTarget[], options: VerifyOptions): Promise<Verification> {
  const { default: pMap } = await import("p-map");
  const fleet = new FleetValues();
  const runs = targets.map((target) => new NodeRun(target, options, fleet));
  await pMap(runs, (run) => run.run(), { concurrency: options.after ? 1 : (options.concurrency ?? NODES_AT_A_TIME) });
  for (const run of runs) run.compareAgain();
  const nodes = runs.map((run) => run.verification());
  const outcome = together(nodes.map((node) => node.outcome));
  return { nodes, isVerified: outcome === "verified", outcome };
}

/** What the nodes of one run share. */
class FleetValues {
  /** Why the run ends early. */
  stopped: string | undefined;
  private readonly values = new Map<string, Map<string, string>>();

  /** By check and node: what is compared between nodes. */
  keep(check: string, node: string, value: string): void {
    const ofCheck = this.values.get(check) ?? new Map<string, string>();
    this.values.set(check, ofCheck.set(node, value));
  }

  value(check: string, node: string): string | undefined {
    return this.values.get(check)?.get(node);
  }

  others(check: string, node: string): Map<string, string> {
    return new Map([...(this.values.get(check) ?? [])].filter(([name]) => name !== node));
  }
}

class NodeRun {
  private readonly clock: Clock;
  private end = 0;
  private start = 0;
  private milliseconds = 0;
  private readonly chosen: readonly Check[];
  private readonly results = new Map<string, CheckResult>();
  private reaching: Promise<Reach> | undefined;
  /** Id of the check during which the connection was lost. */
  private lostIn: string | undefined;

  constructor(
    private readonly target: VerifyTarget,
    private readonly options: VerifyOptions,
    private readonly fleet: FleetValues,
  ) {
    this.clock = options.clock ?? systemClock;
    this.chosen = options.checks.filter(({ applies }) => applies?.(target.expectation) ?? true);
  }

  async run(): Promise<void> {
    this.start = this.clock.now();
    this.end = this.start + (this.options.deadlineMs ?? NODE_DEADLINE_MS);
    try {
      if (this.options.after) await this.oneAtATime(this.options.after);
      else await this.inWaves();
    } finally {
      await (await this.reaching)?.connection?.close();
      this.milliseconds = this.clock.now() - this.start;
    }
  }

  private async inWaves(): Promise<void> {
    const { default: pMap } = await import("p-map");
    for (const wave of wavesOf(this.chosen)) {
      await pMap(wave, async (check) => this.keep(check, await this.settle(check)), {
        concurrency: CHANNELS_AT_A_TIME,
      });
    }
  }

  private async oneAtATime(after: NonNullable<VerifyOptions["after"]>): Promise<void> {
    let step: NextStep = "next";
    for (const check of this.chosen) {
      const because = this.fleet.stopped ?? (step === "skip-next" ? LEFT_OUT : undefined);
      if (because !== undefined) {
        this.keep(check, skipped(check, because));
        step = "next";
        continue;
      }
      do {
        this.options.before?.(this.target.ref, check, this.target.expectation);
        const shown = this.keep(check, await this.settle(check));
        const answered = this.clock.now();
        step = await after(this.target.ref, shown);
        // The deadline is for what the node does, not for the time that a person takes.
        this.end += this.clock.now() - answered;
        if (step === "repeat" && !(await this.reaching)?.connection?.isOpen) this.reaching = undefined;
      } while (step === "repeat");
      if (step === "quit") this.fleet.stopped = `the run was stopped after ${check.id} of ${this.target.ref.name}`;
    }
  }

  /** Once every node was looked at: what was compared with some of them is compared with all. */
  compareAgain(): void {
    for (const check of this.chosen) {
      const value = this.fleet.value(check.id, this.target.ref.name);
      const earlier = this.results.get(check.id);
      if (check.where !== "fleet" || value === undefined || earlier === undefined) continue;
      const verdict = check.judge(value, this.fleet.others(check.id, this.target.ref.name));
      if (verdict.actual === earlier.actual && verdict.ok === (earlier.status === "ok"))
        this.results.set(check.id, { ...earlier, expected: verdict.expected });
      else this.keep(check, toResult(check, verdict, earlier));
    }
  }

  verification(): NodeVerification {
    const { ref } = this.target;
    const results = this.chosen.flatMap(({ id }) => this.results.get(id) ?? []);
    const outcome = outcomeOf(results);
    return {
      node: ref.name,
      region: ref.region,
      instanceId: ref.instanceId,
      ...(ref.address === undefined ? {} : { address: ref.address }),
      results,
      isVerified: outcome === "verified",
      outcome,
      milliseconds: this.milliseconds,
    };
  }

  private keep(check: Check, result: CheckResult): CheckResult {
    const shown = redacted(result, this.options.secrets ?? []);
    this.results.set(check.id, shown);
    this.options.onResult?.(this.target.ref, shown);
    return shown;
  }

  private async settle(check: Check): Promise<CheckResult> {
    const obstacle = check.needs.find((id) => this.isObstacle(id));
    if (obstacle !== undefined) return skipped(check, this.rootOf(obstacle));

    const { cloud, expectation } = this.target;
    const start = this.clock.now();
    const command = check.command(expectation);
    if (start >= this.end) return this.judged(check, OUT_OF_TIME, start, command);
    if (check.where === "cloud") return this.judged(check, check.judge(cloud, expectation), start, command);
    this.reaching ??= reach(this.target, this.timeToReach());
    const reached = await this.reaching;
    if (check.where !== "client" && reached.connection !== undefined)
      return await this.onNode(check, reached.connection, start);
    const found =
      check.where === "client"
        ? check.judge(reached.facts, expectation)
        : { ok: false, expected: "a login", actual: "failure" in reached ? reached.failure : "" };
    const verdict = atRecordedAddress(found, cloud);
    const result = this.judged(check, verdict, start, command);
    if (verdict.ok || !("failure" in reached) || reached.diagnosis.length === 0) return result;
    return {
      ...result,
      ...(verdict.severity === "unknown" ? {} : rootOf(reached.diagnosis)),
      diagnosis: reached.diagnosis,
    };
  }

  private async onNode(check: NodeCheck | FleetCheck, connection: NodeConnection, start: number): Promise<CheckResult> {
    const { expectation } = this.target;
    const command = check.command(expectation);
    const patience = Math.min(start + this.patienceFor(check.patienceMs ?? 0), this.end);
    const isLost = (): boolean => !connection.isOpen;
    for (;;) {
      if (isLost())
        return skipped(check, `the connection was lost${this.lostIn ? ` during ${this.lostIn}` : ""}`, command);
      const asked = this.clock.now();
      const deadlineMs = Math.max(1, Math.min(check.deadlineMs, this.end - asked));
      let verdict: Verdict;
      try {
        const output = await connection.run(command, { deadlineMs });
        verdict = this.verdictOn(check, { ...output, at: (asked + this.clock.now()) / 2 });
      } catch (error) {
        if (isLost()) this.lostIn ??= check.id;
        verdict = { ok: false, expected: "an answer", actual: wordsOf(error) };
      }
      if (verdict.ok || !verdict.pending || this.clock.now() + RETRY_MS > patience)
        return this.judged(check, verdict, start, command);
      await this.clock.sleep(RETRY_MS);
    }
  }

  private verdictOn(check: NodeCheck | FleetCheck, output: CommandOutput): Verdict {
    if (check.where === "node") return check.judge(output, this.target.expectation);
    const { name } = this.target.ref;
    const value = check.valueOf(output);
    if (value !== undefined) this.fleet.keep(check.id, name, value);
    return check.judge(value, this.fleet.others(check.id, name));
  }

  private judged(check: Check, verdict: Verdict, start: number, command: string): CheckResult {
    return toResult(check, verdict, { command, milliseconds: this.clock.now() - start });
  }

  private patienceFor(ms: number): number {
    return Math.min(ms, this.options.patienceMs ?? Infinity);
  }

  private timeToReach(): number {
    return Math.max(1, Math.min(Math.max(this.patienceFor(CONNECT_MS), LOGIN_MS), this.end - this.clock.now()));
  }

  private isObstacle(id: string): boolean {
    const result = this.results.get(id);
    // What AWS did not tell may be found out on the node itself.
    if (result?.status === "unknown") return result.phase !== "cloud";
    return result?.status === "failed" || (result?.status === "skipped" && result.because !== LEFT_OUT);
  }

  /** The check that really stands in the way, behind a row of skipped ones: that is the one worth naming. */
  private rootOf(id: string): string {
    const result = this.results.get(id);
    return result?.status === "skipped" && result.because !== undefined ? result.because : id;
  }
}

/** Checks by depth: those that need nothing, then those that need only these, … All of a wave can run at once. */
export function wavesOf(checks: readonly Check[]): Check[][] {
  const depth = new Map<string, number>();
  const waves: Check[][] = [];
  for (const check of checks) {
    // What was not chosen or does not apply is no obstacle.
    const own = Math.max(0, ...check.needs.map((id) => (depth.get(id) ?? -1) + 1));
    depth.set(check.id, own);
    (waves[own] ??= []).push(check);
  }
  return waves;
}
