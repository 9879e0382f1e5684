import type {
  Check,
  CloudFacts,
  CommandOutput,
  FleetCheck,
  NodeCheck,
  NodeExpectation,
  Verdict,
} from "../../fleet/checks";
import { ofOutdated } from "../../fleet/checks/expectations";
import { atRecordedAddress } from "../../fleet/checks/reach";
import { rootOf, type DiagnosisStep, type ReachStage } from "../../fleet/checks/diagnosis";
import { adviceFor, wordsOf } from "../../fleet/errors";
import type { NodeRef } from "../../fleet/model";
import { systemClock, type Clock } from "../../system/clock";
import type { NodeConnection } from "../ssh/connection";
import { toResult, redacted, skipped } from "./check-result";
import { outcomeOf } from "./outcome";
import { reach, type Reach } from "./reach";
import type { CheckResult, NodeVerification, Verification } from "./result";
import { combined } from "./scope";

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
  /** What there would be to look at; absent: these checks and these nodes are all. */
  whole?: { checks: readonly Check[]; nodes: readonly string[] };
  /** For one node, ms. What has not ended by then is skipped, for it says nothing of the node. */
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
  before?: (node: NodeRef, check: Check, expectation: NodeExpectation, position: Position) => void;
  clock?: Clock;
}

/** Where a run one at a time has come to. Both count from 1. */
export interface Position {
  check: { number: number; of: number };
  node: { number: number; of: number };
}

const NODES_AT_A_TIME = 24;
/** Below sshd's MaxSessions (10 per connection). */
const CHANNELS_AT_A_TIME = 6;
const NODE_DEADLINE_MS = 300_000;
const CONNECT_MS = 20_000;
/** What a login gets whatever the patience: none succeeds in no time. */
const LOGIN_MS = 5_000;
const RETRY_MS = 1_000;

/** A timer may be over this much before the clock says so, ms. */
const TIMER_MS = 50;

const LEFT_OUT = "it was left out";

