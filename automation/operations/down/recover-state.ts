import type { Drift } from "../../../fleet/drift/types";
import { SpotError } from "../../../fleet/errors";
import { spot } from "../../../fleet/steps";
import { pluralize } from "../../../fleet/text/words";
import { inventory, type RegionInventory } from "../../../cloud/resources/inventory";
import { recordedIds } from "../../engine/state";
import { rememberConfig } from "../../session/last-config";
import { canStandFor, lostBy } from "../../session/lost-state";
import { orphansIn, tellUnexplained, type Orphans, type UnexplainedObject } from "../../session/orphans";
import { dividedLook } from "../../session/ownership";
import { exclusively } from "../../session/run-lock";
import { fleetRegions, reread, type Session } from "../../session";
import { shown } from "../run/drift";
import { clearBrokenRun, recover } from "../run/recover";
import { deleteByTags } from "./delete-by-tags";

/** What a recovery without a fleet ID came to. */
export interface RecoverResult {
  /** The saved state that was put in the state's place, and where the damaged one is kept. */
  restored?: { file: string; at: Date; kept?: string };
  /** Nodes in the record afterwards. */
  nodes: number;
  /** What carries the fleet's tags, is not in the record and is still there: nothing explains it, or it could not be ended. */
  left: UnexplainedObject[];
  /** Regions that did not answer: of what is there, nothing is known. */
  notLookedAt: string[];
  /** Where record and cloud differ all the same: what was done outside this tool, and is put right by `up`. */
  drift: Drift[];
}

/**
 * Clears up what a broken-off run left, and nothing else; where the state cannot be believed, restores a saved one
 * first, after confirmation. What that does not know yet is then ended if a run of ours made it, what it knows and is
 * gone is forgotten. What nothing explains is asked about, where somebody can be asked.
 * @throws SpotError E_STATE when there is no saved state, E_DECLINED, E_LOCKED
 */
export function recoverState(opened: Session): Promise<RecoverResult> {
  return exclusively(opened, async () => {
    const regions = fleetRegions(opened, opened.configured);
    if (opened.stackExists) rememberConfig(opened);
    const { session, pending } = await clearBrokenRun(opened);
    const seen = await inventory(session.cloud, session.lineage, regions);
    const lost = session.lost ?? lostBy({ ...session, state: { ...session.state, pending } }, seen);
    const restored = lost && (await restoreSaved(session, lost, seen));
    const whole = restored ? await reread(session) : session;
    const all = fleetRegions(whole, regions);
    const { session: recovered, found } = await recover(whole, all, pending);
    const { explained, unexplained, silent } = await listOrphans(recovered, all);
    tellUnexplained(recovered, unexplained);
    const left = [
      ...explained.map((object) => ({ ...object, reason: "could not be ended" })),
      ...(await askedAbout(recovered, unexplained)),
    ];
    if (recovered.stackExists) await recovered.stack.keepState();
    return {
      ...(restored ? { restored } : {}),
      nodes: recovered.state.nodes.length,
      left,
      notLookedAt: silent,
      drift: found.drift.map(shown),
    };
  });
}

async function listOrphans(session: Session, regions: string[]): Promise<Orphans & { silent: string[] }> {
  const look = await inventory(session.cloud, session.lineage, regions);
  return { ...orphansIn(session, look), silent: look.flatMap(({ region, error }) => (error ? [region] : [])) };
}

/** Ends what nothing explains when a person says so; answers what is left. */
async function askedAbout(session: Session, objects: UnexplainedObject[]): Promise<UnexplainedObject[]> {
  if (objects.length === 0) return objects;
  const named = objects.map(({ kind, id, region }) => `${kind} ${id} in ${region}`).join(", ");
  const message = `Delete what carries this fleet's tags and is not in its record: ${named}?`;
  if (!(await session.reporter.confirm({ message, answeredBy: "nothing", unattended: false }))) return objects;
  await deleteByTags(session, objects);
  const { unexplained, silent } = await listOrphans(session, [...new Set(objects.map(({ region }) => region))]);
  const there = new Set(unexplained.map(({ id }) => id));
  return objects.filter(({ id, region }) => there.has(id) || silent.includes(region));
}

async function restoreSaved(
  session: Session,
  lost: SpotError,
  look: readonly RegionInventory[],
): Promise<RecoverResult["restored"]> {
  const instances = dividedLook(session, look).own.filter(({ kind }) => kind === "instance");
  const saved = session.stack.savedStates.find(({ state }) => canStandFor(state, instances));
  if (!saved) {
    throw new SpotError("E_STATE", {
      message: `${lost.message}, and there is no saved state that ${instances.length > 0 ? "knows any of them" : "can be read"}`,
      cause: lost.cause,
      next: lost.next,
      step: lost.step,
    });
  }
  const { state, at, file } = saved;
  if (
    state.lineage !== undefined &&
    session.settings.lineage !== undefined &&
    state.lineage !== session.settings.lineage
  ) {
    throw new SpotError("E_STATE", {
      message: `the saved state ${file} is of another fleet, ${state.lineage}`,
      next: `Run \`recover --fleet-id ${session.lineage}\` to end this fleet by its tags.`,
      step: spot("recover", `--fleet-id=${session.lineage}`),
    });
  }
  const known = recordedIds(state);
  const unknown = instances.filter(({ id }) => !known.has(id)).length;
  const message = `Restore the state of stack ${session.target.stack} from ${at.toISOString()} (${pluralize(state.nodes.length, "node")}; there: ${pluralize(instances.length, "instance")}, of which ${unknown} not in it)?`;
  if (!(await session.reporter.confirm({ message, unattended: false })))
    throw new SpotError("E_DECLINED", "nothing was changed");
  return { file, at, kept: await session.stack.restore(saved) };
}
