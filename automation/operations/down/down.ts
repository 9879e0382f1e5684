import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { errorInfo, SpotError, wordsOf, type ErrorInfo } from "../../../fleet/errors";
import { Tag } from "../../../fleet/model";
import { shortName } from "../../../fleet/identity/ownership";
import { counted } from "../../../fleet/text/words";
import { enabledRegionsAnd } from "../../cloud/enabled-regions";
import { deleteOfFleet } from "../../cloud/resources/delete";
import type { FleetObject } from "../../cloud/resources/find";
import { inventoryOfStack, patiently, patientInventory, type RegionInventory } from "../../cloud/resources/inventory";
import { heldVpcs, namesOf, type HeldVpc } from "../../cloud/resources/strangers";
import { holdsNothing, refOf } from "../../engine/state";
import { readStackSettings } from "../../engine/stack-config";
import { interruption } from "../../session/interrupts";
import { forgetConfig, rememberConfig } from "../../session/last-config";
import { orphansAmong, tellUnexplained, type UnexplainedObject } from "../../session/orphans";
import { divided } from "../../session/ownership";
import { exclusively } from "../../session/run-lock";
import { fleetRegions, isUnrecorded, knowsRegions, reread, type Session } from "../../session";
import { selectNames } from "../../verify/select";
import { leavingCluster } from "../run/cluster";
import { tellCost } from "../inspect/cost";
import { createError, failureInfo, nodeListener } from "../run/engine-report";
import { noted } from "../run/noted";
import { restoreOwner } from "../plan/prepare-stack";
import { clearBrokenRun } from "../run/recover";

/** What is to end; nothing named: the whole fleet. */
export interface DownRequest {
  /** Patterns of node names: their instances alone, the network stays. */
  nodes?: string;
  /** Everything in this region. */
  region?: string;
  /** Looks in every region of the account, not in those of record and settings only. */
  allRegions?: boolean;
  /** The orchestrator that is told of ended nodes. */
  clusterApi?: string;
}

export interface DownResult {
  account: string;
  /** Objects that were there before, instances and the rest. */
  found: FleetObject[];
  /** What listing again still shows; empty is the proof. */
  leftovers: FleetObject[];
  /** What carries the fleet ID and is another stack's: left alone. */
  others: FleetObject[];
  /** Of the leftovers, what neither the record nor a run of ours explains: left alone until the user names it. */
  unexplained: UnexplainedObject[];
  /** Fleets of the stack's name whose record is not in this place: looked for where it has none of its own. */
  namesakes: Namesake[];
  /** Regions that were listed at the end, and answered. */
  regions: string[];
  /** Those are all that the account has enabled. */
  everywhere: boolean;
  /** VPCs that cannot go because of what somebody else has in them; they and their network stay. */
  held: HeldVpc[];
  /** Regions that could not be looked at, so that nothing is proven about them. */
  notLookedAt: { region: string; error: ErrorInfo; everUsed: boolean }[];
  failures: ErrorInfo[];
  /** A part was ended, and the rest of the fleet stands. */
  partial: boolean;
  /** Where a state that could not be read is kept, when there was one. */
  setAside?: string;
}

/** A fleet that another place may own: by its tags alone, it cannot be told whose it is. */
export interface Namesake {
  lineage: string;
  objects: FleetObject[];
}

/** The objects that a request is about, and the same for resources of the record. */
interface Scope {
  regions: string[];
  /** Those are all that the account has enabled. */
  everywhere: boolean;
  /** Absent: all nodes, and what is no node's. */
  nodes?: Set<string>;
}

/**
 * Ends everything of the fleet, or a part of it, and proves it by listing again: first by the state, then by the
 * lineage's tag what the state or a run of ours explains. Needs neither config.yaml nor the payload.
 * @throws SpotError E_STATE of class `leftover` when the state cannot be believed; E_DECLINED, E_LOCKED, E_CREDENTIALS, E_USAGE for a pattern that fits no node
 */