/** Runs the check list on every node. Never throws for what a node does or fails to do: that is a result. */
export async function verify(targets: readonly VerifyTarget[], options: VerifyOptions): Promise<Verification> {
  const { default: pMap } = await import("p-map");
  const fleet = new FleetValues();
  const runs = targets.map((target, n) => new NodeRun(target, options, fleet, { number: n + 1, of: targets.length }));
  await pMap(runs, (run) => run.run(), { concurrency: options.after ? 1 : (options.concurrency ?? NODES_AT_A_TIME) });
  for (const run of runs) run.compareAgain();
  const nodes = runs.map((run) => run.verification());
  const all = options.whole ?? { checks: options.checks, nodes: nodes.map(({ node }) => node) };
  return combined(nodes, {
    fleet: all.nodes,
    checks: { chosen: options.checks.length, of: all.checks.length },
    early: runs.flatMap((run) => run.early()),
  });
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
  /** By check that failed: what of it stands in the way (`Verdict.blocks`). */
  private readonly blocks = new Map<string, readonly string[]>();
  /** Ids of checks that the run did not look at, for a reason that is not the node's. */
  private readonly unlooked = new Set<string>();
  private reaching: Promise<Reach | "late"> | undefined;
  /** Id of the check during which the connection was lost. */
  private lostIn: string | undefined;

  constructor(
    private readonly target: VerifyTarget,
    private readonly options: VerifyOptions,
    private readonly fleet: FleetValues,
    private readonly place: Position["node"],
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
      await connectionOf(await this.reaching)?.close();
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
    for (const [n, check] of this.chosen.entries()) {
      const because = this.fleet.stopped ?? (step === "skip-next" ? LEFT_OUT : undefined);
      if (because !== undefined) {
        this.keep(check, this.unlookedAt(check, because));
        step = "next";
        continue;
      }
      do {
        this.options.before?.(this.target.ref, check, this.target.expectation, {
          check: { number: n + 1, of: this.chosen.length },
          node: this.place,
        });
        const shown = this.keep(check, await this.settle(check));
        const answered = this.clock.now();
        step = await after(this.target.ref, shown);
        // The deadline is for what the node does, not for the time that a person takes.
        this.end += this.clock.now() - answered;
        if (step === "repeat" && !connectionOf(await this.reaching)?.isOpen) this.reaching = undefined;
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
      else this.keep(check, toResult(this.target.ref.name, check, verdict, earlier));
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
      isWhole:
        this.unlooked.size === 0 && this.options.checks.length === (this.options.whole ?? this.options).checks.length,
      milliseconds: this.milliseconds,
    };
  }

  /** Why the list was not gone through to its end on this node. */
  early(): string[] {
    const reasons = [...this.unlooked].map((id) => this.results.get(id)?.because);
    const { stopped } = this.fleet;
    const { name } = this.target.ref;
    return [
      ...(stopped !== undefined && reasons.includes(stopped) ? [stopped] : []),
      ...(reasons.includes(LEFT_OUT) ? [`checks of ${name} were left out`] : []),
      ...(reasons.some((because) => because === this.late("finished") || because === this.late("begun"))
        ? [`checks of ${name} were not finished in time`]
        : []),
    ];
  }

  private unlookedAt(check: Check, because: string, command?: string): CheckResult {
    this.unlooked.add(check.id);
    return skipped(check, because, command);
  }

  /** What is said of a check that the node's time was not enough for. */
  private late(how: "begun" | "finished"): string {
    return `not ${how} in time: the node had ${(this.options.deadlineMs ?? NODE_DEADLINE_MS) / 1000} s, and \`verify --deadline\` gives it more`;
  }

  /** Is the node's time over, now that something ended which had less time than it would have been given? */
  private isLate(given: number, wanted: number): boolean {
    return given < wanted && this.clock.now() + TIMER_MS >= this.end;
  }

  private keep(check: Check, result: CheckResult): CheckResult {
    const shown = redacted(result, this.options.secrets ?? []);
    if (shown.status !== "skipped") this.unlooked.delete(check.id);
    this.results.set(check.id, shown);
    this.options.onResult?.(this.target.ref, shown);
    return shown;
  }

  private async settle(check: Check): Promise<CheckResult> {
    const obstacle = check.needs.find((id) => this.isObstacle(id, check));
    if (obstacle !== undefined) return this.skippedBecauseOf(obstacle, check);

    const { cloud, expectation } = this.target;
    const start = this.clock.now();
    const command = check.command(expectation);
    if (start >= this.end) return this.unlookedAt(check, this.late("begun"), command);
    if (check.where === "cloud") return this.judged(check, check.judge(cloud, expectation), start, command);
    this.reaching ??= this.reach();
    const reached = await this.reaching;
    if (reached === "late") return this.unlookedAt(check, this.late("finished"), command);
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
      ...(verdict.severity === "unknown" ? {} : this.rootOf(reached.diagnosis)),
      diagnosis: reached.diagnosis,
    };
  }

  /** What is wrong on the way to the node, in the place of what the check says of it by itself. */
  private rootOf(diagnosis: readonly DiagnosisStep[]): Partial<CheckResult> {
    const root = rootOf(diagnosis, this.target.expectation);
    if (root === undefined) return {};
    return { cause: root.cause, ...(root.next === undefined ? {} : adviceFor(this.target.ref.name, root)) };
  }

  private async onNode(check: NodeCheck | FleetCheck, connection: NodeConnection, start: number): Promise<CheckResult> {
    const { expectation } = this.target;
    const command = check.command(expectation);
    const patience = start + this.patienceFor(check.patienceMs ?? 0);
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
        else if (this.isLate(deadlineMs, check.deadlineMs))
          return this.unlookedAt(check, this.late("finished"), command);
        verdict = { ok: false, expected: "an answer", actual: wordsOf(error) };
      }
      const next = this.clock.now() + RETRY_MS;
      if (verdict.ok || !verdict.pending || next > patience) return this.judged(check, verdict, start, command);
      // It may yet come true.
      if (next > this.end) return this.unlookedAt(check, this.late("finished"), command);
      await this.clock.sleep(RETRY_MS);
    }
  }

  private verdictOn(check: NodeCheck | FleetCheck, output: CommandOutput): Verdict {
    const { expectation } = this.target;
    if (check.where === "node") return ofOutdated(check, check.judge(output, expectation), expectation);
    const { name } = this.target.ref;
    const value = check.valueOf(output);
    if (value !== undefined) this.fleet.keep(check.id, name, value);
    return check.judge(value, this.fleet.others(check.id, name));
  }

  private judged(check: Check, verdict: Verdict, start: number, command: string): CheckResult {
    if (verdict.blocks !== undefined) this.blocks.set(check.id, verdict.blocks);
    else this.blocks.delete(check.id);
    return toResult(this.target.ref.name, check, verdict, { command, milliseconds: this.clock.now() - start });
  }

  private patienceFor(ms: number): number {
    return Math.min(ms, this.options.patienceMs ?? Infinity);
  }

  private reach(): Promise<Reach | "late"> {
    const wanted = Math.max(this.patienceFor(CONNECT_MS), LOGIN_MS);
    const given = Math.max(1, Math.min(wanted, this.end - this.clock.now()));
    return reach(this.target, given, () => this.isLate(given, wanted));
  }

  /** Does what became of a check stand in the way of one that needs it? */
  private isObstacle(id: string, { about }: Check): boolean {
    const result = this.results.get(id);
    // What AWS did not tell may be found out on the node itself.
    if (result?.status === "unknown") return result.phase !== "cloud";
    if (result?.status === "skipped") return result.because !== LEFT_OUT;
    const blocks = this.blocks.get(id);
    return result?.status === "failed" && (blocks === undefined || (about !== undefined && blocks.includes(about)));
  }

  /** Names what really stands in the way, behind a row of skipped checks: that is what is worth naming. */
  private skippedBecauseOf(obstacle: string, check: Check): CheckResult {
    if (this.unlooked.has(obstacle)) return this.unlookedAt(check, this.late("begun"));
    const result = this.results.get(obstacle);
    return skipped(check, result?.status === "skipped" && result.because !== undefined ? result.because : obstacle);
  }
}

const connectionOf = (reached: Reach | "late" | undefined): NodeConnection | undefined =>
  reached === "late" ? undefined : reached?.connection;

/** Checks by depth: those that wait for nothing, then those that wait only for these, … All of a wave can run at once. */
export function wavesOf(checks: readonly Check[]): Check[][] {
  const depth = new Map<string, number>();
  const waves: Check[][] = [];
  for (const check of checks) {
    // What was not chosen or does not apply is no obstacle.
    const own = Math.max(0, ...[...check.needs, ...(check.after ?? [])].map((id) => (depth.get(id) ?? -1) + 1));
    depth.set(check.id, own);
    (waves[own] ??= []).push(check);
  }
  return waves;
}
