import { Tag } from "../../fleet/model";
import { errorInfo, SpotError } from "../../fleet/errors";
import { counted } from "../../fleet/words";
import { enabledRegions, inventory, type CloudObject } from "../cloud/inventory";
import { divided } from "../ownership";
import { exclusively } from "../run-lock";
import { fleetRegions, reread, type Session } from "../session";
import { endByTags, forgetStack, staysFor, tellHeld, type DownResult } from "./down";
import { clearBrokenRun, lostState, recover } from "./recover";

/** What a recovery without a fleet ID came to. */
export interface RecoverResult {
  /** The backup that was put in the state's place, and where the damaged state is kept. */
  restored?: { file: string; at: Date; kept?: string };
  /** Nodes in the record afterwards. */
  nodes: number;
}

/**
 * Clears up what a broken-off run left, and nothing else; where the record is damaged or lost, restores the engine's
 * last backup of it first, after confirmation. What the backup does not know yet is then ended as unrecorded, what it
 * knows and is gone is forgotten.
 * @throws SpotError E_STATE when there is no backup, E_DECLINED, E_LOCKED
 */
export function recoverState(opened: Session): Promise<RecoverResult> {
  return exclusively(opened, async () => {
    const regions = fleetRegions(opened);
    const { session } = await clearBrokenRun(opened);
    const look = await inventory(session.cloud, session.lineage, regions);
    const instances = divided(session, look.flatMap(({ objects }) => objects)).own.filter(({ kind }) => kind === "instance");
    const problem = session.damaged ?? lostState(session, instances.length);
    const restored = problem ? await restoreBackup(session, problem, instances) : undefined;
    const whole = restored ? await reread(session) : session;
    const { state } = await recover(whole, fleetRegions(whole, regions));
    return { ...(restored ? { restored } : {}), nodes: state.nodes.length };
  });
}

async function restoreBackup(session: Session, problem: SpotError, instances: CloudObject[]): Promise<RecoverResult["restored"]> {
  const files = session.stack.stateFiles;
  const backup = files?.backup();
  if (!files || !backup) {
    throw new SpotError("E_STATE", {
      message: `${problem.message}, and ${files ? "no backup can be read beside it" : "its backend is no folder of this machine"}`,
      cause: problem.cause,
      next: `Restore an older version of the state in its backend, or run \`recover --fleet-id ${session.lineage}\` to end the fleet by its tags.`,
    });
  }
  const { state, at, file } = backup;
  if (state.lineage !== undefined && session.settings.lineage !== undefined && state.lineage !== session.settings.lineage) {
    throw new SpotError("E_STATE", { message: `the backup ${file} is of another fleet, ${state.lineage}`, next: `Run \`recover --fleet-id ${session.lineage}\` to end this fleet by its tags.` });
  }
  const known = new Set(state.nodes.map(({ instanceId }) => instanceId));
  const unknown = instances.filter(({ id }) => !known.has(id)).length;
  const message = `Restore the state of stack ${session.target.stack} from ${at.toISOString()} (${counted(state.nodes.length, "node")}; there: ${counted(instances.length, "instance")}, of which ${unknown} not in it, to be ended)?`;
  if (!(await session.reporter.confirm({ message, unattended: false }))) throw new SpotError("E_DECLINED", { message: "nothing was changed", next: "Run again and answer yes, or give --yes." });
  return { file, at, kept: files.restore(backup) };
}

/**
 * Ends a whole fleet by its tags alone, in every region of the account, after confirmation, and proves it. For a fleet
 * whose record is lost.
 * @throws SpotError E_NOT_FOUND when nothing carries the fleet ID, E_USAGE when this stack's record holds it, E_DECLINED,
 *   E_LOCKED
 */
export function endFleet(opened: Session, lineage: string): Promise<DownResult> {
  return exclusively(opened, async () => {
    if (opened.state.lineage === lineage) {
      throw new SpotError("E_USAGE", { message: `the fleet ${lineage} is that of stack ${opened.target.stack}, whose state is whole`, next: "Run `down` to end it." });
    }
    const own = opened.lineage === lineage;
    const { session } = await clearBrokenRun(opened);
    const { account } = session.identity;
    const used = own ? fleetRegions(session) : [];
    const regions = [...new Set([...used, ...(await enabledRegions(session.cloud))])].sort();
    const found = (await inventory(session.cloud, lineage, regions)).flatMap(({ objects }) => objects);
    if (found.length === 0 && !own) throw new SpotError("E_NOT_FOUND", `nothing in account ${account} carries the fleet ID ${lineage}`);
    await confirmEnd(session, account, lineage, found);
    const held = await tellHeld(session, lineage, found);
    await endByTags(session, lineage, found.filter((object) => !staysFor(held, object)));
    const looked = await inventory(session.cloud, lineage, regions);
    const hadSome = new Set([...used, ...found.map(({ region }) => region)]);
    const result: DownResult = {
      account,
      found,
      failures: [],
      partial: false,
      others: [],
      namesakes: [],
      regions: looked.flatMap(({ region, error }) => (error ? [] : [region])),
      everywhere: looked.every(({ error }) => error === undefined),
      held,
      leftovers: looked.flatMap(({ objects }) => objects),
      notLookedAt: looked.flatMap(({ region, error }) => (error ? [{ region, error: errorInfo(error), everUsed: hadSome.has(region) }] : [])),
    };
    const proven = result.leftovers.length === 0 && result.notLookedAt.every(({ everUsed }) => !everUsed);
    return own && proven ? { ...result, setAside: await forgetStack(session, []) } : result;
  });
}

/** Always asked, in the sandbox too: no record of this place says that the fleet is ours to end. */
async function confirmEnd(session: Session, account: string, lineage: string, found: CloudObject[]): Promise<void> {
  if (found.length === 0) return;
  const instances = found.filter(({ kind }) => kind === "instance").length;
  const stacks = [...new Set(found.flatMap(({ tags }) => tags[Tag.stack] ?? []))].join(", ");
  const message = `Account ${account}: end the fleet ${lineage} (stack ${stacks}) by its tags, ${counted(instances, "instance")} and ${counted(found.length - instances, "other resource")}? If another machine has its state, run \`down\` there instead.`;
  if (!(await session.reporter.confirm({ message, unattended: false }))) throw new SpotError("E_DECLINED", "nothing was changed");
}