export function down(opened: Session, request: DownRequest = {}): Promise<DownResult> {
  return exclusively(opened, () =>
    leavingCluster(opened, request.clusterApi, (ended) => downAlone(opened, request, ended)),
  );
}

/** @param ended told of each instance that this run ends */
async function downAlone(
  opened: Session,
  request: DownRequest,
  ended: (instanceId: string) => void,
): Promise<DownResult> {
  const { account } = opened.identity;
  refuseLost(opened);
  const { session } = await clearBrokenRun(opened);
  if (isSearch(session, request)) {
    const result = { account, ...(await withoutRecord(session)) };
    return session.stackExists && result.namesakes.length === 0 && isProven(result)
      ? { ...result, setAside: await forgetStack(session, []) }
      : result;
  }
  const { scope, looked, found, unexplained } = await scopeOf(session, request);
  session.interrupts.soft.throwIfAborted();
  await confirmed(session, account, found);
  rememberConfig(session);
  restoreOwner(session);
  return noted(session, looked, () => ending(session, { request, account, scope, found, unexplained, ended }));
}

/** What a `down` is about, and what it leaves alone. */
interface Ending {
  request: DownRequest;
  account: string;
  scope: Scope;
  found: FleetObject[];
  unexplained: UnexplainedObject[];
  ended: (instanceId: string) => void;
}

async function ending(
  session: Session,
  { request, account, scope, found, unexplained, ended }: Ending,
): Promise<DownResult> {
  const partial = request.nodes !== undefined || request.region !== undefined;
  session.reporter.emit({
    type: "expected",
    nodes: session.state.nodes
      .map(refOf)
      .filter(({ name, region }) => scope.regions.includes(region) && (scope.nodes?.has(name) ?? true)),
  });
  const held = await tellHeld(session, session.lineage, found, idsOf(unexplained));
  const failures = await destroyRecorded(session, { scope, partial, ended, held });
  if (!session.interrupts.soft.aborted) {
    const left = explainedBy(session, (await remaining(session, scope)).own);
    await endByTags(
      session,
      left.found.filter((object) => !staysFor(held, object)),
    );
  }
  const result = { account, found, failures, partial, held, ...(await proof(session, scope)) };
  endedInstances(result).forEach(ended);
  const interrupted = session.interrupts.soft.aborted;
  if (interrupted) failures.push(interruption(session.interrupts));
  return isProven(result) && !interrupted && !partial
    ? { ...result, setAside: await forgetStack(session, result.others) }
    : result;
}

/** A region that is closed to us and that the fleet never used proves nothing, and needs no proof. */
export function isProven({ leftovers, notLookedAt }: Pick<DownResult, "leftovers" | "notLookedAt">): boolean {
  return leftovers.length === 0 && notLookedAt.every(({ everUsed }) => !everUsed);
}

/** What AWS would be waited for in vain. A look that fails holds nothing up: AWS then says itself what it keeps. */
async function heldAmong(
  session: Session,
  lineage: string,
  found: FleetObject[],
  stays: ReadonlySet<string>,
): Promise<HeldVpc[]> {
  try {
    return await heldVpcs(
      session.cloud,
      lineage,
      found.filter(({ kind }) => kind === "vpc"),
      stays,
    );
  } catch (error) {
    session.reporter.emit({
      type: "message",
      level: "debug",
      subject: "down",
      message: `what the fleet's VPCs hold could not be looked at: ${wordsOf(error)}`,
    });
    return [];
  }
}

/**
 * Names what holds the VPCs among these objects, before anything is tried in vain.
 * @param stays what carries the fleet's ID and is not to go all the same
 */
export async function tellHeld(
  session: Session,
  lineage: string,
  found: FleetObject[],
  stays: ReadonlySet<string> = new Set(),
): Promise<HeldVpc[]> {
  const held = await heldAmong(session, lineage, found, stays);
  for (const { region, vpc, by } of held) {
    session.reporter.emit({
      type: "message",
      level: "warning",
      subject: region,
      message: `${vpc} stays with its network: it holds ${namesOf(by)}, which this fleet did not make. Delete that, then run this again`,
    });
  }
  return held;
}

