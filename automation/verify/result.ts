import type { CheckStatus, Phase, Span } from "../../fleet/checks";
import type { DiagnosisStep } from "../../fleet/checks/diagnosis";
import type { Step } from "../../fleet/steps";
import type { Outcome } from "./outcome";

export type { CheckStatus };

/** One check of one node: what was run, what was expected and found, and, when it does not hold, why and what next. */
export interface CheckResult {
  id: string;
  title: string;
  phase: Phase;
  status: CheckStatus;
  /** As it was run on the node; of a check of the cloud or the connection, what shows a person the same. */
  command?: string;
  expected?: string;
  actual?: string;
  /** Why it was skipped: the id of the check that failed or is unknown, or a sentence. */
  because?: string;
  cause?: string;
  next?: string;
  /** The same as data: what ends the failure. */
  step?: Step;
  /** When the node cannot be reached: everything on the way to it, in order. */
  diagnosis?: DiagnosisStep[];
  /** The end of the journal of each unit that is not as it must be. */
  journals?: { unit: string; lines: string[] }[];
  /** What the output told of when things happened on the node. */
  spans?: Span[];
  milliseconds: number;
}

export interface NodeVerification {
  node: string;
  region: string;
  instanceId: string;
  address?: string;
  /** Every check that was chosen and applies, in the list's order. */
  results: CheckResult[];
  /** Nothing failed, nothing is unknown and nothing was skipped. */
  isVerified: boolean;
  /** The same with what it is when it is not verified. */
  outcome: Outcome;
  /** The whole list was gone through: no check was left out, and each came to its end or was skipped because of another. */
  isWhole: boolean;
  milliseconds: number;
}

export interface Verification {
  nodes: NodeVerification[];
  /** There is at least one node, and every one is verified. */
  isVerified: boolean;
  /** The worst of its nodes'. */
  outcome: Outcome;
  /** The whole list, on every node of the fleet. What is verified in part says nothing of the rest. */
  isWhole: boolean;
  /** What was not looked at, a phrase each; empty when it is whole. */
  leftOut: string[];
  /** Names of the fleet's nodes that were not looked at. */
  notLookedAt: string[];
  /** What ends what failed, for all nodes together; absent: nothing failed and nothing is unknown. */
  step?: Step;
}
