import { existsSync } from "node:fs";
import path from "node:path";
import { Tag } from "../../../fleet/model";
import { errorInfo, SpotError } from "../../../fleet/errors";
import { counted } from "../../../fleet/text/words";
import { enabledRegionsAnd } from "../../cloud/enabled-regions";
import type { FleetObject } from "../../cloud/resources/find";
import { inventory, inventoryOfIds, type RegionInventory } from "../../cloud/resources/inventory";
import { recordedIds } from "../../engine/state";
import { rememberConfig } from "../../session/last-config";
import { canStandFor, lostBy } from "../../session/lost-state";
import {
  orphansAmong,
  recordedObjects,
  tellUnexplained,
  type Orphans,
  type UnexplainedObject,
} from "../../session/orphans";
import { divided } from "../../session/ownership";
import { exclusively } from "../../session/run-lock";
import { fleetRegions, reread, type Session } from "../../session";
import { endByTags, forgetStack, isProven, staysFor, tellHeld, type DownResult } from "./down";
import { clearBrokenRun, endKilledRun, recover } from "../run/recover";

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
    const { session: recovered } = await recover(whole, all, pending);
    const { explained, unexplained, silent } = await orphansIn(recovered, all);
    tellUnexplained(recovered, unexplained);
    const left = [
      ...explained.map((object) => ({ ...object, reason: "could not be ended" })),
      ...(await askedAbout(recovered, unexplained)),
    ];
    if (recovered.stackExists) await recovered.stack.keepState();
    return { ...(restored ? { restored } : {}), nodes: recovered.state.nodes.length, left, notLookedAt: silent };
  });
}

async function orphansIn(session: Session, regions: string[]): Promise<Orphans & { silent: string[] }> {
  const look = await inventory(session.cloud, session.lineage, regions);
  const orphans = orphansAmong(
    session,
    divided(
      session,
      look.flatMap(({ objects }) => objects),
    ).own,
  );
  return { ...orphans, silent: look.flatMap(({ region, error }) => (error ? [region] : [])) };
}

/** Ends what nothing explains when a person says so; answers what is left. */
async function askedAbout(session: Session, objects: UnexplainedObject[]): Promise<UnexplainedObject[]> {
  if (objects.length === 0) return objects;
  const named = objects.map(({ kind, id, region }) => `${kind} ${id} in ${region}`).join(", ");
  const message = `Delete what carries this fleet's tags and is not in its record: ${named}?`;
  if (!(await session.reporter.confirm({ message, answeredBy: "nothing", unattended: false }))) return objects;
  await endByTags(session, objects);
  const { unexplained, silent } = await orphansIn(session, [...new Set(objects.map(({ region }) => region))]);
  const there = new Set(unexplained.map(({ id }) => id));
  return objects.filter(({ id, region }) => there.has(id) || silent.includes(region));
}

async function restoreSaved(
  session: Session,
  lost: SpotError,
  look: readonly RegionInventory[],
): Promise<RecoverResult["restored"]> {
  const instances = divided(
    session,
    look.flatMap(({ objects }) => objects),
  ).own.filter(({ kind }) => kind === "instance");
  const saved = session.stack.savedStates.find(({ state }) => canStandFor(state, instances));
  if (!saved) {
    throw new SpotError("E_STATE", {
      message: `${lost.message}, and there is no saved state that ${instances.length > 0 ? "knows any of them" : "can be read"}`,
      cause: lost.cause,
      next: lost.next,
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
    });
  }
  const known = recordedIds(state);
  const unknown = instances.filter(({ id }) => !known.has(id)).length;
  const message = `Restore the state of stack ${session.target.stack} from ${at.toISOString()} (${counted(state.nodes.length, "node")}; there: ${counted(instances.length, "instance")}, of which ${unknown} not in it)?`;
  if (!(await session.reporter.confirm({ message, unattended: false })))
    throw new SpotError("E_DECLINED", {
      message: "nothing was changed",
      next: "Run again and answer yes, or give --yes.",
    });
  return { file, at, kept: await session.stack.restore(saved) };
}

/**
 * Ends a whole fleet by its tags alone, in every region of the account, after confirmation, and proves it. For a fleet
 * whose record is lost, or cannot be used because its passphrase is; then what the record holds must be gone too.
 * @throws SpotError E_NOT_FOUND when nothing carries the fleet ID, E_USAGE when this stack's record holds it, E_DECLINED,
 *   E_LOCKED, E_KEY_LOST, E_PASSPHRASE
 */