/** Nodes end whatever holds their VPC; of its network nothing is taken away from under it. */
export function staysFor(held: HeldVpc[], { kind, region }: FleetObject): boolean {
  return kind !== "instance" && kind !== "volume" && held.some((one) => one.region === region);
}

function endedInstances({ found, leftovers }: Pick<DownResult, "found" | "leftovers">): string[] {
  const left = new Set(leftovers.map(({ id }) => id));
  return found.flatMap(({ kind, id }) => (kind === "instance" && !left.has(id) ? [id] : []));
}

/** What `down` would end. Changes nothing. @throws SpotError E_CREDENTIALS, E_USAGE */
export async function planDown(
  session: Session,
  request: DownRequest,
): Promise<Pick<DownResult, "account" | "found" | "unexplained" | "held" | "namesakes" | "notLookedAt">> {
  const { account } = session.identity;
  refuseLost(session);
  if (isSearch(session, request)) {
    const { found, namesakes, notLookedAt } = await withoutRecord(session);
    return { account, found, unexplained: [], held: [], namesakes, notLookedAt };
  }
  const { scope, found, unexplained } = await scopeOf(session, request);
  const [{ notLookedAt }, held] = await Promise.all([
    proof(session, scope),
    tellHeld(session, session.lineage, found, idsOf(unexplained)),
  ]);
  return { account, found, unexplained, held, namesakes: [], notLookedAt };
}

/** Of a fleet whose record cannot be believed nothing is ended, and something is left. @throws SpotError E_STATE, exit code 8 */
function refuseLost({ lost }: Session): void {
  if (lost)
    throw new SpotError("E_STATE", { message: lost.message, cause: lost.cause, next: lost.next, class: "leftover" });
}

const idsOf = (objects: readonly FleetObject[]): Set<string> => new Set(objects.map(({ id }) => id));

/** Of objects that carry the fleet's tags: what is its own by the record or a run of ours, and what nothing explains. */
function explainedBy(
  session: Session,
  objects: readonly FleetObject[],
): { found: FleetObject[]; unexplained: UnexplainedObject[] } {
  const { unexplained } = orphansAmong(session, objects);
  const strange = idsOf(unexplained);
  return { found: objects.filter(({ id }) => !strange.has(id)), unexplained };
}

/** The whole fleet is meant, and nothing here tells of one. */
function isSearch(session: Session, { nodes, region }: DownRequest): boolean {
  return isUnrecorded(session) && nodes === undefined && region === undefined;
}

/**
 * Nothing here tells of a fleet, which is no proof that there is none: its record may be lost, or on another machine.
 * So its name is looked for in the whole account. Ends nothing: what is found may be somebody else's.
 */
async function withoutRecord(session: Session): Promise<Omit<DownResult, "account">> {
  const regions = await enabledRegionsAnd(session.cloud, session.configured);
  const looked = await patiently(
    (silent) => inventoryOfStack(session.cloud, shortName(session.target.stack), silent),
    regions,
    session.interrupts.soft,
  );
  const fleets = new Map<string, FleetObject[]>();
  for (const object of looked.flatMap(({ objects }) => objects)) {
    const lineage = object.tags[Tag.lineage] ?? "none";
    fleets.set(lineage, [...(fleets.get(lineage) ?? []), object]);
  }
  const namesakes = [...fleets].map(([lineage, objects]) => ({ lineage, objects }));
  return {
    found: [],
    leftovers: [],
    others: [],
    unexplained: [],
    held: [],
    namesakes,
    failures: [],
    partial: false,
    ...answers(session, looked, true),
  };
}

