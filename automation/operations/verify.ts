import { SpotError } from "../../fleet/errors";
import type { Reporter } from "../../fleet/events";
import { StackKey } from "../../fleet/stack-config";
import { loadDefinition } from "../../project/definition";
import type { FleetConfig } from "../../fleet/config";
import { callerIdentity } from "../cloud/identity";
import { qualified } from "../engine/stack";
import { keyPairOf } from "./decide";
import { FleetNodes } from "./fleet-nodes";
import type { Session } from "../session";
import type { CheckResult, NodeVerification, Verification } from "../verify/result";
import { selectChecks, selectNames } from "../verify/select";

export interface VerifyRequest {
  config: FleetConfig;
  configFile: string;
  /** Patterns of check ids, and of node names; absent: all. */
  only?: string;
  nodes?: string;
  onResult?: (node: { name: string }, result: CheckResult) => void;
}

/**
 * Runs the check list on the nodes that the state knows. Changes nothing, on the nodes as little as in the record.
 * @throws SpotError E_NOT_FOUND when there is no node, E_USAGE for a pattern that fits nothing
 */
export async function verifyFleet(session: Session, request: VerifyRequest): Promise<Verification> {
  const { state, settings, stack, target, lineage } = session;
  if (state.nodes.length === 0) throw new SpotError("E_NOT_FOUND", { message: `stack ${target.stack} has no nodes`, next: "Run `up` first." });
  if (target.sandbox?.mode === "api") {
    throw new SpotError("E_SANDBOX_SETUP", { message: "this sandbox boots no hosts: there is nothing that could be verified", next: "Run `down`, then `up -- --sandbox`." });
  }
  const fleetSecret = (await stack.readSecretConfig(qualified(StackKey.fleetSecret))) ?? (await stack.readSecretOutput(StackKey.fleetSecret));
  if (!settings.pins || fleetSecret === undefined) {
    throw new SpotError("E_STATE", { message: `the stack's settings are not on this machine`, next: "Run `up`: it rebuilds them from the state." });
  }
  const names = state.nodes.map(({ name }) => name);
  const chosen = new Set(request.nodes === undefined ? names : selectNames(request.nodes, names, "node"));
  const { account } = await callerIdentity(session.cloud);
  const definition = loadDefinition({ config: request.config, configFile: request.configFile, stack: target.stack, lineage });
  const { privateKeyPath } = keyPairOf(session, request.config);
  const fleet = new FleetNodes({ session, definition, pins: settings.pins, account, fleetSecret, privateKeyPath }, { wait: true });
  return fleet.verify(
    state.nodes.filter(({ name }) => chosen.has(name)),
    selectChecks(request.only),
    request.onResult,
  );
}

/** One line for a node that was checked: verified, or its first failure. */
export function reportVerified(reporter: Reporter, verification: NodeVerification): void {
  const { node, region, instanceId, address, isVerified, results } = verification;
  const failed = results.filter(({ status }) => status === "failed");
  reporter.emit({
    type: "node",
    level: isVerified ? "success" : "error",
    node: { name: node, region, instanceId, address },
    phase: "verified",
    message: isVerified ? "Verified" : `Not verified: ${failed.map(({ id, title }) => `${id} ${title}`).join(", ") || "checks were skipped"}`,
  });
}
