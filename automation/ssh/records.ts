import { SpotError, wordsOf } from "../../fleet/errors";
import { paths, units } from "../../fleet/node/layout";
import type { NodeConnection } from "./connection";
import { python } from "./shell";

/** One step of the deployment, as the node recorded it. */
export interface StepRecord {
  name: string;
  status: "pending" | "running" | "ok" | "failed";
  detail: string;
}

/** What a node says about itself: its own records, read in one go. */
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

/**
 * Reads cloud-init's own files (`cloud-init status` reads the same, at the cost of a start of cloud-init; and its exit
 * code differs between versions), the upload's manifest and the deployment's records.
 * The unit's state is taken before the records, so that "ended, and nothing written" cannot be an accident of order.
 */
const reader = String.raw`
import glob, json, subprocess

def read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None

state = subprocess.run(["systemctl", "is-active", "${units.deploy}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
status = (read("/run/cloud-init/status.json") or {}).get("v1") or {}
stages = {name: stage for name, stage in status.items() if isinstance(stage, dict)}
steps = [read(path) for path in sorted(glob.glob("${paths.deploymentSteps}/*.json"))]
result = read("${paths.deploymentResult}")
complete = read("${paths.deploymentComplete}")
with open("/proc/sys/kernel/random/boot_id") as file:
    boot_id = file.read().strip()
print(json.dumps({
    "bootId": boot_id,
    "cloudInit": {
        "isDone": read("/run/cloud-init/result.json") is not None,
        "stage": status.get("stage"),
        "errors": [str(error) for stage in stages.values() for error in stage.get("errors") or []],
    },
    "payloadDigest": (read("${paths.manifest}") or {}).get("digest"),
    "deployment": {
        "isActive": state.stdout.decode().strip() in ("active", "activating", "reloading", "deactivating"),
        "steps": [{key: step.get(key) for key in ("name", "status", "detail")} for step in steps if step],
        "result": result and result.get("SERVICE_RESULT"),
        "complete": complete and {key: complete.get(key) for key in ("digest", "bootId")},
    },
}))
`;

const READ_MS = 20_000;

/** Reads a node's records. @throws SpotError E_SSH, E_DEPLOYMENT when the node cannot tell. */
export async function readRecords(connection: NodeConnection): Promise<NodeRecords> {
  const { code, stdout, stderr } = await connection.run(python(reader), { deadlineMs: READ_MS });
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
  if (cloudInit.errors.length > 0) return { state: "failed", reason: `cloud-init: ${cloudInit.errors[0]}` };
  if (!cloudInit.isDone)
    return { state: "booting", waitingFor: `cloud-init${cloudInit.stage ? ` (${cloudInit.stage})` : ""}` };
  return payloadDigest === digest ? { state: "uploaded" } : { state: "fresh" };
}

function workOf(steps: StepRecord[]): string {
  const step = steps.find(({ status }) => status !== "ok");
  return step ? `step ${step.name}` : "its deployment";
}