/** What was listed and what was not. A region that the fleet is known to use, or is to use, must have answered. */
function answers(
  session: Session,
  looked: RegionInventory[],
  everywhere: boolean,
): Pick<DownResult, "regions" | "everywhere" | "notLookedAt"> {
  const used = new Set(fleetRegions(session, session.configured));
  const notLookedAt = looked.flatMap(({ region, error }) =>
    error ? [{ region, error: errorInfo(error), everUsed: used.has(region) }] : [],
  );
  return {
    regions: looked.flatMap(({ region, error }) => (error ? [] : [region])),
    everywhere: everywhere && notLookedAt.length === 0,
    notLookedAt,
  };
}

/** What is meant, and what of it is there, as one look showed it. */
interface Found {
  scope: Scope;
  looked: RegionInventory[];
  found: FleetObject[];
  unexplained: UnexplainedObject[];
}

async function scopeOf(session: Session, request: DownRequest): Promise<Found> {
  const known = fleetRegions(session);
  if (request.region !== undefined && !known.includes(request.region)) {
    throw new SpotError("E_USAGE", {
      message: `the fleet has nothing in region ${request.region}`,
      next: known.length > 0 ? `It has: ${known.join(", ")}.` : "Run `list` to see what there is.",
    });
  }
  const everywhere = request.region === undefined && (request.allRegions === true || !knowsRegions(session));
  const regions =
    request.region !== undefined
      ? [request.region]
      : everywhere
        ? await enabledRegionsAnd(session.cloud, known)
        : known;
  const { looked, own: objects } = await remaining(session, { regions, everywhere });
  const divide = (scope: Scope): Found => {
    const { found, unexplained } = explainedBy(
      session,
      objects.filter((object) => within(scope, object)),
    );
    tellUnexplained(session, unexplained);
    return { scope, looked, found, unexplained };
  };
  if (request.nodes === undefined) return divide({ regions, everywhere });
  const names = new Set([
    ...session.state.nodes.map(({ name }) => name),
    ...objects.flatMap(({ tags }) => tags[Tag.node] ?? []),
  ]);
  const nodes = new Set(selectNames(request.nodes, [...names].sort(), "node"));
  return divide({ regions, everywhere, nodes });
}

function within({ nodes }: Scope, { tags }: FleetObject): boolean {
  return nodes === undefined || nodes.has(tags[Tag.node] ?? "");
}

async function remaining(session: Session, scope: Scope): Promise<{ looked: RegionInventory[]; own: FleetObject[] }> {
  const looked = await patientInventory(session.cloud, session.lineage, scope.regions, session.interrupts.soft);
  return {
    looked,
    own: divided(
      session,
      looked.flatMap(({ objects }) => objects),
    ).own.filter((object) => within(scope, object)),
  };
}

async function destroyRecorded(
  session: Session,
  {
    scope,
    partial,
    ended,
    held,
  }: { scope: Scope; partial: boolean; ended: (instanceId: string) => void; held: HeldVpc[] },
): Promise<ErrorInfo[]> {
  const target = partial || held.length > 0 ? recordedIn(session, scope, held) : undefined;
  if (session.state.resources.length === 0 || target?.length === 0) return [];
  const outcome = await session.stack.destroy({ target, listener: nodeListener(session, { deleted: ended }) });
  const failures = outcome.failures.map(failureInfo);
  if (outcome.programErrors.length > 0 && !outcome.interrupted) throw createError(outcome, session);
  return failures;
}

/** URNs of the part: the nodes with their components, and for a region its network too, unless somebody holds it. */
function recordedIn({ state }: Session, { regions, nodes }: Scope, held: HeldVpc[]): string[] {
  const instances = state.nodes.filter(
    ({ name, pin }) => regions.includes(pin.pool.region) && (nodes === undefined || nodes.has(name)),
  );
  const whole = new Set(
    nodes === undefined ? regions.filter((region) => !held.some((one) => one.region === region)) : [],
  );
  const components = new Set([...instances.map(({ name }) => name), ...whole]);
  const parts = state.resources.filter(({ custom, type, name, inputs }) =>
    custom
      ? type.startsWith("aws:") && whole.has(inputs.region as string)
      : type.startsWith("spot-deployer:infra:") && components.has(name),
  );
  return [...new Set([...instances, ...parts].map(({ urn }) => urn))];
}

