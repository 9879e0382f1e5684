import type { FleetConfig } from "../../../fleet/config";
import { groupName, sshRuleName } from "../../../fleet/aws/network";
import { SpotError } from "../../../fleet/errors";
import type { Pins } from "../../../fleet/model";
import { pluralize } from "../../../fleet/text/words";
import { exclusively } from "../../session/run-lock";
import type { StateResource } from "../../engine/state";
import type { Session } from "../../session";
import { createError, failureInfo } from "../run/engine-events";
import { clearBrokenRun } from "../run/recover";
import { noted } from "../run/noted";
import { planUp } from "../plan/plan-up";
import { withFormer } from "../plan/recorded-pins";
import { prepareStack } from "../plan/prepare-stack";

export interface AllowMeResult {
  /** The caller's address as a CIDR block. */
  caller: string;
  /** Regions whose group admits it now. */
  regions: string[];
  changed: boolean;
}

const RULE_TYPE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule";

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
    });
  }
  return exclusively(opened, async () => {
    const { session } = await clearBrokenRun(opened);
    if (session.state.nodes.length === 0)
      throw new SpotError("E_NOT_FOUND", {
        message: `stack ${session.target.stack} has no nodes`,
        next: "Run `up`: it lets your address in from the start.",
      });
    const plan = await planUp(session, { config, configFile, wait: false }, false);
    const { newCaller } = plan.decisions;
    const rules = session.state.resources.filter(({ type }) => type === RULE_TYPE);
    const regions = [...new Set(rules.map(({ inputs }) => inputs.region as string))].sort();
    if (newCaller === undefined)
      return { caller: plan.decisions.pins.ssh.callers.at(-1) ?? "your address", regions, changed: false };
    const unattended = session.target.kind === "sandbox";
    const message = `Account ${plan.account}, stack ${session.target.stack}: let ${newCaller} log in on ${pluralize(session.state.nodes.length, "node")} in ${regions.join(", ")}?`;
    if (!unattended && !(await session.reporter.confirm({ message, unattended })))
      throw new SpotError("E_DECLINED", "nothing was changed");
    // Nothing moves: each node stays in the network that it stands in.
    const pins = withFormer(plan.decisions.pins, session.state, new Set());
    await prepareStack(session, { ...plan, decisions: { ...plan.decisions, pins } });
    const target = rulesFor(newCaller, pins, rules);
    const outcome = await noted(session, [], () => session.stack.up({ target }));
    const [failure] = outcome.failures;
    if (failure) {
      const { message: what, cause, next } = failureInfo(failure);
      throw new SpotError("E_CREATE", { message: what, cause, next });
    }
    if (outcome.programErrors.length > 0) throw createError(outcome, session);
    return { caller: newCaller, regions, changed: true };
  });
}

/** URNs of the rules that let a caller in, one for each network that nodes stand in. */
function rulesFor(caller: string, { regions, former = {} }: Pins, recorded: readonly StateResource[]): string[] {
  const networks = [
    ...Object.entries(regions),
    ...Object.entries(former).flatMap(([region, found]) => found.map(({ network }) => [region, network] as const)),
  ];
  return networks.flatMap(([region, network]) => {
    const group = groupName(region, network);
    // A rule that is there names where its sisters stand; the last part of a URN is the resource's own name.
    const rule = recorded.find(({ name }) => name.startsWith(sshRuleName(group, "")));
    return rule ? [`${rule.urn.slice(0, rule.urn.lastIndexOf("::"))}::${sshRuleName(group, caller)}`] : [];
  });
}
