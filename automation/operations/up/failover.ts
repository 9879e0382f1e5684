import { setTimeout as sleep } from "node:timers/promises";
import { errorInfo, SpotError, type ErrorClass, type ErrorInfo } from "../../../fleet/errors";
import { classifyFailure, passingClasses, type Failure } from "../../../fleet/aws/failures";
import type { Pins, Pool, Slot } from "../../../fleet/model";
import { patternOf, poolText, type PoolPattern } from "../../../fleet/aws/pools";
import type { EngineFailure } from "../../engine/events";
import type { EngineOutcome } from "../../engine/stack";
import { INSTANCE_TYPE, nodeNameOf } from "../../engine/state";
import { PoolMemory } from "../../cloud/offerings/pool-memory";
import type { Session } from "../../session";
import { placeFor, type Decisions } from "../plan/decide";
import { unplace } from "../plan/pins";
import { failureInfo } from "../run/engine-report";

/** A pool that was tried for a node and refused. */
export interface Attempt {
  node: string;
  pool: Pool;
  awsCode: string | undefined;
  class: ErrorClass;
  next: string;
}

/** Rounds in which a node goes to another pool: each closes at least one, and no region has many more. */
const MAX_MOVES = 12;

/** Rounds that wait for AWS to calm down: 1, 2, 4, 8 and 16 seconds, with jitter. */
const MAX_RETRIES = 5;
const FIRST_WAIT_MS = 1000;

/** What comes after an engine run: another one, or the failures that stay. */
export type NextStep = { again: true } | { again: false; failures: ErrorInfo[] };

/**
 * Answers an engine's failures with another place or another try. A refused pool moves the nodes that it refused, and
 * no others; throttling and passing errors wait and are asked again. Works on the pins in place: the program and the
 * nodes that come up beside it see the move.
 */
export class Failover {
  /** Every pool that refused a node in this run, in order. */
  readonly attempts: Attempt[] = [];
  private readonly closed: PoolPattern[] = [];
  private readonly memory: PoolMemory;
  private readonly pins: Pins;
  /** Nodes without any pool left, until they are told. */
  private readonly lost: ErrorInfo[] = [];
  private moves = 0;
  private retries = 0;

  constructor(
    private readonly session: Session,
    private readonly decisions: Decisions,
    private readonly slots: readonly Slot[],
    private readonly random: () => number = Math.random,
  ) {
    this.pins = decisions.pins;
    this.memory = new PoolMemory(session.target.scratch);
  }

  /** Is this failure answered by another try, so that it is not yet the node's last word? */
  willTryAgain(failure: EngineFailure): boolean {
    const { class: failureClass, closes, everywhere } = classifyFailure(failure.message);
    if (everywhere) return false;
    return closes === undefined
      ? passingClasses.has(failureClass) && this.retries < MAX_RETRIES
      : isLaunch(failure) && this.moves < MAX_MOVES;
  }

  async after(outcome: EngineOutcome): Promise<NextStep> {
    const failures = outcome.failures.map((failure) => ({ failure, judged: classifyFailure(failure.message) }));
    if (this.session.interrupts.soft.aborted || failures.some(({ judged }) => judged.everywhere))
      return stays(failures);

    const refused = failures.filter(({ failure, judged }) => isLaunch(failure) && judged.closes !== undefined);
    const passing = failures.filter(({ judged }) => judged.closes === undefined && passingClasses.has(judged.class));
    let moved = false;
    if (refused.length > 0) {
      this.close(refused);
      for (const { failure } of refused) {
        const info = await this.move(nodeNameOf(failure.step.name));
        if (info) this.lost.push(info);
        else moved = true;
      }
      this.moves += 1;
    }
    const retry = passing.length > 0 && this.retries < MAX_RETRIES;
    if (moved || retry) {
      if (retry) await this.backOff(passing.map(({ judged }) => judged));
      return { again: true };
    }
    const rest = failures.filter((entry) => !refused.includes(entry));
    return { again: false, failures: [...this.lost.splice(0), ...rest.map(({ failure }) => failureInfo(failure))] };
  }

