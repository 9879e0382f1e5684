import type { FleetConfig } from "../../../fleet/config";
import { cidrOfSshRule, groupName, sshRuleName } from "../../../fleet/aws/network";
import { AwsType } from "../../../fleet/aws/resource-types";
import { driftIn } from "../../../fleet/drift/compare";
import type { FoundDrift } from "../../../fleet/drift/types";
import { SpotError } from "../../../fleet/errors";
import { outside, spot } from "../../../fleet/steps";
import { launchesOf } from "../../../fleet/identity/launch";
import type { Pins } from "../../../fleet/model";
import { pluralize } from "../../../fleet/text/words";
import { partsOf, type NetworkPart } from "../../../cloud/resources/network-parts";
import { urnParts } from "../../engine/events";
import { exclusively } from "../../session/run-lock";
import type { StackState, StateResource } from "../../engine/state";
import type { Session } from "../../session";
import { createError, failureInfo } from "../run/engine-events";
import { recordedIn, removeInTheWay, tellUnlooked, toBeAsked } from "../run/drift";
import { clearBrokenRun, forgetLost } from "../run/recover";
import { noted } from "../run/noted";
import { networksOfRecorded } from "../run/unrecorded-parts";
import { unknownCaller } from "../plan/decide";
import { planUp, type UpPlan } from "../plan/plan-up";
import { recordedPins, withFormer } from "../plan/recorded-pins";
import { prepareStack } from "../plan/prepare-stack";

export interface AllowMeResult {
  /** The caller's address as a CIDR block. */
  caller: string;
  /** Regions whose group admits it now. */
  regions: string[];
  changed: boolean;
}

/**
 * Lets the caller's present address log in, beside those confirmed before, and changes nothing else: the engine is
 * given only the new rules as its target.
 * @throws SpotError E_NOT_FOUND when there are no nodes, E_USAGE when config.yaml leaves no room for it, E_DECLINED,
 *   E_LOCKED, E_CREATE
 */
export function allowMe(
  opened: Session,
  { config, configFile }: { config: FleetConfig; configFile: string },
): Promise<AllowMeResult> {
  if (!config.ssh.allow.includes("auto")) {
    throw new SpotError("E_USAGE", {
      message: "ssh.allow names fixed addresses only",
      next: "Add `auto` or your address to ssh.allow in config.yaml, then run `up`.",
      step: outside("correct-configuration", spot("up")),
    });
  }
  return exclusively(opened, async () => {
    const { session } = await clearBrokenRun(opened);
    if (session.state.nodes.length === 0)
      throw new SpotError("E_NOT_FOUND", {
        message: `stack ${session.target.stack} has no nodes`,
        next: "Run `up`: it lets your address in from the start.",
        step: spot("up"),
      });
    const plan = await planUp(session, { config, configFile }, false);
    const { caller } = plan.decisions;
    if (caller === undefined) throw unknownCaller();
    const pins = pinsAsRecorded(session.state, config, plan, caller);
    const regions = Object.keys(pins.regions).sort();
    const { drift, parts } = await rulesAsThere(session, caller);
    const target = missingRules(session.state.resources, pins, caller, drift);
    // No target at all would mean everything.
    if (target.length === 0) return { caller, regions, changed: false };
    const unattended = session.target.kind === "sandbox";
    const message = `Account ${plan.account}, stack ${session.target.stack}: let ${caller} log in on ${pluralize(session.state.nodes.length, "node")} in ${regions.join(", ")}?`;
    if (!unattended && !(await session.reporter.confirm({ message, unattended })))
      throw new SpotError("E_DECLINED", "nothing was changed");
    // The record of rules that somebody removed or changed is brought up to date once this is agreed to.
    const current = await forgetLost(session, [], { asked: toBeAsked(drift) });
    current.interrupts.soft.throwIfAborted();
    await prepareStack(current, { ...plan, decisions: { ...plan.decisions, pins } });
    // What the configuration does not name any more stays, and is declared by nobody.
    const outcome = await noted(current, [], async () => {
      await removeInTheWay(
        current,
        drift.flatMap(({ urn, inTheWay }) => (urn !== undefined && target.includes(urn) ? inTheWay : [])),
        parts,
      );
      return current.stack.up({ target, isSerial: true });
    });
    const [failure] = outcome.failures;
    if (failure) {
      const { message: what, cause, next, step } = failureInfo(failure);
      throw new SpotError("E_CREATE", { message: what, cause, next, step });
    }
    if (outcome.programErrors.length > 0) throw createError(outcome, current);
    return { caller, regions, changed: true };
  });
}

/** Which rules for a caller somebody removed or changed, and what there is in their groups. */
async function rulesAsThere(session: Session, caller: string): Promise<{ drift: FoundDrift[]; parts: NetworkPart[] }> {
  const networks = await networksOfRecorded(session, session.state.regions);
  tellUnlooked(session, { networks });
  const drift = networks.flatMap((network) => {
    const { region } = network;
    const rules = recordedIn(session.state, region).filter(({ type }) => type === AwsType.ingressRule);
    return driftIn({ region, awsCli: session.cloud.cli }, rules, { rules: network.rules.value });
  });
  const own = drift.filter(({ urn }) => urn !== undefined && cidrOfSshRule(urnParts(urn).name) === caller);
  return {
    drift: own,
    parts: networks.flatMap((network) => partsOf(session.cloud, network)),
  };
}

/** The fleet as it stands, whatever the configuration has become meanwhile, and the caller among those let in. */
function pinsAsRecorded(
  state: StackState,
  config: FleetConfig,
  { definition, decisions: { pins } }: UpPlan,
  caller: string,
): Pins {
  const { regions, nodes, callers } = recordedPins(state, config.network);
  const missing = definition.slots.filter(({ name }) => !(name in nodes));
  const recorded: Pins = {
    ...pins,
    regions,
    nodes,
    launches: launchesOf(Object.keys(nodes), state.nodes),
    unplaced: Object.fromEntries(missing.map(({ name }) => [name, "not made yet: `up` makes it"])),
    ssh: { ...pins.ssh, callers: [...new Set([...callers, caller])].sort() },
  };
  return withFormer(recorded, state, new Set());
}

/** URNs of the rules that would let a caller in and are not there as they should be, one for each network that nodes stand in. */
function missingRules(
  recorded: readonly StateResource[],
  { regions, former = {} }: Pins,
  caller: string,
  drift: readonly FoundDrift[],
): string[] {
  const networks = [
    ...Object.entries(regions),
    ...Object.entries(former).flatMap(([region, found]) => found.map(({ network }) => [region, network] as const)),
  ];
  const known = new Set(recorded.map(({ urn }) => urn));
  for (const { urn } of drift) if (urn !== undefined) known.delete(urn);
  return networks.flatMap(([region, network]) => {
    const group = recorded.find(
      ({ type, name }) => type === AwsType.securityGroup && name === groupName(region, network),
    );
    if (group === undefined) return [];
    // The rules stand beside their group.
    const beside = group.urn.slice(0, group.urn.lastIndexOf(AwsType.securityGroup));
    const urn = `${beside}${AwsType.ingressRule}::${sshRuleName(group.name, caller)}`;
    return known.has(urn) ? [] : [urn];
  });
}