/** Ends objects of one fleet and tells each; what cannot be ended is told too, and shows in the proof. */
export async function endByTags(session: Session, objects: FleetObject[]): Promise<void> {
  if (objects.length === 0) return;
  const emit = (level: "info" | "warning", object: FleetObject, message: string) =>
    session.reporter.emit({
      type: "message",
      level,
      subject: object.region,
      message: `${object.kind} ${object.id} ${message}`,
    });
  const failures = await deleteOfFleet(session.cloud, objects, {
    signal: session.interrupts.hard,
    onDeleted: (object) => emit("info", object, "deleted by its tag"),
  });
  for (const { object, error } of failures) emit("warning", object, `could not be deleted: ${wordsOf(error)}`);
}

async function proof(
  session: Session,
  scope: Scope,
): Promise<
  Pick<DownResult, "leftovers" | "others" | "unexplained" | "namesakes" | "regions" | "everywhere" | "notLookedAt">
> {
  const looked = await patientInventory(session.cloud, session.lineage, scope.regions, session.interrupts.soft);
  const { own, others } = divided(
    session,
    looked.flatMap(({ objects }) => objects),
  );
  const leftovers = own.filter((object) => within(scope, object));
  const { unexplained } = orphansAmong(session, leftovers);
  tellUnexplained(session, unexplained);
  return {
    leftovers,
    others,
    unexplained,
    namesakes: [],
    ...answers(session, looked, scope.everywhere),
  };
}

/** Another stack of this project has, or may have, the same fleet ID: its settings, or these, are a copy. */
function isShared({ projectDir, lineage }: Session): boolean {
  const others = readdirSync(projectDir).filter((name) => /^Pulumi\..+\.yaml$/.test(name));
  return others.some((name) => {
    try {
      return readStackSettings(path.join(projectDir, name)).lineage === lineage;
    } catch {
      return true;
    }
  });
}

async function confirmed(session: Session, account: string, found: FleetObject[]): Promise<void> {
  if (session.target.kind === "sandbox") return;
  const instances = found.filter(({ kind }) => kind === "instance").length;
  if (found.length === 0 && session.state.resources.length === 0) return;
  await tellCost(
    session,
    session.state.nodes.map(({ pin }) => pin.pool),
    "the fleet costs",
  );
  const message = `Account ${account}, stack ${session.target.stack}: end ${counted(instances, "instance")} and delete ${counted(found.length - instances, "other resource")}?`;
  if (!(await session.reporter.confirm({ message, unattended: false })))
    throw new SpotError("E_DECLINED", "nothing was changed");
}

/**
 * Nothing is left to record: the stack, its settings and its keys end with the fleet, notes and saved states too. A
 * state that could not be read is kept under another name, which is answered.
 * @param others what other stacks own under the same fleet ID: the keys are theirs too, and stay
 * @param isSealed the engine cannot bring the state up to date: what it holds was proven gone without it
 */
export async function forgetStack(
  session: Session,
  others: readonly FleetObject[],
  isSealed = false,
): Promise<string | undefined> {
  let kept: string | undefined;
  if (session.damaged) {
    kept = session.stack.stateFiles?.setAside();
    if (kept === undefined) throw session.damaged;
  } else if (session.stackExists) {
    const { state } = await reread(session);
    if (!isSealed && !holdsNothing(state)) return undefined;
    await session.stack.remove();
  }
  session.stack.forgetKept();
  forgetConfig(session);
  rmSync(session.stack.configFile, { force: true });
  if (others.length === 0 && !isShared(session)) rmSync(session.keys, { recursive: true, force: true });
  return kept;
}
