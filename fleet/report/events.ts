import type { NodeChange } from "../plan/changes";
import type { ResourceChange } from "../plan/resource-changes";
import type { CheckStatus, Phase } from "../checks/types";
import type { ErrorInfo } from "../errors";
import type { NodeRef } from "../model";

export type Level = "debug" | "info" | "success" | "warning" | "error";

/** The steps of a node's life that a person waits for, in order; `unknown` stands in the place of `verified`. */
export type NodePhase =
  | "created"
  | "ending"
  | "deleted"
  | "uploaded"
  | "deploying"
  | "rebooted"
  | "verified"
  | "unknown";

/**
 * Everything that a run tells, as data. The library never prints: a reporter turns events into lines, a live view or
 * JSON. `message` is a whole sentence or phrase that can stand alone.
 */
export type FleetEvent =
  /** Something worth a line. `subject` is a region or a part of the run, when it is about no single node. */
  | { type: "message"; level: Level; message: string; subject?: string; error?: ErrorInfo }
  /** A node reached a phase, or failed on the way to it (level error). */
  | { type: "node"; level: Level; node: NodeRef; phase: NodePhase; message: string; error?: ErrorInfo }
  /** A node waits, and for what. Sent when the reason changes, not on a clock. */
  | { type: "waiting"; node: NodeRef; reason: string }
  /** Long work of the run itself (first-time set-up, preview). `detail` changes while it lasts. */
  | { type: "task"; task: string; state: "started" | "progress" | "done" | "failed"; detail?: string; seconds?: number }
  /** What is about to be done, before anything is. */
  | { type: "changes"; stack: string; account: string; changes: NodeChange[]; resources: ResourceChange[] }
  /** The nodes that a run without changes is about, before it begins on them. */
  | { type: "expected"; nodes: NodeRef[] }
  /** A check of a node has its result; of all its checks, and of those of the phase, so many are over. */
  | {
      type: "check";
      node: NodeRef;
      id: string;
      title: string;
      phase: Phase;
      status: CheckStatus;
      done: number;
      total: number;
      inPhase: { done: number; total: number };
    };

/** A question that a person answers; scripts answer it with an option. */
export interface Question {
  message: string;
  /** The option that answers it, and no other; `nothing`: a person alone; absent: --yes. */
  answeredBy?: "take-over" | "nothing";
  /** What counts when nobody can be asked. */
  unattended: boolean;
}

/** Where events go and where questions are asked. The one way out of the library. */
export interface Reporter {
  emit: (event: FleetEvent) => void;
  confirm: (question: Question) => Promise<boolean>;
  /** Absent, or false: nobody sits there who can be asked, or wants to be. */
  isAttended?: () => boolean;
}
