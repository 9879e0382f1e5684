import path from "node:path";
import { randomBytes } from "node:crypto";
import { changesBetween, replacementBatches, type DesiredNode, type NodeChange } from "../../fleet/changes";
import { checksFor } from "../../fleet/checks";
import type { FleetConfig, Locate } from "../../fleet/config";
import { errorInfo, isSpotError, SpotError, type ErrorInfo } from "../../fleet/errors";
import { classifyFailure } from "../../fleet/failures";
import { StackKey } from "../../fleet/stack-config";
import { buildState } from "../../project/build-stamp";
import { loadDefinition, type FleetDefinition } from "../../project/definition";
import { packageRoot } from "../../project/package-root";
import { callerIdentity } from "../cloud/identity";
import { inventory } from "../cloud/inventory";
import { qualified, type EngineOutcome, type UpOptions } from "../engine/stack";
import { writeStackSettings } from "../engine/stack-config";
import { pinsOf } from "../pins";
import { exclusively } from "../run-lock";
import { ensurePassphrase, reread, type Session } from "../session";
import { tellCost } from "./cost";
import { decide, type Decisions } from "./decide";
import { Failover, type Attempt } from "./failover";
import { INSTANCE_TYPE, nodeUrns } from "../engine/state";
import type { NodeVerification, Verification } from "../verify/result";
import { createError, failureInfo, nodeListener } from "./engine-report";
import { FleetNodes, refOf } from "./fleet-nodes";
import { endOrphans, recover } from "./recover";
import { reportVerified } from "./verify";
import { selectNames } from "../verify/select";

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

/** How an `up` ended. */
export interface UpResult {
  account: string;
  changes: NodeChange[];
  /** Resources that the engine changed, other than nodes. */
  otherChanges: number;
  /** What failed, each with its class and next action. */
  failures: ErrorInfo[];
  /** Nodes that a stopped roll left as they were. */
  untouched: string[];
  /** Every pool that refused a node, in order, whether or not another one took it. */
  attempts: Attempt[];
  /** Nodes that were made and removed again because others failed (`--rollback-on-failure`). */
  rolledBack: string[];
  /** Absent where nothing was verified: nothing boots here, `--no-wait`, or no node got that far. */
  verification?: Verification;
  definition: FleetDefinition;
  session: Session;
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
  if (build === "stale" || build === "missing") throw new SpotError("E_STALE_BUILD", `the compiled program is ${build === "stale" ? "older than its sources" : "incomplete"}`);
}

/**
 * Finds out what must change, and changes nothing in the cloud.
 * @throws SpotError E_CREDENTIALS, E_KEY_LOST, E_SSH_KEY, E_PAYLOAD, E_USER_DATA_TOO_LARGE
 */
export async function planUp(session: Session, { config, configFile, locate }: UpRequest): Promise<UpPlan> {
  const deciding = decide(session, config);
  // Asked at the same time; but what comes of missing credentials says less than that they are missing.
  deciding.catch(() => undefined);
  const identity = await callerIdentity(session.cloud);
  const decisions = await deciding;
  const definition = loadDefinition({ config, configFile, stack: session.target.stack, lineage: session.lineage, locate });
  const { pins } = decisions;
  const desired = definition.slots
    .filter(({ name }) => pins.nodes[name])
    .map((slot): DesiredNode => {
      const pin = pins.nodes[slot.name]!;
      return { slot, pin, generation: definition.generationOf(slot, pin, pins.ssh.publicKey) };
    });
  return { session, account: identity.account, definition, decisions, changes: changesBetween(desired, session.state.nodes) };
}

/**
 * Brings the cloud to what the configuration asks for. Nodes that must be replaced roll: one canary, then batches; a
 * batch that fails stops the roll and leaves the rest as it was.
 * @throws SpotError E_DECLINED when the changes are not confirmed, E_LOCKED, E_PROGRAM and what `planUp` throws
 */
export async function up(opened: Session, request: UpRequest): Promise<UpResult> {
  refuseStaleBuild();
  return exclusively(opened, () => upAlone(opened, request));
}

