import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import path from "node:path";
import type { ErrorInfo } from "../../../fleet/errors";
import type { Pins } from "../../../fleet/model";
import { kindOf, resourceChanges, type Explanations, type ResourceChange } from "../../../fleet/plan/resource-changes";
import { StackKey } from "../../../fleet/plan/stack-config";
import type { FleetDefinition } from "../../../project/definition";
import { inTemporaryFolder } from "../../../system/temporary-folder";
import type { EngineStep } from "../../engine/events";
import { qualified, type EngineScope } from "../../engine/stack";
import { holdsNothing, INSTANCE_TYPE, NETWORK_TYPE, NODE_TYPE, nodeNameOf, recordUrn } from "../../engine/state";
import type { Session } from "../../session";
import { createError, failureInfo } from "../run/engine-events";
import { writePins } from "./prepare-stack";

/** What the engine would do, asked before anything is done. */
export interface EnginePlan {
  /** Of every resource but the fleet's record, those that stay as they are among them. */
  steps: readonly EngineStep[];
  /** By which the engine is held to just that; absent where not everything could be planned. */
  document: string | undefined;
  /** Resources that it refuses as they are declared. */
  failures: readonly ErrorInfo[];
  /** What was declared. */
  pins: Pins;
}

/**
 * Asks the engine what it would do with these pins. Writes nothing: the settings that it reads are a copy.
 * @throws SpotError E_PROVIDER, E_PROGRAM when the program could not run; E_PASSPHRASE, E_KEY_LOST
 */
export async function askEngine(
  session: Session,
  definition: FleetDefinition,
  pins: Pins,
  scope: EngineScope = {},
): Promise<EnginePlan> {
  const { stack, state } = session;
  return inTemporaryFolder(async (folder) => {
    const settings = path.join(folder, path.basename(stack.configFile));
    // Where nothing is recorded the engine has a passphrase of its own, and can read no secret that may be left there.
    if (!holdsNothing(state) && existsSync(stack.configFile)) copyFileSync(stack.configFile, settings);
    writePins(session, definition, pins, settings);
    await giveSecret(session, settings);
    const preview = await stack.preview({ ...scope, settings });
    session.interrupts.soft.throwIfAborted();
    if (preview.programErrors.length > 0) throw createError(preview, session);
    return {
      steps: preview.steps.filter(({ urn }) => urn !== recordUrn(session.target.stack)),
      document: preview.plan,
      failures: preview.failures.map(failureInfo),
      pins,
    };
  });
}

/** The secret that the program reads, where the settings have lost it or never had one. */
async function giveSecret({ stack, state }: Session, settings: string): Promise<void> {
  if (readFileSync(settings, "utf8").includes(StackKey.fleetSecret)) return;
  const recorded = !holdsNothing(state) ? await stack.readRecordedSecret() : undefined;
  await stack.writeSecretConfig(qualified(StackKey.fleetSecret), recorded ?? randomBytes(32).toString("hex"), settings);
}

/**
 * What would happen to the instances of each node, by node name; and to everything that is no node's.
 * @param why and `agreed`: see `resourceChanges`
 */
export function changesOf(
  { steps }: Pick<EnginePlan, "steps">,
  why: Explanations,
  agreed: ReadonlyMap<string, readonly string[]>,
): {
  nodes: Map<string, ResourceChange[]>;
  others: ResourceChange[];
} {
  const nodes = new Map<string, ResourceChange[]>();
  const others: ResourceChange[] = [];
  for (const change of resourceChanges(steps, why, agreed)) {
    if (change.type !== INSTANCE_TYPE) {
      others.push(change);
      continue;
    }
    const name = nodeNameOf(change.name);
    nodes.set(name, [...(nodes.get(name) ?? []), change]);
  }
  return { nodes, others };
}

/** The plan with nothing to be done in some regions but to end nodes that nobody wants any more. */
export function withoutRegions(plan: EnginePlan, regions: { has(region: string): boolean }): EnginePlan {
  const unmade = new Set(
    plan.steps.flatMap((step) =>
      step.type === INSTANCE_TYPE && step.op === "create" && regions.has(regionOf(step)) ? [nodeNameOf(step.name)] : [],
    ),
  );
  // The component around a node is in no region of its own.
  const isUnmade = ({ type, name, op }: EngineStep): boolean =>
    type === NODE_TYPE && op === "create" && unmade.has(name);
  const isLeft = (step: EngineStep): boolean =>
    kindOf(step) === undefined || (isOutside(step, regions) && !isUnmade(step));
  return { ...plan, document: undefined, steps: plan.steps.filter(isLeft) };
}

/** A step that nothing in these regions can stand in the way of: a node that only goes needs nothing there. */
export function isOutside(step: EngineStep, regions: { has(region: string): boolean }): boolean {
  return !regions.has(regionOf(step)) || endsNode(step);
}

/** A node goes: its instance, or the component around it, which the engine ends only together. */
export function endsNode({ op, type }: Pick<EngineStep, "op" | "type">): boolean {
  return op === "delete" && (type === INSTANCE_TYPE || type === NODE_TYPE);
}

/** The region that a resource is in, or that it is the network of; empty for one that is in none. */
export function regionOf({ type, name, inputs, before }: EngineStep): string {
  if (type === NETWORK_TYPE) return name;
  const region = inputs.region ?? before?.region;
  return typeof region === "string" ? region : "";
}
