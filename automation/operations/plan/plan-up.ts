import { cidrOfSshRule } from "../../../fleet/aws/network";
import { AwsType, isOfAws } from "../../../fleet/aws/resource-types";
import type { FleetConfig, Locate } from "../../../fleet/config";
import { driftExplanations, explained, withStopped } from "../../../fleet/drift/reasons";
import type { FoundDrift } from "../../../fleet/drift/types";
import { SpotError } from "../../../fleet/errors";
import { launchesOf } from "../../../fleet/identity/launch";
import type { Pins } from "../../../fleet/model";
import {
  asEngineSays,
  changesBetween,
  isKept,
  unchanged,
  type DesiredNode,
  type NodeChange,
} from "../../../fleet/plan/changes";
import { withIngredients } from "../../../fleet/plan/ingredients";
import type { ResourceChange } from "../../../fleet/plan/resource-changes";
import { pluralize } from "../../../fleet/text/words";
import { buildState } from "../../../project/build-stamp";
import { loadDefinition, type FleetDefinition } from "../../../project/definition";
import { packageRoot } from "../../../project/package-root";
import { inTemporaryFolder } from "../../../system/temporary-folder";
import { holdsNothing, unseenOf, type StackState } from "../../engine/state";
import { lostBy } from "../../session/lost-state";
import { hasFleetKeyPair } from "../../ssh/key-pair";
import { fleetRegions, type Session } from "../../session";
import { selectNames } from "../../verify/select";
import { driftOf, tellUnlooked, toBeAsked, type DriftLook } from "../run/drift";
import { forgetLost, lookAt, lostOf, unseenRegions } from "../run/recover";
import { decide, type Decisions } from "./decide";
import { askEngine, changesOf, endsNode, type EnginePlan } from "./engine-plan";
import { workable } from "./workable";

