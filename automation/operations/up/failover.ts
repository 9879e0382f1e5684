import { setTimeout as sleep } from "node:timers/promises";
import { AS_CATALOGUED, errorInfo, SpotError, type ErrorClass, type ErrorInfo } from "../../../fleet/errors";
import { classifyFailure, retryableClasses, type Failure } from "../../../fleet/aws/error-codes";
import type { Step } from "../../../fleet/steps";
import type { Pins, Pool } from "../../../fleet/model";
import { patternOf, poolText, type PoolPattern } from "../../../fleet/aws/pools";
import type { EngineFailure } from "../../engine/events";
import type { EngineOutcome } from "../../engine/stack";
import { INSTANCE_TYPE, nodeNameOf } from "../../engine/state";
import { UnavailableOfferings } from "../../../cloud/offerings/unavailable-offerings";
import type { Session } from "../../session";
import { placeFor } from "../../../cloud/offerings/places";
import { placed, unplaced } from "../../../fleet/plan/pins";
import type { UpPlan } from "../plan/plan-up";
import { failureInfo } from "../run/engine-events";

/** A pool that was tried for a node and refused. */
export interface Attempt {
  node: string;
  pool: Pool;
  awsCode: string | undefined;
  class: ErrorClass;
  next: string;
  step: Step;
}

/** Where each node goes, and what the run has tried for it so far. */
export interface Placement {
  pins: Pins;
  /** Every pool that refused a node in this run, in order. */
  attempts: readonly Attempt[];
  /** What those refusals rule out, and what was ruled out before. */
  closed: readonly PoolPattern[];
  /** Rounds in which nodes went to other pools. */
  moves: number;
  /** Rounds that waited for AWS to calm down. */
  retries: number;
}

/** @param unworkable regions to which no node may go */
export function initialPlacement(pins: Pins, unworkable: readonly string[] = []): Placement {
  return { pins, attempts: [], closed: unworkable.map((region) => ({ region })), moves: 0, retries: 0 };
}

/** Rounds in which a node goes to another pool: each closes at least one, and no region has many more. */
const MAX_MOVES = 12;

/** Rounds that wait for AWS to calm down: 1, 2, 4, 8 and 16 seconds, with jitter. */
const MAX_RETRIES = 5;
const FIRST_WAIT_MS = 1000;

/** What comes after an engine run. */
export interface NextRound {
  placement: Placement;
  /** True: another engine run. */
  again: boolean;
  /** The failures that stay, whether or not there is another run. */
  failures: readonly ErrorInfo[];
}

/** Is this failure answered by another try, so that it is not yet the node's last word? */
export function willTryAgain({ moves, retries }: Placement, failure: EngineFailure): boolean {
  const { class: failureClass, excludes, accountWide } = classifyFailure(failure.message);
  if (accountWide) return false;
  return excludes === undefined
    ? retryableClasses.has(failureClass) && retries < MAX_RETRIES
    : isLaunch(failure) && moves < MAX_MOVES;
}

/** A failure with what AWS's words for it mean. */
interface JudgedFailure {
  failure: EngineFailure;
  judged: Failure;
}

/**
 * Answers an engine's failures with another place or another try. A refused pool moves the nodes that it refused, and
 * no others; throttling and passing errors wait and are asked again.
 * @param random from 0 to 1, for the jitter
 */
export async function failOver(
  plan: UpPlan,
  from: Placement,
  outcome: EngineOutcome,
  random: () => number = Math.random,
): Promise<NextRound> {
  const { interrupts } = plan.session;
  const failures = outcome.failures.map((failure) => ({ failure, judged: classifyFailure(failure.message) }));
  if (interrupts.soft.aborted || failures.some(({ judged }) => judged.accountWide))
    return { placement: from, again: false, failures: staying(failures) };

  const refused = failures.filter(({ failure, judged }) => isLaunch(failure) && judged.excludes !== undefined);
  const passing = failures.filter(({ judged }) => judged.excludes === undefined && retryableClasses.has(judged.class));
  const { placement, moved, lost } = await moveAll(plan, from, refused);
  const retry = passing.length > 0 && placement.retries < MAX_RETRIES;
  if (retry) await backOff(plan.session, passing, placement.retries, random);
  if (moved || retry)
    return { placement: { ...placement, retries: placement.retries + (retry ? 1 : 0) }, again: true, failures: lost };
  const rest = failures.filter((entry) => !refused.includes(entry)).map(({ failure }) => failureInfo(failure));
  return { placement, again: false, failures: [...lost, ...rest] };
}

/** Every node that was refused goes to its next pool; those that have none are lost. */
async function moveAll(
  plan: UpPlan,
  from: Placement,
  refused: readonly JudgedFailure[],
): Promise<{ placement: Placement; moved: boolean; lost: ErrorInfo[] }> {
  if (refused.length === 0) return { placement: from, moved: false, lost: [] };
  let placement = withRefusals(plan.session, from, refused);
  const lost: ErrorInfo[] = [];
  for (const { failure } of refused) {
    const next = await move(plan, placement, nodeNameOf(failure.step.name));
    placement = { ...placement, pins: next.pins };
    if (next.error) lost.push(next.error);
  }
  return { placement: { ...placement, moves: placement.moves + 1 }, moved: lost.length < refused.length, lost };
}