export function endFleet(opened: Session, lineage: string): Promise<DownResult> {
  return exclusively(opened, async () => {
    const own = opened.lineage === lineage;
    const lost =
      opened.lost ??
      (own
        ? lostBy(opened, await inventory(opened.cloud, lineage, fleetRegions(opened, opened.configured)))
        : undefined);
    const sealed = own && opened.stackExists && !opened.damaged ? await opened.stack.sealed() : undefined;
    if (opened.state.lineage === lineage && !lost) refuseUsable(opened, sealed);
    const session = sealed ? await endKilledRun(opened) : (await clearBrokenRun(opened)).session;
    const { account } = session.identity;
    const used = own ? fleetRegions(session) : [];
    const regions = await enabledRegionsAnd(session.cloud, used);
    const found = (await inventory(session.cloud, lineage, regions)).flatMap(({ objects }) => objects);
    if (found.length === 0 && !own)
      throw new SpotError("E_NOT_FOUND", `nothing in account ${account} carries the fleet ID ${lineage}`);
    const otherWay =
      sealed && !lost
        ? "Its state is whole: with the right passphrase, `down` ends it."
        : "If another machine has its state, run `down` there instead.";
    if (found.length > 0 || sealed) await confirmEnd(session, lineage, found, otherWay);
    const held = await tellHeld(session, lineage, found);
    const ending = new Set(found.map(({ id }) => id));
    // A volume goes no sooner than the instance that it is attached to.
    const canGo = ({ heldBy }: FleetObject): boolean => heldBy === undefined || ending.has(heldBy);
    await endByTags(
      session,
      found.filter((object) => !staysFor(held, object) && canGo(object)),
    );
    const looked = [
      ...(await inventory(session.cloud, lineage, regions)),
      ...(sealed ? await inventoryOfIds(session.cloud, recordedObjects(session.state)) : []),
    ];
    const silent = looked.filter(({ error }) => error !== undefined);
    const hadSome = new Set([...used, ...found.map(({ region }) => region)]);
    const result: DownResult = {
      account,
      found,
      failures: [],
      partial: false,
      others: [],
      unexplained: [],
      namesakes: [],
      regions: regions.filter((region) => !silent.some((one) => one.region === region)),
      everywhere: silent.length === 0,
      held,
      leftovers: [...new Map(looked.flatMap(({ objects }) => objects.map((object) => [object.id, object]))).values()],
      notLookedAt: [
        ...new Map(
          silent.map(({ region, error }) => [
            region,
            { region, error: errorInfo(error), everUsed: hadSome.has(region) },
          ]),
        ).values(),
      ],
    };
    return own && isProven(result)
      ? { ...result, setAside: await forgetStack(session, [], sealed !== undefined) }
      : result;
  });
}

/**
 * A stack that the engine can go on with is ended by `down`. One that it cannot is ended here only where it is known who
 * else works on it: other backends than a folder tell nobody of their lock who has no passphrase.
 * @throws SpotError E_USAGE, E_KEY_LOST, E_PASSPHRASE
 */
function refuseUsable({ target, lineage, stack, keys }: Session, sealed: SpotError | undefined): void {
  if (!sealed)
    throw new SpotError("E_USAGE", {
      message: `the fleet ${lineage} is that of stack ${target.stack}, whose state is whole`,
      next: "Run `down` to end it.",
    });
  const own = path.join(keys, "passphrase");
  const refuse = (next: string) => new SpotError(sealed.code, { message: sealed.message, cause: sealed.cause, next });
  if (existsSync(own) && target.env.PULUMI_CONFIG_PASSPHRASE_FILE !== own)
    throw refuse(
      `Unset PULUMI_CONFIG_PASSPHRASE and PULUMI_CONFIG_PASSPHRASE_FILE: the fleet's own passphrase is in ${own}.`,
    );
  if (!stack.stateFiles)
    throw refuse(
      `When nobody works on the stack: \`recover --fleet-id ${lineage} --stack NEW\` ends the fleet by its tags, \`pulumi stack rm --force\` forgets this stack.`,
    );
}

/** Asked in the sandbox too: no record of this place says that the fleet is ours to end, or none that can be used. */
async function confirmEnd(session: Session, lineage: string, found: FleetObject[], otherWay: string): Promise<void> {
  const { identity, target, reporter } = session;
  const instances = found.filter(({ kind }) => kind === "instance").length;
  const stacks = [...new Set(found.flatMap(({ tags }) => tags[Tag.stack] ?? []))].join(", ");
  const what =
    found.length === 0
      ? `forget stack ${target.stack}: nothing carries the ID of its fleet ${lineage} any more`
      : `end the fleet ${lineage} (stack ${stacks}) by its tags, ${counted(instances, "instance")} and ${counted(found.length - instances, "other resource")}`;
  if (!(await reporter.confirm({ message: `Account ${identity.account}: ${what}? ${otherWay}`, unattended: false })))
    throw new SpotError("E_DECLINED", "nothing was changed");
}
