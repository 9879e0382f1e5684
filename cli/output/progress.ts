import type { CheckStatus, Phase } from "../../fleet/checks/types";
import type { FleetEvent, NodePhase } from "../../fleet/report/events";
import type { NodeRef } from "../../fleet/model";
import type { NodeChange } from "../../fleet/plan/changes";

/**
 * Where a node stands: a phase that it reached, or one of the others. In the order in which a fleet goes through them.
 * `replacing`: its instance has ended, and the one that takes its place is not there yet.
 */
export const STAGES = [
  "planned",
  "kept",
  "ending",
  "replacing",
  "created",
  "uploaded",
  "deploying",
  "rebooted",
  "verified",
  "unknown",
  "deleted",
  "failed",
] as const satisfies readonly (NodePhase | "planned" | "kept" | "replacing" | "failed")[];
export type Stage = (typeof STAGES)[number];

/** Times are milliseconds since 1970. */
export interface NodeProgress {
  name: string;
  region: string;
  instanceId?: string;
  address?: string;
  stage: Stage;
  /** What the run is to do with it. */
  change?: NodeChange["kind"];
  /** When something first happened to it. */
  beganAt?: number;
  /** When it was done with: verified, unknown, deleted or failed. */
  endedAt?: number;
  /** What it waits for, or why it failed or is unknown. */
  reason?: string;
  checks?: {
    done: number;
    total: number;
    failed: string[];
    unknown: string[];
    skipped: number;
    phases: Partial<Record<Phase, PhaseProgress>>;
  };
}

/** How far a node's checks of one phase are. */
export interface PhaseProgress {
  /** With which their ids begin. */
  letter: string;
  done: number;
  total: number;
  failed: number;
  unknown: number;
  skipped: number;
}

/** A run as far as its events tell: what the live view draws and `status` shows. */
export interface Progress {
  startedAt: number;
  stack?: string;
  account?: string;
  nodes: Map<string, NodeProgress>;
  /** Long work that is under way now. */
  tasks: Map<string, { detail?: string; beganAt: number }>;
}

export const emptyProgress = (startedAt: number): Progress => ({ startedAt, nodes: new Map(), tasks: new Map() });

const ENDS: ReadonlySet<Stage> = new Set<Stage>(["verified", "unknown", "deleted", "failed"]);

/** Takes one event into the progress, in place. `now` is when it happened. */
export function advance(progress: Progress, event: FleetEvent, now: number): void {
  switch (event.type) {
    case "changes":
      progress.stack = event.stack;
      progress.account = event.account;
      for (const { name, kind, to, from, reason } of event.changes) {
        const { region } = (to ?? from).pin.pool;
        const why = {
          create: "to be created",
          replace: `to be replaced: ${reason ?? "it differs"}`,
          update: undefined,
          delete: "to be deleted",
          same: undefined,
        }[kind];
        progress.nodes.set(name, {
          name,
          region,
          change: kind,
          stage: why === undefined ? "kept" : "planned",
          reason: why,
        });
      }
      return;
    case "expected":
      for (const ref of event.nodes)
        if (!progress.nodes.has(ref.name)) progress.nodes.set(ref.name, { ...ref, stage: "kept" });
      return;
    case "node": {
      if (isPredecessor(progress, event)) return;
      const node = nodeOf(progress, event.node);
      move(
        node,
        event.level === "error" ? "failed" : stageOf(node, event.phase),
        event.level === "error" || event.phase === "unknown" ? event.message : undefined,
        now,
      );
      return;
    }
    case "waiting": {
      const node = nodeOf(progress, event.node);
      node.beganAt ??= now;
      node.reason = event.reason;
      return;
    }
    case "check":
      checked(nodeOf(progress, event.node), event, now);
      return;
    case "task":
      if (event.state === "done" || event.state === "failed") progress.tasks.delete(event.task);
      else
        progress.tasks.set(event.task, {
          beganAt: progress.tasks.get(event.task)?.beganAt ?? now,
          detail: event.detail,
        });
      return;
    case "message":
      return;
  }
}

function nodeOf({ nodes }: Progress, ref: NodeRef): NodeProgress {
  const node: NodeProgress = { stage: "planned", ...nodes.get(ref.name), ...ref };
  nodes.set(ref.name, node);
  return node;
}

/** Where the next instance is made first, the end of the one before it says nothing of where the node stands. */
function isPredecessor({ nodes }: Progress, { phase, level, node }: Extract<FleetEvent, { type: "node" }>): boolean {
  const instanceId = nodes.get(node.name)?.instanceId;
  return (
    (phase === "deleted" || phase === "ending") &&
    level !== "error" &&
    instanceId !== undefined &&
    instanceId !== node.instanceId
  );
}

/** Of a node that is replaced the end of its instance is half of the way. */
const stageOf = ({ change }: NodeProgress, phase: NodePhase): Stage =>
  phase === "deleted" && change === "replace" ? "replacing" : phase;

function move(node: NodeProgress, stage: Stage, reason: string | undefined, now: number): void {
  node.beganAt ??= now;
  node.stage = stage;
  node.reason = reason;
  node.endedAt = ENDS.has(stage) ? now : undefined;
}

function checked(
  node: NodeProgress,
  { id, title, phase, status, done, total, inPhase }: Extract<FleetEvent, { type: "check" }>,
  now: number,
): void {
  node.beganAt ??= now;
  // The first result of a pass begins anew: a node can be verified twice in one run.
  const before = done === 1 ? undefined : node.checks;
  const is = (wanted: CheckStatus): number => (status === wanted ? 1 : 0);
  const named = (wanted: CheckStatus): string[] => (status === wanted ? [`${id} ${title}`] : []);
  const ofPhase = before?.phases[phase];
  node.checks = {
    done,
    total,
    failed: [...(before?.failed ?? []), ...named("failed")],
    unknown: [...(before?.unknown ?? []), ...named("unknown")],
    skipped: (before?.skipped ?? 0) + is("skipped"),
    phases: {
      ...before?.phases,
      [phase]: {
        letter: id.charAt(0),
        ...inPhase,
        failed: (ofPhase?.failed ?? 0) + is("failed"),
        unknown: (ofPhase?.unknown ?? 0) + is("unknown"),
        skipped: (ofPhase?.skipped ?? 0) + is("skipped"),
      },
    },
  };
  node.reason = undefined;
  if (done < total) return;
  const [stage, why] = endOf(node.checks);
  move(node, stage, why, now);
}

/** What was skipped because of a failed or an unknown check is no reason of its own. */
function endOf({ failed, unknown, skipped }: NonNullable<NodeProgress["checks"]>): [Stage, string | undefined] {
  if (failed.length > 0) return ["failed", failed.join(", ")];
  if (unknown.length > 0) return ["unknown", unknown.join(", ")];
  return skipped > 0 ? ["failed", `${skipped} checks were skipped`] : ["verified", undefined];
}

/** `12 deploying, 3 verified`: in the order of a node's life. */
export function countText(nodes: Iterable<NodeProgress>): string {
  const counts = new Map<Stage, number>();
  for (const { stage } of nodes) counts.set(stage, (counts.get(stage) ?? 0) + 1);
  return STAGES.flatMap((stage) => (counts.has(stage) ? [`${counts.get(stage) ?? 0} ${stage}`] : [])).join(", ");
}