  private close(refused: { failure: EngineFailure; judged: Failure }[]): void {
    const patterns: PoolPattern[] = [];
    for (const { failure, judged } of refused) {
      const node = nodeNameOf(failure.step.name);
      const pool = this.pins.nodes[node]?.pool;
      if (!pool || !judged.closes) continue;
      this.attempts.push({ node, pool, awsCode: judged.awsCode, class: judged.class, next: judged.next });
      patterns.push(patternOf(pool, judged.closes));
    }
    this.closed.push(...patterns);
    this.memory.remember(patterns);
  }

  /** Gives the node its next pool. What comes back is why it has none. */
  private async move(node: string): Promise<ErrorInfo | undefined> {
    const slot = this.slots.find(({ name }) => name === node);
    const taken = Object.entries(this.pins.nodes).flatMap(([name, { pool }]) => (name === node ? [] : [pool]));
    const place =
      slot && this.moves < MAX_MOVES
        ? await placeFor(slot, this.decisions.offers, { closed: this.closed, avoided: this.memory.patterns(), taken })
        : undefined;
    if (!place) return this.giveUp(node);
    this.pins.nodes[node] = place.pin;
    this.pins.regions[place.offer.region] ??= place.offer.pin;
    this.say("info", node, `goes to ${poolText(place.pin.pool)}`);
    return undefined;
  }

  private giveUp(node: string): ErrorInfo {
    const tried = this.attempts.filter((attempt) => attempt.node === node);
    const last = tried.at(-1);
    const sameClass = tried.every((attempt) => attempt.class === last?.class);
    const codes = [...new Set(tried.map(({ awsCode }) => awsCode))].join(", ");
    const error = errorInfo(
      new SpotError("E_NO_POOL", {
        message: `node ${node} could not be created: ${codes} in ${tried.length === 1 ? "the only pool there is" : `each of ${tried.length} pools`}`,
        cause: tried.map(({ pool, awsCode }) => `${poolText(pool)}: ${awsCode}`).join("\n"),
        class: sameClass && last ? last.class : "capacity",
        ...(sameClass && last && last.class !== "capacity" ? { next: last.next } : {}),
      }),
    );
    unplace(this.pins, node, error.message);
    this.session.reporter.emit({ type: "message", level: "error", subject: node, message: error.message, error });
    return error;
  }

  private async backOff(judged: Failure[]): Promise<void> {
    const wait = FIRST_WAIT_MS * 2 ** this.retries * (0.75 + this.random() / 2);
    this.retries += 1;
    const codes = [...new Set(judged.map(({ awsCode }) => awsCode ?? "a passing failure"))].join(", ");
    this.say(
      "warning",
      "spot",
      `${codes}: tried again in ${(wait / 1000).toFixed(1)} s (${this.retries} of ${MAX_RETRIES})`,
    );
    await sleep(wait, undefined, { signal: this.session.interrupts.soft }).catch(() => undefined);
  }

  private say(level: "info" | "warning", subject: string, message: string): void {
    this.session.reporter.emit({ type: "message", level, subject, message });
  }
}

/** AWS refused to start an instance; not a network's part, and not the end of an instance. */
function isLaunch({ step }: EngineFailure): boolean {
  return step.type === INSTANCE_TYPE && !step.op.startsWith("delete");
}

/** Nothing more is tried. Credentials that are refused are one failure, however many calls met it. */
function stays(failures: { failure: EngineFailure; judged: Failure }[]): NextStep {
  const refused = failures.find(({ judged }) => judged.everywhere);
  const others = failures.filter(({ judged }) => !judged.everywhere).map(({ failure }) => failureInfo(failure));
  if (!refused) return { again: false, failures: others };
  const { awsCode, next } = refused.judged;
  const error = errorInfo(
    new SpotError("E_CREDENTIALS", {
      message: `AWS refuses the credentials${awsCode ? ` (${awsCode})` : ""}: all regions were stopped, what was done is recorded`,
      cause: refused.failure.message,
      next,
    }),
  );
  return { again: false, failures: [error, ...others] };
}
