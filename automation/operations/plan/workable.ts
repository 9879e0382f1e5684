import type { FleetConfig } from "../../../fleet/config";
import type { ErrorInfo } from "../../../fleet/errors";
import { unchanged, type NodeChange } from "../../../fleet/plan/changes";
import { faultsOf } from "./decide";
import { withoutRegions } from "./engine-plan";
import { pinsOf, unplaced } from "../../../fleet/plan/pins";
import type { UpPlan } from "./plan-up";

type Faults = ReadonlyMap<string, ErrorInfo>;

/**
 * The plan without what cannot work: in a region where something changes and something that the configuration names is
 * not there, everything stays as it is, and what was to go there is not made.
 * @throws SpotError E_CREDENTIALS
 */
export async function workable(plan: UpPlan, config: FleetConfig): Promise<UpPlan> {
  const { session, decisions, changes, resources, engine } = plan;
  const used = regionsChanged(plan).filter(
    (region) => !decisions.asked.has(region) && config.regions.some(({ name }) => name === region),
  );
  const found = await faultsOf(session, config, decisions.offers, used);
  const asked = new Map([...decisions.asked, ...used.map((region) => [region, found.get(region)] as const)]);
  const faults: Faults = new Map([...asked].flatMap(([region, error]) => (error ? [[region, error] as const] : [])));
  return {
    ...plan,
    changes: changes.flatMap((change) => withoutFaults(change, faults)),
    resources: resources.filter(({ region }) => !faults.has(region ?? "")),
    engine: engine && faults.size > 0 ? withoutRegions(engine, faults) : engine,
    held: changes.filter((change) => change.kind === "replace" && faultOf(change, faults)).map(({ name }) => name),
    decisions: {
      ...decisions,
      pins: withoutUnmade(plan, faults),
      asked,
      failedRegions: [...decisions.failedRegions, ...[...found].map(([region, error]) => ({ region, error }))],
    },
  };
}

/** What is only deleted needs nothing to work. */
function regionsChanged({ changes, resources }: UpPlan): string[] {
  const ofNodes = changes.flatMap(({ kind, to }) => (kind === "same" || to === undefined ? [] : [to.pin.pool.region]));
  const ofOthers = resources.flatMap(({ kind, region }) => (kind === "delete" ? [] : (region ?? [])));
  return [...new Set([...ofNodes, ...ofOthers])];
}

/** What stands in the way of a node where it is to be. */
function faultOf({ to }: NodeChange, faults: Faults): ErrorInfo | undefined {
  return to && faults.get(to.pin.pool.region);
}

function withoutFaults(change: NodeChange, faults: Faults): NodeChange[] {
  if (change.kind === "delete" || !faultOf(change, faults)) return [change];
  return change.kind === "create" ? [] : [unchanged(change)];
}

/** The pins without new nodes that were to go where they cannot be made. */
function withoutUnmade({ changes, decisions: { pins } }: UpPlan, faults: Faults): UpPlan["decisions"]["pins"] {
  const reasons = changes.flatMap((change): [string, string][] => {
    const fault = change.kind === "create" ? faultOf(change, faults) : undefined;
    return fault ? [[change.name, fault.message]] : [];
  });
  return reasons.length === 0 ? pins : pinsOf(unplaced(pins, Object.fromEntries(reasons)));
}