async function upAlone(opened: Session, request: UpRequest): Promise<UpResult> {
  const regions = fleetRegions(opened, request.config.regions.map(({ name }) => name));
  const session = await recover(opened, regions);
  const plan = limited(await planUp(session, request), opened, request.part);
  const { decisions, definition, account } = plan;
  announce(plan);
  if (plan.changes.some(({ kind }) => kind !== "same")) {
    await tellCost(session, plan.changes.flatMap(({ to }) => to?.pin.pool ?? []), "the fleet will cost");
  }
  await confirmed(plan);

  const fleetSecret = await prepareStack(session, plan);
  const access = { session, definition, pins: decisions.pins, account, fleetSecret, privateKeyPath: decisions.keyPair.privateKeyPath };
  // Each batch of a roll is proven before the next, so a run that replaces anything waits.
  const wait = request.wait || plan.changes.some(({ kind }) => kind === "replace");
  if (wait !== request.wait && bootsHosts(session)) session.reporter.emit({ type: "message", level: "info", message: "nodes are replaced one batch after the other, each proven: this run waits in spite of --no-wait" });
  const fleet = bootsHosts(session) ? new FleetNodes(access, { wait }) : undefined;
  return new UpRun(session, plan, fleet, { ...request, wait }, regions).go();
}

/** Only an emulated API has no hosts behind it. */
export function bootsHosts({ target }: Session): boolean {
  return target.sandbox?.mode !== "api";
}

/** The part of `up` that changes things: engine runs, nodes brought up beside them, replacements in turn. */
class UpRun {
  private readonly failures: ErrorInfo[];
  private readonly failover: Failover;
  /** Aborted when AWS refuses the credentials: no region can be worked in any more. */
  private readonly stop = new AbortController();
  /** Nodes that wait for their turn to be replaced. */
  private readonly untouched = new Set<string>();
  private readonly outcomes: EngineOutcome[] = [];
  private readonly verified = new Map<string, NodeVerification>();
  private changes: NodeChange[];

  constructor(
    private session: Session,
    private readonly plan: UpPlan,
    private readonly fleet: FleetNodes | undefined,
    private readonly request: UpRequest,
    /** Every region in which the fleet may have something. */
    private readonly regions: string[],
  ) {
    this.changes = plan.changes;
    this.failures = plan.decisions.failedRegions.map(({ error }) => error);
    this.failover = new Failover(session, plan.decisions, plan.definition.slots);
  }

  async go(): Promise<UpResult> {
    const { account, definition } = this.plan;
    const { untouched } = this;
    const batches = this.batchesOf(this.changes);
    for (const name of batches.flat()) untouched.add(name);
    // With replacements to roll, everything else is done first: they are left out of that run and then taken in turn.
    let going = await this.engineBeside([...untouched]);
    if (!this.isStopped) await this.resumeUnchanged();
    await this.replaceHalfBuilt();
    // Nodes that have the new payload already, of a roll that stopped, come before any that has not.
    const ahead = this.changes.filter(({ name, kind }) => kind !== "delete" && !untouched.has(name)).map(({ name }) => name);
    if (going && batches.length > 0) going = await this.proves(ahead);
    await this.roll(batches, going, untouched);
    let verification = await this.verifyAll(untouched);
    if (verification && this.request.part?.replace === "broken") verification = await this.repair(verification, untouched);
    const rolledBack = this.request.rollback && !this.isStopped && (this.failures.length > 0 || verification?.isVerified === false) ? await this.rollBack() : [];
    await this.closingLook();
    if (this.outcomes.some(({ interrupted }) => interrupted) || this.session.interrupts.soft.aborted) {
      this.failures.push(errorInfo(new SpotError("E_INTERRUPTED", "the run was interrupted; what was in flight is finished and recorded")));
    }
    const steps = this.outcomes.flatMap((outcome) => outcome.steps);
    return {
      account,
      changes: this.changes,
      otherChanges: steps.filter(({ op, type }) => op !== "same" && type.startsWith("aws:") && type !== INSTANCE_TYPE).length,
      failures: this.failures,
      untouched: [...untouched],
      attempts: this.failover.attempts,
      rolledBack,
      verification,
      definition,
      session: await reread(this.session),
    };
  }

  private batchesOf(changes: readonly NodeChange[]): string[][] {
    return replacementBatches(changes, this.request.config.maxUnavailable, this.plan.definition.slots.length);
  }

  /** Everything that is no replacement; in a run on a part of the fleet only the nodes of the part that are missing. */
  private async engineBeside(replaced: string[]): Promise<boolean> {
    if (!this.request.part) return this.engine(replaced.length === 0 ? {} : { exclude: this.urns(replaced) });
    const missing = this.plan.changes.flatMap((change) => (change.kind === "create" ? [change.to] : []));
    if (missing.length === 0) return true;
    return this.engine({ target: missing.flatMap(({ slot, pin }) => nodeUrns(this.session.target.stack, slot.name, pin.pool.market)) });
  }

