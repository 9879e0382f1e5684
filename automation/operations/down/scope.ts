import { SpotError } from "../../../fleet/errors";
import { outside } from "../../../fleet/steps";
import { Tag } from "../../../fleet/model";
import { enabledRegionsAnd } from "../../../cloud/enabled-regions";
import type { FleetObject } from "../../../cloud/resources/find";
import { patientInventory, type RegionInventory } from "../../../cloud/resources/inventory";
import { orphansAmong, tellUnexplained, type UnexplainedObject } from "../../session/orphans";
import { dividedLook } from "../../session/ownership";
import { fleetRegions, knowsRegions, type Session } from "../../session";
import { selectNames } from "../../verify/select";
import type { DownRequest } from "./result";

/** The objects that a request is about, and the same for resources of the record. */
export interface Scope {
  regions: string[];
  /** Those are all that the account has enabled. */
  everywhere: boolean;
  /** Absent: all nodes, and what is no node's. */
  nodes?: ReadonlySet<string>;
}

/** What is meant, and what of it is there, as one look showed it. */
export interface Found {
  scope: Scope;
  looked: RegionInventory[];
  found: FleetObject[];
  unexplained: UnexplainedObject[];
}

/**
 * What a request is about, and what of it is there. What nothing explains is told of.
 * @throws SpotError E_USAGE for a region that the fleet has nothing in, or a pattern that fits no node
 */
export async function scopeOf(session: Session, request: DownRequest): Promise<Found> {
  const everywhere = request.region === undefined && (request.allRegions === true || !knowsRegions(session));
  const regions = await regionsOf(session, request, everywhere);
  const { looked, own } = await lookAtScope(session, { regions, everywhere });
  const nodes = request.nodes === undefined ? undefined : nodesNamed(session, request.nodes, own);
  const scope: Scope = { regions, everywhere, nodes };
  const { found, unexplained } = explainedBy(
    session,
    own.filter((object) => within(scope, object)),
  );
  tellUnexplained(session, unexplained);
  return { scope, looked, found, unexplained };
}

async function regionsOf(session: Session, { region }: DownRequest, everywhere: boolean): Promise<string[]> {
  const known = fleetRegions(session);
  if (region === undefined) return everywhere ? enabledRegionsAnd(session.cloud, known) : known;
  if (known.includes(region)) return [region];
  throw new SpotError("E_USAGE", {
    message: `the fleet has nothing in region ${region}`,
    next: known.length > 0 ? `It has: ${known.join(", ")}.` : "Run `list` to see what there is.",
    step: outside("correct-command-line"),
  });
}

function nodesNamed({ state }: Session, patterns: string, own: readonly FleetObject[]): Set<string> {
  const names = new Set([...state.nodes.map(({ name }) => name), ...own.flatMap(({ tags }) => tags[Tag.node] ?? [])]);
  return new Set(selectNames(patterns, [...names].sort(), "node"));
}

/** Lists the regions of a scope: what of it is there now, and what belongs to other stacks. */
export async function lookAtScope(
  session: Session,
  scope: Scope,
): Promise<{ looked: RegionInventory[]; own: FleetObject[]; others: FleetObject[] }> {
  const looked = await patientInventory(session.cloud, session.lineage, scope.regions, session.interrupts.soft);
  const { own, others } = dividedLook(session, looked);
  return { looked, own: own.filter((object) => within(scope, object)), others };
}

function within({ nodes }: Scope, { tags }: FleetObject): boolean {
  return nodes === undefined || nodes.has(tags[Tag.node] ?? "");
}

/** Of objects that carry the fleet's tags: what is its own by the record or a run of ours, and what nothing explains. */
export function explainedBy(
  session: Session,
  objects: readonly FleetObject[],
): { found: FleetObject[]; unexplained: UnexplainedObject[] } {
  const { unexplained } = orphansAmong(session, objects);
  const strange = idsOf(unexplained);
  return { found: objects.filter(({ id }) => !strange.has(id)), unexplained };
}

export const idsOf = (objects: readonly FleetObject[]): Set<string> => new Set(objects.map(({ id }) => id));
