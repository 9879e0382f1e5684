import { wordsOf } from "../../../fleet/errors";
import type { Reporter } from "../../../fleet/report/events";
import { openDialPolicy, sandboxDialPolicy } from "../../ssh/dial";

/** The orchestrator is not part of the fleet: nobody waits long for it. */
const ANSWER_MS = 5_000;

/** What of an orchestrator's list of nodes tells which instance a node was. Source: Bacalhau 1.6, apimodels.ListNodesResponse. */
interface ListedNodes {
  Nodes?: { Info?: { NodeID?: string; Labels?: Record<string, string> } }[];
}

/** What leaving a cluster needs of a session. */
export interface ClusterAccess {
  reporter: Reporter;
  target: { sandbox?: { network: string } };
}

/**
 * Does what ends instances. However that goes, those that it told of are then taken off the orchestrator's list: no later
 * run knows of them.
 * @param api the orchestrator's HTTP address; undefined: nobody is told
 */
export async function withDeregistration<T>(
  access: ClusterAccess,
  api: string | undefined,
  work: (ended: (instanceId: string) => void) => Promise<T>,
): Promise<T> {
  const ended = new Set<string>();
  try {
    return await work((instanceId) => void ended.add(instanceId));
  } finally {
    if (api !== undefined) await deregisterNodes(access, api, [...ended]);
  }
}

/**
 * Takes instances that have ended off the orchestrator's list of nodes, where they would stand as disconnected for ever.
 * A cluster that does not answer holds nothing up: it is a warning.
 * @param api the orchestrator's HTTP address
 */
export async function deregisterNodes(
  { reporter, target }: ClusterAccess,
  api: string,
  instanceIds: readonly string[],
): Promise<void> {
  if (instanceIds.length === 0) return;
  const policy = target.sandbox ? sandboxDialPolicy(target.sandbox.network) : openDialPolicy();
  try {
    policy.assertAllowed(new URL(api).hostname);
    const { Nodes = [] } = await ask<ListedNodes>(`${api}/api/v1/orchestrator/nodes`);
    const ended = Nodes.flatMap(({ Info }) =>
      Info?.NodeID !== undefined && instanceIds.includes(Info.Labels?.["instance_id"] ?? "") ? [Info.NodeID] : [],
    );
    for (const id of ended) {
      // Source: Bacalhau 1.6, apimodels.PutNodeRequest and NodeActionDelete.
      const body = { Action: "delete", Message: "its instance has ended", NodeID: id };
      const answer = await ask<{ Success?: boolean; Error?: string }>(
        `${api}/api/v1/orchestrator/nodes/${encodeURIComponent(id)}`,
        body,
      );
      if (answer.Success === false) throw new Error(`${id}: ${answer.Error ?? "refused"}`);
    }
  } catch (error) {
    reporter.emit({
      type: "message",
      level: "warning",
      subject: "cluster",
      message: `ended nodes may still be on the orchestrator's list: ${wordsOf(error)}`,
    });
  }
}

async function ask<T>(url: string, body?: object): Promise<T> {
  const init =
    body === undefined
      ? {}
      : { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(url, { ...init, redirect: "error", signal: AbortSignal.timeout(ANSWER_MS) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return (await response.json()) as T;
}