  /** Replaces batch by batch; one that fails, or does not prove itself, leaves the rest as it is. */
  private async roll(batches: string[][], going: boolean, untouched: Set<string>): Promise<void> {
    for (const batch of batches) {
      if (!going || this.isStopped) break;
      const urns = this.urns(batch);
      // A part is replaced because it was asked for, whether or not the program sees a difference.
      for (const name of batch) untouched.delete(name);
      going = await this.engine({ target: urns, ...(this.request.part ? { replace: urns } : {}) });
      if (going) going = await this.proves(batch);
    }
  }

  /** Replaces what did not pass and looks again. */
  private async repair(first: Verification, untouched: Set<string>): Promise<Verification | undefined> {
    const passed = new Set(first.nodes.filter(({ isVerified }) => isVerified).map(({ node }) => node));
    const failing = this.changes.flatMap((change): NodeChange[] =>
      change.kind === "same" && !passed.has(change.name) ? [{ ...change, kind: "replace", reason: "it does not pass verification" }] : [],
    );
    if (failing.length === 0 || this.isStopped) return first;
    const { account } = this.plan;
    this.session.reporter.emit({ type: "changes", stack: this.session.target.stack, account, changes: failing });
    await confirmed({ ...this.plan, changes: failing });
    this.failures.length = 0;
    const replaced = new Map(failing.map((change) => [change.name, change]));
    this.changes = this.changes.map((change) => replaced.get(change.name) ?? change);
    for (const name of replaced.keys()) {
      untouched.add(name);
      this.verified.delete(name);
    }
    await this.roll(this.batchesOf(failing), true, untouched);
    return this.verifyAll(untouched);
  }

  /**
   * A call whose answer was lost, or that a provider was killed in, may have taken effect all the same. Another run
   * that has begun meanwhile clears up by itself.
   */
  private async closingLook(): Promise<void> {
    const didSomething = this.outcomes.some(({ steps, failures }) => failures.length > 0 || steps.some(({ op }) => op !== "same"));
    if (!didSomething || this.session.interrupts.hard.aborted) return;
    try {
      this.session = await endOrphans(this.session, await inventory(this.session.cloud, this.session.lineage, this.regions));
    } catch (error) {
      if (!isSpotError(error) || error.code !== "E_LOCKED") throw error;
    }
  }

  private urns(names: string[]): string[] {
    const urnOf = new Map(this.session.state.nodes.map(({ name, urn }) => [name, urn]));
    return names.map((name) => urnOf.get(name)!);
  }

  /** An engine run, and the rounds that follow it until nothing more can be moved or tried again. True: all succeeded. */
  private async engine(options: UpOptions): Promise<boolean> {
    for (let round = options; ; round = this.nextRound()) {
      const outcome = await this.engineOnce(round);
      const next = await this.failover.after(outcome);
      if (!next.again) {
        this.failures.push(...next.failures);
        return outcome.ok && next.failures.length === 0;
      }
      writePins(this.session, this.plan);
      this.changes = this.changes.map((change) => moved(change, this.plan));
    }
  }

  /** What failed is missing, so a round makes what is missing; nodes that wait for their turn are left alone. */
  private nextRound(): UpOptions {
    if (!this.request.part) return { exclude: this.urns([...this.untouched]) };
    const recorded = new Set(this.session.state.nodes.map(({ name }) => name));
    const missing = this.changes.flatMap(({ name, to }) => (to && !recorded.has(name) ? [to] : []));
    return { target: missing.flatMap(({ slot, pin }) => nodeUrns(this.session.target.stack, slot.name, pin.pool.market)) };
  }

  private async engineOnce(options: UpOptions): Promise<EngineOutcome> {
    const outcome = await this.session.stack.up({
      ...options,
      stop: this.stop.signal,
      listener: nodeListener(this.session, {
        created: (ref) => this.fleet?.announce(ref, "created"),
        deleted: (instanceId) => void this.fleet?.forget(instanceId),
        failed: (failure) => {
          if (classifyFailure(failure.message).everywhere) this.stop.abort();
          return this.failover.willTryAgain(failure);
        },
      }),
    });
    this.outcomes.push(outcome);
    if (outcome.programErrors.length > 0 && !outcome.interrupted && !this.stop.signal.aborted) throw createError(outcome);
    this.session = await reread(this.session);
    return outcome;
  }

