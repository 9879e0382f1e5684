import { isDeepStrictEqual } from "node:util";
import { errorInfo } from "../../../fleet/errors";
import type { NodePin, RegionPin } from "../../../fleet/model";
import { naturalCompare } from "../../../fleet/text/words";
import { resourceChanges } from "../../../fleet/plan/resource-changes";
import type { KeptProject } from "../../../project/kept-project";
import { readStackSettings } from "../../engine/stack-config";
import type { StackState } from "../../engine/state";
import { reread, type Session } from "../../session";
import { decide } from "../plan/decide";
import { unplaced } from "../../../fleet/plan/pins";
import { planOf } from "../plan/plan-up";
import { recordedPins, type RecordedPins } from "../plan/recorded-pins";
import { workable } from "../plan/workable";
import { unseenRegions } from "../run/recover";
import { leftOver } from "./beside";
import { bringAbout } from "./bring";
import { doneBetween } from "./done";
import { isOfFleet } from "./fallback";
import { begun, isStopped, type Progress, type PutBack, type UpRun } from "./progress";
import { batchesOf } from "./rollout";
import { verifyFleetOf, wantedBy } from "./verification";

/**
 * Takes a fleet back to what was verified last, as any `up` would: what the run added goes, what it replaced is replaced
 * again, batch by batch, each proven, and all of it is verified.
 * @throws what an engine run throws
 */
export async function putBack(run: UpRun, from: Progress, fallback: NonNullable<UpRun["fallback"]>): Promise<Progress> {
  const { kept, definition } = fallback.project;
  const { reporter } = from.session;
  reporter.emit({
    type: "message",
    level: "warning",
    message: `rolling back: the fleet is put back as it was verified at ${kept.at}`,
  });
  const { config, configFile } = definition;
  const before = run.plan.session.state;
  const found = decidedBefore(from.session, before, fallback.project);
  const decisions = await decide(from.session, config, { found, held: unseenRegions(from.session) });
  const plan = await workable(await planOf(from.session, definition, decisions, { asks: true }), config);
  const { account, changes, resources, session } = plan;
  reporter.emit({ type: "changes", stack: session.target.stack, account, changes, resources });
  const request = { ...run.request, config, configFile, text: kept.configText, locate: undefined, rollback: false };
  const back: UpRun = { ...run, plan, request, nodes: fallback.nodesFor(plan), fallback: undefined };
  const batches = batchesOf(back, changes);
  const start = begun(plan, batches.flat());
  const at = await verifyFleetOf(back, await bringAbout(back, start, batches));
  const left = isStopped(back) ? [] : resourceChanges(leftOver(back, start, at));
  const isWell = at.failures.length === 0 && (at.verification === undefined || at.verification.isVerified);
  const isWhole = isWell && at.pending.size === 0 && left.length === 0;
  const wanted = [...wantedBy(back, at.changes)];
  return ended(run, from, at, { to: kept.at, wanted, left, isDone: isWhole && !isStopped(back) });
}

/**
 * The run where putting back broke off with an error: what failed first is told all the same. Some of the fleet may be
 * put back by then.
 * @throws what the file system throws
 */
export async function brokenOff(
  run: UpRun,
  from: Progress,
  { kept, definition }: KeptProject,
  error: unknown,
): Promise<Progress> {
  const failure = errorInfo(error);
  from.session.reporter.emit({ type: "message", level: "error", message: failure.message, error: failure });
  const session = await reread(from.session).catch(() => from.session);
  const pins = readStackSettings(session.stack.configFile).pins ?? from.placement.pins;
  const at: Progress = {
    ...from,
    session,
    placement: { ...from.placement, pins, attempts: [] },
    outcomes: [],
    failures: [failure],
    // It is of nodes that may not stand any more.
    verification: undefined,
  };
  const wanted = definition.slots.map(({ name }) => name);
  return ended(run, from, at, { to: kept.at, wanted, left: [], isDone: false });
}

/** The run as it is after that, with what failed first. */
function ended(run: UpRun, from: Progress, at: Progress, putBack: Omit<PutBack, "failed" | "nodes">): Progress {
  const { created, replaced } = doneBetween(from.session.state.nodes, at.session.state.nodes, []);
  const stood = new Set(run.plan.session.state.nodes.map(({ name }) => name));
  const stands = new Set(at.session.state.nodes.map(({ name }) => name));
  const added = from.session.state.nodes.map(({ name }) => name).filter((name) => !stood.has(name));
  // The program is to ask for none of them before the next `up` has decided on them anew.
  const reasons = run.plan.definition.slots
    .filter(({ name }) => !(name in at.placement.pins.nodes))
    .map(
      ({ name }) => [name, at.placement.pins.unplaced[name] ?? "rolled back: the run that added it failed"] as const,
    );
  return {
    ...at,
    placement: {
      ...at.placement,
      pins: unplaced(at.placement.pins, Object.fromEntries(reasons)),
      attempts: [...from.placement.attempts, ...at.placement.attempts],
    },
    outcomes: [...from.outcomes, ...at.outcomes],
    failures: [...from.failures, ...at.failures],
    rolledBack: added.filter((name) => !stands.has(name)).sort(naturalCompare),
    putBack: { ...putBack, failed: from, nodes: [...created, ...replaced].sort(naturalCompare) },
  };
}

/**
 * What was decided before the run that failed: of nodes that were of the kept fleet then, what they stood as; of others,
 * what was kept. A place in a network that is not there any more is no decision.
 */
function decidedBefore(session: Session, before: StackState, project: KeptProject): RecordedPins {
  const { network } = project.definition.config;
  const now = recordedPins(session.state, network);
  const nodes = { ...now.nodes };
  const standsIn = { ...now.standsIn };
  for (const { name } of project.definition.slots) {
    const was = before.nodes.find((node) => node.name === name);
    const pin = was && isOfFleet(project, was) ? was.pin : project.kept.pins.nodes[name];
    // The same value would be taken for a move.
    if (pin === undefined || isDeepStrictEqual(pin, now.nodes[name])) continue;
    const region = now.regions[pin.pool.region];
    if (region === undefined || !hasPlaceFor(region, pin)) continue;
    nodes[name] = pin;
    standsIn[name] = region;
  }
  return { ...now, nodes, standsIn, callers: recordedPins(before, network).callers };
}

function hasPlaceFor(region: RegionPin, { pool: { availabilityZone } }: NodePin): boolean {
  return region.network === "create"
    ? region.availabilityZones.includes(availabilityZone)
    : availabilityZone in region.subnets;
}
