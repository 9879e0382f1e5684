import { changesBetween, type DesiredNode, type NodeChange } from "../../../fleet/plan/changes";
import type { FleetConfig, Locate } from "../../../fleet/config";
import { SpotError } from "../../../fleet/errors";
import { pluralize } from "../../../fleet/text/words";
import { buildState } from "../../../project/build-stamp";
import { loadDefinition, type FleetDefinition } from "../../../project/definition";
import { packageRoot } from "../../../project/package-root";
import { inventory } from "../../cloud/resources/inventory";
import { lostBy } from "../../session/lost-state";
import { fleetRegions, type Session } from "../../session";
import { selectNames } from "../../verify/select";
import { decide, type Decisions } from "./decide";

export interface UpRequest {
  config: FleetConfig;
  /** Absolute. */
  configFile: string;
  /** Gives faults that only AWS or the disk can find their place in the configuration. */
  locate?: Locate;
  /** False: return once every deployment has started (`--no-wait`). */
  wait: boolean;
  /** True: when anything fails, the nodes that this run made are removed again (`--rollback-on-failure`). */
  rollback?: boolean;
  part?: Part;
}

/** A run on a part of the fleet: nothing else is created, changed or deleted. */
export interface Part {
  /** Patterns of node names; absent: every node that there is or should be since the last `up`. */
  nodes?: string;
  /** Which of them are made anew: each, or those that are gone or do not pass verification. */
  replace: "all" | "broken";
}

/** What an `up` would do: everything up to the point where something is changed. */
export interface UpPlan {
  session: Session;
  account: string;
  definition: FleetDefinition;
  decisions: Decisions;
  changes: NodeChange[];
}

/** @throws SpotError E_STALE_BUILD */
export function refuseStaleBuild(): void {
  const build = buildState(packageRoot());
  if (build === "stale" || build === "missing")
    throw new SpotError(
      "E_STALE_BUILD",
      `the compiled program is ${build === "stale" ? "older than its sources" : "incomplete"}`,
    );
}

/**
 * What `up` would change, for whom it is only shown.
 * @throws SpotError E_STATE when the state cannot be believed, and what `planUp` throws
 */
export async function preview(session: Session, request: UpRequest): Promise<UpPlan> {
  const regions = fleetRegions(
    session,
    request.config.regions.map(({ name }) => name),
  );
  const lost = lostBy(session, await inventory(session.cloud, session.lineage, regions));
  if (lost) throw lost;
  return planUp(session, request);
}

/**
 * Finds out what must change, and changes nothing in the cloud.
 * @throws SpotError E_CREDENTIALS, E_KEY_LOST, E_SSH_KEY, E_PAYLOAD, E_USER_DATA_TOO_LARGE
 */
export async function planUp(session: Session, { config, configFile, locate }: UpRequest): Promise<UpPlan> {
  const decisions = await decide(session, config);
  const definition = loadDefinition({
    config,
    configFile,
    stack: session.target.stack,
    lineage: session.lineage,
    locate,
  });
  const { pins } = decisions;
  const desired = definition.slots.flatMap((slot): DesiredNode[] => {
    const pin = pins.nodes[slot.name];
    return pin ? [{ slot, pin, generation: definition.launchSpec(slot, pin, pins.ssh.publicKey).generation }] : [];
  });
  return {
    session,
    account: session.identity.account,
    definition,
    decisions,
    changes: changesBetween(desired, session.state.nodes),
  };
}

/** The plan with what concerns the part alone. @throws SpotError E_USAGE for a pattern that fits no node */
export function limited(plan: UpPlan, opened: Session, part: Part | undefined): UpPlan {
  if (!part) return plan;
  const known = new Set(
    [...opened.state.nodes, ...plan.session.state.nodes]
      .map(({ name }) => name)
      .concat(Object.keys(opened.settings.pins?.nodes ?? {})),
  );
  const wanted = plan.changes.filter(({ name, kind }) => known.has(name) && kind !== "delete");
  const names = wanted.map(({ name }) => name);
  const chosen = new Set(part.nodes === undefined ? names : selectNames(part.nodes, names, "node"));
  const changes = wanted.filter(({ name }) => chosen.has(name));
  if (part.replace === "broken") {
    const differing = changes.filter(({ kind }) => kind === "replace").map(({ name }) => name);
    if (differing.length > 0) {
      plan.session.reporter.emit({
        type: "message",
        level: "warning",
        message: `not looked at, because they differ from the configuration: ${differing.join(", ")}; \`up\` replaces them`,
      });
    }
    return { ...plan, changes: changes.filter(({ kind }) => kind !== "replace") };
  }
  return {
    ...plan,
    changes: changes.map(
      (change): NodeChange => (change.kind === "same" ? { ...change, kind: "replace", reason: "asked for" } : change),
    ),
  };
}

/** Outside the sandbox, what ends a node or opens a port is confirmed. */
export async function confirmed({ session, changes, decisions, account }: UpPlan): Promise<void> {
  if (session.target.kind === "sandbox") return;
  const ended = changes.filter(({ kind }) => kind === "replace" || kind === "delete");
  const { newCaller } = decisions;
  const opened = session.state.nodes.length > 0 ? newCaller : undefined;
  if (ended.length === 0 && opened === undefined) return;
  const parts = [
    ...(ended.length > 0
      ? [`replace or delete ${ended.length} of ${pluralize(session.state.nodes.length, "node")}`]
      : []),
    ...(opened === undefined ? [] : [`let ${opened} log in`]),
  ];
  const yes = await session.reporter.confirm({
    message: `Account ${account}, stack ${session.target.stack}: ${parts.join(" and ")}?`,
    unattended: false,
  });
  if (!yes) throw new SpotError("E_DECLINED", "nothing was changed");
}
