import { SpotError, wordsOf } from "../../fleet/errors";
import { paths, units } from "../../fleet/layout";
import type { NodeConnection } from "./connection";
import { nodeProgram } from "./node-program";

/** One step of the deployment, as the node recorded it. */
export interface StepRecord {
  name: string;
  status: "pending" | "running" | "ok" | "failed";
  detail: string;
}

/** What a node says about itself: its own records, read in one go (instance/client/read_records.py). */
export interface NodeRecords {
  bootId: string;
  cloudInit: {
    /** Ended, well or not. */
    isDone: boolean;
    /** What it works at while it is not done. */
    stage: string | null;
    errors: string[];
  };
  /** Digest of the payload that lies whole in the upload root. */
  payloadDigest: string | null;
  deployment: {
    isActive: boolean;
    steps: StepRecord[];
    /** What the unit's ExecStopPost recorded ($SERVICE_RESULT), when it ended. */
    result: string | null;
    complete: { digest: string; bootId: string } | null;
  };
}

const READ_MS = 20_000;

/** Reads a node's records. @throws SpotError E_SSH, E_DEPLOYMENT when the node cannot tell. */
export async function readRecords(connection: NodeConnection): Promise<NodeRecords> {
  const program = nodeProgram(
    "read_records",
    units.deploy,
    paths.manifest,
    paths.deploymentSteps,
    paths.deploymentResult,
    paths.deploymentComplete,
  );
  const { code, stdout, stderr } = await connection.run(program, { deadlineMs: READ_MS });
  try {
    if (code === 0) return JSON.parse(stdout) as NodeRecords;
  } catch (error) {
    throw new SpotError("E_DEPLOYMENT", { message: "The node's records are not readable.", cause: wordsOf(error) });
  }
  throw new SpotError("E_DEPLOYMENT", { message: "The node's records could not be read.", cause: stderr.trim() });
}

/** Where a node stands on its way, and what it waits for or why it cannot go on. */
export type NodeLife =
  | { state: "booting" | "deploying" | "rebooting"; waitingFor: string }
  | { state: "fresh" | "uploaded" | "rebooted" }
  | { state: "failed"; reason: string };

/** Judges the records. Pure: the same records give the same answer. `digest` is the payload that the node should have. */
export function lifeOf({ bootId, cloudInit, payloadDigest, deployment }: NodeRecords, digest: string): NodeLife {
  const { complete, steps, result, isActive } = deployment;
  if (complete !== null) {
    if (complete.digest !== digest)
      return { state: "failed", reason: `it was deployed with another payload (${complete.digest.slice(0, 12)}…)` };
    if (complete.bootId !== bootId) return { state: "rebooted" };
    return result === null || result === "success"
      ? { state: "rebooting", waitingFor: "its reboot" }
      : { state: "failed", reason: "its reboot, which could not be started" };
  }
  const failed = steps.find((step) => step.status === "failed");
  if (failed) return { state: "failed", reason: `step ${failed.name}: ${failed.detail}` };
  if (isActive) return { state: "deploying", waitingFor: workOf(steps) };
  if (result !== null && result !== "success") return { state: "failed", reason: `${units.deploy} ended: ${result}` };
  if (steps.length > 0 || result !== null)
    return { state: "failed", reason: `${units.deploy} ended in the middle, at ${workOf(steps)}` };
  const [cloudInitError] = cloudInit.errors;
  if (cloudInitError !== undefined) return { state: "failed", reason: `cloud-init: ${cloudInitError}` };
  if (!cloudInit.isDone)
    return { state: "booting", waitingFor: `cloud-init${cloudInit.stage ? ` (${cloudInit.stage})` : ""}` };
  return payloadDigest === digest ? { state: "uploaded" } : { state: "fresh" };
}

function workOf(steps: StepRecord[]): string {
  const step = steps.find(({ status }) => status !== "ok");
  return step ? `step ${step.name}` : "its deployment";
}
