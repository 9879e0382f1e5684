import type { ErrorInfo } from "../../../fleet/errors";
import type { NodeChange } from "../../../fleet/plan/changes";
import type { ResourceChange } from "../../../fleet/plan/resource-changes";
import type { EngineOutcome } from "../../engine/stack";
import { NETWORK_TYPE } from "../../engine/state";
import type { Session } from "../../session";
import type { NodeVerification, Verification } from "../../verify/result";
import type { FleetAccess } from "../nodes/fleet-access";
import type { Provisioner } from "../nodes/provisioner";
import type { UpPlan, UpRequest } from "../plan/plan-up";
import type { KeptProject } from "../../../project/kept-project";
import { initialPlacement, type Placement } from "./failover";

/** What one run of `up` works with from its beginning to its end. */
export interface UpRun {
  /** As it was agreed to. */
  plan: UpPlan;
  request: UpRequest;
  /** Absent where nothing boots. */
  nodes?: { access: FleetAccess; provisioner: Provisioner };
  /** What is put back where the run fails. Absent where that was not asked for, or the run only adds. */
  fallback?: { project: KeptProject; nodesFor(plan: UpPlan): UpRun["nodes"] };
  /** Every region in which the fleet may have something. */
  regions: string[];
  /** Called with each instance as soon as the engine has ended it. */
  ended: (instanceId: string) => void;
  /** Aborted when AWS refuses the credentials: no region can be worked in any more. */
  stop: AbortController;
}

/** How far a run has come: each step takes such a value, and gives back the one after it. */
export interface Progress {
  /** With the record as it was read last. */
  session: Session;
  placement: Placement;
  changes: readonly NodeChange[];
  /** Nodes that wait for their turn to be replaced, or that stay as they are where replacing them could not work. */
  pending: ReadonlySet<string>;
  /** Instances whose turn to be replaced has come. */
  leaving: ReadonlySet<string>;
  outcomes: readonly EngineOutcome[];
  failures: readonly ErrorInfo[];
  /** By node name: what this run has verified. */
  verified: ReadonlyMap<string, NodeVerification>;
  /** Of the whole fleet. Absent: not verified, or not yet. */
  verification?: Verification;
  /** Nodes that were made and removed again. */
  rolledBack: readonly string[];
  /** Present once the fleet that was verified last was put back; everything else is then of that. */
  putBack?: PutBack;
}

/** How what was verified last was put back after a failure. */
export interface PutBack {
  /** When that had been verified, ISO 8601. */
  to: string;
  /** How far the run had come that failed. */
  failed: Progress;
  /** Nodes that were to stand at the end of it. */
  wanted: readonly string[];
  /** Nodes that were made again, or anew where nothing stood any more. */
  nodes: readonly string[];
  /** What could not be done of it, other than nodes. */
  left: readonly ResourceChange[];
  /** Everything is as it was: nothing failed, nothing waits, nothing is left, and what was looked at is verified. */
  isDone: boolean;
}

/** @param turns nodes that are replaced in turn */
export function begun({ session, decisions, changes, engine, held }: UpPlan, turns: readonly string[]): Progress {
  const unworkable = [...decisions.asked].flatMap(([region, error]) => (error ? [region] : []));
  // A node that went to a region as its network goes would stand in the way of that.
  const leaving = engine?.steps.flatMap(({ type, name, op }) =>
    type === NETWORK_TYPE && op === "delete" ? [name] : [],
  );
  return {
    session,
    placement: initialPlacement(decisions.pins, [...unworkable, ...(leaving ?? [])]),
    changes,
    pending: new Set([...turns, ...held]),
    leaving: new Set(),
    outcomes: [],
    failures: [...decisions.failedRegions.map(({ error }) => error), ...(engine?.failures ?? [])],
    verified: new Map(),
    rolledBack: [],
  };
}

/** The run is to come to its end: it was interrupted, or AWS refuses the credentials. */
export function isStopped({ stop, plan }: UpRun): boolean {
  return stop.signal.aborted || plan.session.interrupts.soft.aborted;
}

export function without<T>(set: ReadonlySet<T>, gone: Iterable<T>): ReadonlySet<T> {
  const left = new Set(set);
  for (const one of gone) left.delete(one);
  return left;
}
