import { checksFor } from "../../../fleet/checks";
import { SpotError } from "../../../fleet/errors";
import { outside, spot } from "../../../fleet/steps";
import { StackKey } from "../../../fleet/plan/stack-config";
import { loadDefinition } from "../../../project/definition";
import type { FleetConfig } from "../../../fleet/config";
import { naturalCompare } from "../../../fleet/text/words";
import { qualified } from "../../engine/stack";
import type { StateNode } from "../../engine/state";
import { keyPairOf } from "../plan/decide";
import { fleetAccess, type FleetAccess } from "./fleet-access";
import { verifyNodes } from "./verify-nodes";
import type { Session } from "../../session";
import type { Verification } from "../../verify/result";
import type { VerifyOptions } from "../../verify/runner";
import { assertPossible, type MinHealthy } from "../../verify/min-healthy";
import { selectChecks, selectNames, type CheckChoice } from "../../verify/select";

export interface VerifyRequest
  extends Pick<VerifyOptions, "deadlineMs" | "patienceMs" | "onResult" | "before" | "after"> {
  config: FleetConfig;
  configFile: string;
  /** Which checks, and patterns of node names; absent: all. */
  choice?: CheckChoice;
  nodes?: string;
  /** How many of them must be verified: more than there are is refused before anything runs. */
  minHealthy?: MinHealthy;
}

/**
 * Runs the check list on the nodes that the state knows. Changes nothing, on the nodes as little as in the record.
 * @throws SpotError E_NOT_FOUND when there is no node, E_USAGE for a pattern that fits nothing, or for more healthy nodes
 *   than are looked at
 */
export async function verifyFleet(session: Session, request: VerifyRequest): Promise<Verification> {
  const { choice, nodes, config, configFile, minHealthy, ...options } = request;
  const all = checksFor(config);
  const checks = selectChecks(choice, all);
  const chosen = nodesNamed(session, nodes);
  if (minHealthy !== undefined) assertPossible(minHealthy, chosen.length, session.state.nodes.length);
  return verifyNodes(await openFleet(session, { config, configFile }), chosen, {
    ...options,
    checks,
    whole: { checks: all, nodes: nodesNamed(session, undefined).map(({ name }) => name) },
  });
}

/** The nodes of the state that a pattern fits, by name; absent: all. @throws SpotError E_NOT_FOUND, E_USAGE */
export function nodesNamed({ state, target }: Session, patterns: string | undefined): StateNode[] {
  if (state.nodes.length === 0)
    throw new SpotError("E_NOT_FOUND", {
      message: `stack ${target.stack} has no nodes`,
      next: "Run `up` first.",
      step: spot("up"),
    });
  const names = state.nodes.map(({ name }) => name);
  const chosen = new Set(patterns === undefined ? names : selectNames(patterns, names, "node"));
  return state.nodes.filter(({ name }) => chosen.has(name)).sort((a, b) => naturalCompare(a.name, b.name));
}

/**
 * The fleet over SSH, for commands that only look.
 * @throws SpotError E_STATE when the stack's settings are not here, E_CREDENTIALS, E_KEY_LOST, E_SANDBOX_SETUP where no hosts boot
 */
export async function openFleet(
  session: Session,
  { config, configFile }: { config: FleetConfig; configFile: string },
): Promise<FleetAccess> {
  const { settings, stack, target, lineage } = session;
  if (target.sandbox?.mode === "api") {
    throw new SpotError("E_SANDBOX_SETUP", {
      message: "no hosts stand behind the nodes of this sandbox (--sandbox=api): there is nothing to log in to",
      next: "Run `npm run down -- --sandbox=api`, then `npm run up -- --sandbox`, which boots real hosts.",
      step: outside("decide"),
    });
  }
  const fleetSecret =
    (await stack.readSecretConfig(qualified(StackKey.fleetSecret))) ?? (await stack.readRecordedSecret());
  if (!settings.pins || fleetSecret === undefined) {
    throw new SpotError("E_STATE", {
      message: `the stack's settings are not on this machine`,
      next: "Run `up`: it rebuilds them from the state.",
      step: spot("up"),
    });
  }
  const definition = loadDefinition({ config, configFile, stack: target.stack, lineage });
  const { privateKeyPath } = keyPairOf(session, config);
  return fleetAccess({ session, definition, ssh: settings.pins.ssh, fleetSecret, privateKeyPath });
}