/** Closes the pools that refused, for this run and for a while after it. */
function withRefusals(session: Session, from: Placement, refused: readonly JudgedFailure[]): Placement {
  const found = refused.flatMap(({ failure, judged }) => {
    const node = nodeNameOf(failure.step.name);
    const pool = from.pins.nodes[node]?.pool;
    return pool && judged.excludes ? [{ node, pool, judged, pattern: patternOf(pool, judged.excludes) }] : [];
  });
  const patterns = found.map(({ pattern }) => pattern);
  new UnavailableOfferings(session.target.scratch).add(patterns);
  const attempts = found.map(({ node, pool, judged }) => ({
    node,
    pool,
    awsCode: judged.awsCode,
    class: judged.class,
    next: judged.next,
    step: judged.step,
  }));
  return { ...from, attempts: [...from.attempts, ...attempts], closed: [...from.closed, ...patterns] };
}

/** The pins with the node's next pool, or without the node and with the reason. */
async function move(
  { session, decisions, definition }: UpPlan,
  placement: Placement,
  node: string,
): Promise<{ pins: Pins; error?: ErrorInfo }> {
  const { pins, closed, moves, attempts } = placement;
  const slot = definition.slots.find(({ name }) => name === node);
  const taken = Object.entries(pins.nodes).flatMap(([name, { pool }]) => (name === node ? [] : [pool]));
  const avoided = new UnavailableOfferings(session.target.scratch).current();
  const place =
    slot && moves < MAX_MOVES ? await placeFor(slot, decisions.offers, { closed, avoided, taken }) : undefined;
  if (!place) {
    const error = noPoolLeft(
      node,
      attempts.filter((attempt) => attempt.node === node),
    );
    session.reporter.emit({ type: "message", level: "error", subject: node, message: error.message, error });
    return { pins: unplaced(pins, { [node]: error.message }), error };
  }
  say(session, "info", node, `goes to ${poolText(place.pin.pool)}`);
  return { pins: placed(pins, node, { node: place.pin, region: place.offer.pin }) };
}

function noPoolLeft(node: string, tried: readonly Attempt[]): ErrorInfo {
  const last = tried.at(-1);
  const sameClass = tried.every((attempt) => attempt.class === last?.class);
  const codes = [...new Set(tried.map(({ awsCode }) => awsCode))].join(", ");
  return errorInfo(
    new SpotError("E_NO_POOL", {
      message: `node ${node} could not be created: ${codes} in ${tried.length === 1 ? "the only pool there is" : `each of ${tried.length} pools`}`,
      cause: tried.map(({ pool, awsCode }) => `${poolText(pool)}: ${awsCode ?? "refused"}`).join("\n"),
      class: sameClass && last ? last.class : "capacity",
      ...(sameClass && last && last.class !== "capacity" ? { next: last.next, step: last.step } : AS_CATALOGUED),
    }),
  );
}

async function backOff(
  session: Session,
  passing: readonly JudgedFailure[],
  retries: number,
  random: () => number,
): Promise<void> {
  const wait = FIRST_WAIT_MS * 2 ** retries * (0.75 + random() / 2);
  const codes = [...new Set(passing.map(({ judged }) => judged.awsCode ?? "a passing failure"))].join(", ");
  say(
    session,
    "warning",
    "spot",
    `${codes}: tried again in ${(wait / 1000).toFixed(1)} s (${retries + 1} of ${MAX_RETRIES})`,
  );
  await sleep(wait, undefined, { signal: session.interrupts.soft }).catch(() => undefined);
}

function say({ reporter }: Session, level: "info" | "warning", subject: string, message: string): void {
  reporter.emit({ type: "message", level, subject, message });
}

/** AWS refused to start an instance; not a network's part, and not the end of an instance. */
function isLaunch({ step }: EngineFailure): boolean {
  return step.type === INSTANCE_TYPE && !step.op.startsWith("delete");
}

/** Nothing more is tried. Credentials that are refused are one failure, however many calls met it. */
function staying(failures: readonly JudgedFailure[]): ErrorInfo[] {
  const refused = failures.find(({ judged }) => judged.accountWide);
  const others = failures.filter(({ judged }) => !judged.accountWide).map(({ failure }) => failureInfo(failure));
  if (!refused) return others;
  const { awsCode, next, step } = refused.judged;
  const error = errorInfo(
    new SpotError("E_CREDENTIALS", {
      message: `AWS refuses the credentials${awsCode ? ` (${awsCode})` : ""}: all regions were stopped, what was done is recorded`,
      cause: refused.failure.message,
      next,
      step,
    }),
  );
  return [error, ...others];
}