  private get isStopped(): boolean {
    return this.stop.signal.aborted || this.session.interrupts.soft.aborted;
  }

  /** All or nothing: what this run made goes again, with the networks that only it needed. What was replaced stays. */
  private async rollBack(): Promise<string[]> {
    const before = new Set(this.plan.session.state.nodes.map(({ name }) => name));
    const made = this.session.state.nodes.map(({ name }) => name).filter((name) => !before.has(name));
    const { decisions, definition } = this.plan;
    for (const { name } of definition.slots.filter((slot) => !before.has(slot.name))) {
      delete decisions.pins.nodes[name];
      decisions.pins.unplaced[name] ??= "rolled back: another node of the same run failed";
    }
    decisions.pins = pinsOf(decisions.pins);
    writePins(this.session, this.plan);
    this.session.reporter.emit({ type: "message", level: "warning", message: `rolling back: ${made.length} nodes that this run made are removed` });
    const outcome = await this.engineOnce({ exclude: this.urns([...this.untouched]) });
    this.failures.push(...outcome.failures.map(failureInfo));
    return made;
  }

  /** Nodes that need no change may yet be half built: a run may have been broken off. Their own records tell. */
  private async resumeUnchanged(): Promise<void> {
    const same = new Set(this.plan.changes.filter(({ kind }) => kind === "same").map(({ name }) => name));
    for (const node of this.session.state.nodes) {
      const ref = refOf(node);
      if (same.has(node.name) && ref.address) this.fleet?.announce({ ...ref, address: ref.address }, "found");
    }
  }

  /** Before the next batch of a roll: every node of this one came up and every check holds. */
  private async proves(batch: string[]): Promise<boolean> {
    if (!this.fleet) return true;
    const outcomes = await this.fleet.outcomes();
    if (!batch.every((name) => outcomes.get(name)?.state === "rebooted")) return false;
    return (await this.verifyNodes(batch)).every(({ isVerified }) => isVerified);
  }

  /** A node whose deployment broke off or failed in an earlier run is made anew; one that fails now is not tried twice. */
  private async replaceHalfBuilt(): Promise<void> {
    if (!this.fleet || this.isStopped) return;
    const outcomes = await this.fleet.outcomes();
    const broken = new Map([...outcomes].flatMap(([name, outcome]) => (outcome.state === "must-replace" ? [[name, outcome.reason]] : [])));
    if (broken.size === 0) return;
    for (const [name, reason] of broken) {
      this.session.reporter.emit({ type: "message", level: "warning", subject: name, message: `is replaced: ${reason}` });
    }
    this.changes = this.changes.map((change) => {
      const reason = broken.get(change.name);
      return change.kind === "same" && reason !== undefined ? { ...change, kind: "replace", reason } : change;
    });
    const urns = this.urns([...broken.keys()]);
    await this.engine({ target: urns, replace: urns });
  }

  /** The whole list on every node that came up; the ones that a roll proved are not asked again. */
  private async verifyAll(untouched: Set<string>): Promise<Verification | undefined> {
    if (!this.fleet) return undefined;
    const outcomes = await this.fleet.outcomes();
    for (const [name, outcome] of outcomes) if (outcome.state === "failed" && outcome.error.class !== "interrupted") this.failures.push({ ...outcome.error, message: `node ${name}: ${outcome.error.message}` });
    if (!this.request.wait || this.isStopped) return undefined;
    const ready = [...outcomes].filter(([name, { state }]) => state === "rebooted" && !this.verified.has(name) && !untouched.has(name)).map(([name]) => name);
    await this.verifyNodes(ready);
    const nodes = [...this.verified.values()].sort((a, b) => a.node.localeCompare(b.node, "en", { numeric: true }));
    // A node that never came up was not verified either.
    const wanted = this.changes.filter(({ kind }) => kind !== "delete");
    return { nodes, isVerified: wanted.length > 0 && wanted.every(({ name }) => this.verified.get(name)?.isVerified) };
  }

  private async verifyNodes(names: string[]): Promise<NodeVerification[]> {
    const wanted = this.session.state.nodes.filter(({ name }) => names.includes(name));
    if (!this.fleet || wanted.length === 0) return [];
    const { nodes } = await this.fleet.verify(wanted, { checks: checksFor(this.request.config) });
    for (const verification of nodes) {
      this.verified.set(verification.node, verification);
      reportVerified(this.session.reporter, verification);
    }
    return nodes;
  }
}