export interface UpRequest {
  config: FleetConfig;
  /** Absolute. */
  configFile: string;
  /** Its content, as it was read. */
  text: string;
  /** Gives faults that only AWS or the disk can find their place in the configuration. */
  locate?: Locate;
  /** False: return once every deployment has started (`--no-wait`). */
  wait: boolean;
  /** True: when anything fails, the fleet is brought back to what it was (`--rollback-on-failure`). */
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
  /** Of the nodes. */
  changes: NodeChange[];
  /** Of everything else. */
  resources: ResourceChange[];
  /**
   * What the engine says. Absent of a run on a part of the fleet, which takes of it only what must come before its nodes
   * (`resources`), and where nothing is recorded, so that it can only create.
   */
  engine?: EnginePlan;
  /** URNs of what is recorded, is no node, and is not declared any more. */
  undeclared: readonly string[];
  /** Nodes that would be replaced, and stay because what the configuration names does not work in their region. */
  held: string[];
  /** What was done outside this tool. What of it can be undone is among the changes, with that reason. */
  drift: readonly FoundDrift[];
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
 * What `up` would change, for whom it is only shown. Nothing is written: where there is no record yet, or AWS has lost
 * what is recorded, the engine works on a copy.
 * @throws SpotError E_STATE when the state cannot be believed, and what `planUp` throws
 */
export async function preview(session: Session, request: UpRequest): Promise<UpPlan> {
  const regions = fleetRegions(
    session,
    request.config.regions.map(({ name }) => name),
  );
  const look = await lookAt(session, regions);
  const lost = lostBy(session, look.regions);
  if (lost) throw lost;
  tellUnlooked(session, look);
  const found = driftOf(session, look);
  const { drift } = found;
  const isEmpty = holdsNothing(session.state);
  const asked = [...toBeAsked(drift), ...unseenOf(session.state)];
  const differs = lostOf(session, look.regions).length > 0 || asked.length > 0;
  const isLost = differs && session.stack.canBeCopied;
  if (differs && !isLost)
    session.reporter.emit({
      type: "message",
      level: "warning",
      message:
        "this plan leaves out what was done outside this tool, or was left half made: a stack that a service keeps cannot be copied to plan with",
    });
  return inTemporaryFolder(async (folder) => {
    const stack = isEmpty || isLost ? await session.stack.copiedTo(folder, isEmpty) : session.stack;
    const current = isLost ? await forgetLost({ ...session, stack }, look.regions, { asked }) : { ...session, stack };
    // Without nodes a key pair that is missing is made.
    const makesKeys = current.state.nodes.length === 0 && !hasFleetKeyPair(session.keys);
    const plan = await planUp({ ...current, keys: makesKeys ? folder : session.keys }, request, true, {
      ...found,
      held: isLost ? unseenRegions(current) : found.held,
    });
    return { ...(await workable(plan, request.config)), session };
  });
}

/**
 * Finds out what must change, and changes nothing.
 * @param asks the engine is asked what it would do; false where it can do nothing but what is asked for
 * @param found what was done outside, where that was looked at
 * @throws SpotError E_CREDENTIALS, E_KEY_LOST, E_SSH_KEY, E_PAYLOAD, E_USER_DATA_TOO_LARGE, and what `askEngine` throws
 */
export async function planUp(
  session: Session,
  { config, configFile, locate, part }: Pick<UpRequest, "config" | "configFile" | "locate" | "part">,
  asks: boolean,
  found: DriftLook = { drift: [], before: session.state, held: new Map() },
): Promise<UpPlan> {
  const decisions = await decide(session, config, { before: found.before, held: found.held });
  const definition = loadDefinition({
    config,
    configFile,
    stack: session.target.stack,
    lineage: session.lineage,
    locate,
  });
  // Which nodes of a part are replaced is asked for, or found out by verification.
  return planOf(session, definition, decisions, { asks, ...found, endsStopped: part === undefined });
}

interface PlanScope extends Partial<DriftLook> {
  /** As for `planUp`. */
  asks: boolean;
  /** Instances that were stopped outside are replaced. */
  endsStopped?: boolean;
}

/** What must change for a fleet to be as it is defined and decided. @throws what `planUp` throws */
export async function planOf(
  session: Session,
  definition: FleetDefinition,
  decisions: Decisions,
  { asks, drift = [], before = session.state, endsStopped = false }: PlanScope,
): Promise<UpPlan> {
  const { pins } = decisions;
  const desired = definition.slots.flatMap((slot): DesiredNode[] => {
    const pin = pins.nodes[slot.name];
    return pin ? [{ slot, pin, generation: definition.launchSpec(slot, pin, pins.ssh.publicKey).generation }] : [];
  });
  const made = desired.map(({ generation }) => generation);
  const known = withIngredients(session.stack.ingredients.read(), made, definition.ingredients(pins.ssh.publicKey));
  const differing = changesBetween(desired, session.state.nodes, known);
  const ours = endsStopped ? withStopped(differing, drift) : differing;
  const plan = { session, account: session.identity.account, definition, decisions, held: [], drift };
  if (!asks) return { ...plan, changes: ours, resources: [], undeclared: [] };
  const engine = await askEngine(session, definition, withNewLaunches(pins, ours, session));
  const { nodes, others } = changesOf(engine, driftExplanations(drift), agreedBlocks(before, drift));
  const undeclared = engine.steps.flatMap((step) =>
    step.op === "delete" && isOfAws(step.type) && !endsNode(step) ? [step.urn] : [],
  );
  return { ...plan, changes: explained(asEngineSays(ours, nodes), drift), resources: others, undeclared, engine };
}

/** By region, the blocks of the rules that were touched outside: who may log in was agreed to when they were made. */
function agreedBlocks(before: StackState, drift: readonly FoundDrift[]): ReadonlyMap<string, string[]> {
  const touched = new Set(drift.flatMap(({ urn }) => urn ?? []));
  const agreed = new Map<string, string[]>();
  for (const { urn, type, name, inputs } of before.resources) {
    const cidr = type === AwsType.ingressRule && touched.has(urn) ? cidrOfSshRule(name) : undefined;
    if (cidr === undefined || typeof inputs.region !== "string") continue;
    agreed.set(inputs.region, [...(agreed.get(inputs.region) ?? []), cidr]);
  }
  return agreed;
}

/** The pins as they will be when each node that is replaced has had its turn: with a launch that no instance had. */
function withNewLaunches(pins: Pins, changes: readonly NodeChange[], { state }: Session): Pins {
  const leaving = new Set(changes.filter(({ kind }) => kind === "replace").map(({ name }) => name));
  const staying = state.nodes.filter(({ name }) => !leaving.has(name));
  return leaving.size === 0 ? pins : { ...pins, launches: launchesOf(Object.keys(pins.nodes), staying) };
}

/**
 * The plan with what concerns the part alone: its nodes, and what is to be created before them where they are, or may go
 * in the fleet's regions. A region that is new gets its network when a node goes there.
 * @throws SpotError E_USAGE for a pattern that fits no node
 */
export function limited(plan: UpPlan, opened: Session, part: Part | undefined): UpPlan {
  if (!part) return plan;
  const changes = changesOfPart(plan, opened, part);
  const { offers } = plan.decisions;
  const recorded = plan.session.state.regions;
  const mayGo = (home: string): string[] => offers.regionsFor(home).filter((region) => recorded.includes(region));
  const regions = new Set(changes.flatMap(({ to }) => (to ? [to.pin.pool.region, ...mayGo(to.slot.homeRegion)] : [])));
  return {
    ...plan,
    changes,
    resources: plan.resources.filter(({ kind, region }) => kind === "create" && regions.has(region ?? "")),
    engine: undefined,
  };
}

function changesOfPart(plan: UpPlan, opened: Session, part: Part): NodeChange[] {
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
    return changes.flatMap((change) => (change.kind === "replace" ? [] : isKept(change) ? unchanged(change) : change));
  }
  return changes.map(
    (change): NodeChange => (isKept(change) ? { ...change, kind: "replace", reason: "asked for" } : change),
  );
}

/** @throws SpotError E_DECLINED where the plan is not agreed to */
export async function confirmed(plan: UpPlan): Promise<void> {
  if (!(await isAgreed(plan))) throw new SpotError("E_DECLINED", "nothing was changed");
}

/** Outside the sandbox, what ends something or opens a port is asked about. */
export async function isAgreed({ session, changes, resources, account }: UpPlan): Promise<boolean> {
  if (session.target.kind === "sandbox") return true;
  const parts = [
    ...ending(changes, (count) => `${count} of ${pluralize(session.state.nodes.length, "node")}`),
    ...ending(resources, (count) => pluralize(count, "other resource")),
    ...opening(resources),
  ];
  if (parts.length === 0) return true;
  return session.reporter.confirm({
    message: `Account ${account}, stack ${session.target.stack}: ${parts.join(" and ")}?`,
    unattended: false,
  });
}

function ending(
  changes: readonly Pick<NodeChange | ResourceChange, "kind">[],
  words: (count: number) => string,
): string[] {
  const ended = changes.filter(({ kind }) => kind === "replace" || kind === "delete").length;
  return ended === 0 ? [] : [`replace or delete ${words(ended)}`];
}

function opening(resources: readonly ResourceChange[]): string[] {
  const blocks = [...new Set(resources.flatMap(({ opens }) => opens ?? []))];
  return blocks.length === 0 ? [] : [`let ${blocks.join(", ")} log in`];
}