/** Every region of configuration, record and settings. */
export function fleetRegions({ state, settings }: Session, configured: string[] = []): string[] {
  return [...new Set([...configured, ...state.regions, ...Object.keys(settings.pins?.regions ?? {})])].sort();
}

/** The plan with what concerns the part alone. @throws SpotError E_USAGE for a pattern that fits no node */
function limited(plan: UpPlan, opened: Session, part: Part | undefined): UpPlan {
  if (!part) return plan;
  const known = new Set([...opened.state.nodes, ...plan.session.state.nodes].map(({ name }) => name).concat(Object.keys(opened.settings.pins?.nodes ?? {})));
  const wanted = plan.changes.filter(({ name, kind }) => known.has(name) && kind !== "delete");
  const names = wanted.map(({ name }) => name);
  const chosen = new Set(part.nodes === undefined ? names : selectNames(part.nodes, names, "node"));
  const changes = wanted.filter(({ name }) => chosen.has(name));
  if (part.replace === "broken") {
    const differing = changes.filter(({ kind }) => kind === "replace").map(({ name }) => name);
    if (differing.length > 0) {
      plan.session.reporter.emit({ type: "message", level: "warning", message: `not looked at, because they differ from the configuration: ${differing.join(", ")}; \`up\` replaces them` });
    }
    return { ...plan, changes: changes.filter(({ kind }) => kind !== "replace") };
  }
  return { ...plan, changes: changes.map((change): NodeChange => (change.kind === "same" ? { ...change, kind: "replace", reason: "asked for" } : change)) };
}

function announce({ session, account, changes, decisions }: UpPlan): void {
  session.reporter.emit({ type: "changes", stack: session.target.stack, account, changes });
  for (const { region, error } of decisions.failedRegions) {
    session.reporter.emit({ type: "message", level: "error", subject: region, message: error.message, error });
  }
}

/** Outside the sandbox, what ends a node or opens a port is confirmed. */
async function confirmed({ session, changes, decisions, account }: UpPlan): Promise<void> {
  if (session.target.kind === "sandbox") return;
  const ended = changes.filter(({ kind }) => kind === "replace" || kind === "delete");
  const opened = decisions.newCaller !== undefined && session.state.nodes.length > 0;
  if (ended.length === 0 && !opened) return;
  const parts = [
    ...(ended.length > 0 ? [`replace or delete ${ended.length} of ${session.state.nodes.length} nodes`] : []),
    ...(opened ? [`let ${decisions.newCaller} log in`] : []),
  ];
  const yes = await session.reporter.confirm({ message: `Account ${account}, stack ${session.target.stack}: ${parts.join(" and ")}?`, unattended: false });
  if (!yes) throw new SpotError("E_DECLINED", "nothing was changed");
}

/** Makes the stack and writes everything that the program reads. Answers the fleet's secret. */
export async function prepareStack(session: Session, plan: UpPlan): Promise<string> {
  ensurePassphrase(session);
  // The lineage first: it is what the passphrase is found by, so a run that is broken off here can be gone on from.
  writePins(session, plan);
  if (!session.stackExists) await session.stack.ensure();
  const key = qualified(StackKey.fleetSecret);
  let secret = await session.stack.readSecretConfig(key);
  if (secret === undefined) {
    secret = (session.stackExists ? await session.stack.readSecretOutput(StackKey.fleetSecret) : undefined) ?? randomBytes(32).toString("hex");
    await session.stack.writeSecretConfig(key, secret);
  }
  return secret;
}

/** Writes what the program and plain `pulumi up` read: whose fleet it is, and what was decided. */
function writePins(session: Session, { decisions, definition }: UpPlan): void {
  const relative = path.relative(session.projectDir, definition.configFile);
  writeStackSettings(session.stack.configFile, {
    lineage: session.lineage,
    configFile: relative.startsWith("..") ? definition.configFile : relative,
    endpoint: session.target.endpoint,
    pins: decisions.pins,
  });
}

/** A change as it is after its node went to another pool, whose image may be another one too. */
function moved(change: NodeChange, { definition, decisions: { pins } }: UpPlan): NodeChange {
  const pin = pins.nodes[change.name];
  if ((change.kind !== "create" && change.kind !== "replace") || !pin || pin === change.to.pin) return change;
  const { slot } = change.to;
  return { ...change, to: { slot, pin, generation: definition.generationOf(slot, pin, pins.ssh.publicKey) } };
}
