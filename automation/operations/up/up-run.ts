import { replacementBatches, type DesiredNode, type NodeChange } from "../../../fleet/plan/changes";
import { checksFor } from "../../../fleet/checks";
import { isSpotError, wordsOf, type ErrorInfo } from "../../../fleet/errors";
import { classifyFailure } from "../../../fleet/aws/failures";
import { launchesOf } from "../../../fleet/identity/launch";
import { byName, counted } from "../../../fleet/text/words";
import type { EngineOutcome, UpOptions } from "../../engine/stack";
import { INSTANCE_TYPE, networkUrns, nodeUrns } from "../../engine/state";
import { interruption } from "../../session/interrupts";
import { pinsOf, unplace } from "../plan/pins";
import { reread, type Session } from "../../session";
import { together } from "../../verify/outcome";
import type { NodeVerification, Verification } from "../../verify/result";
import type { FleetDefinition } from "../../../project/definition";
import { createError, failureInfo, nodeListener } from "../run/engine-report";
import { Failover, type Attempt } from "./failover";
import { refOf, type FleetNodes } from "../nodes/fleet-nodes";
import { confirmed, type UpPlan, type UpRequest } from "../plan/plan-up";
import { writePins } from "../plan/prepare-stack";
import { endOrphans, forgetLost, lookAt } from "../run/recover";
import { reportVerified } from "../nodes/verify";

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

/** The part of `up` that changes things: engine runs, nodes brought up beside them, replacements in turn. */
export class UpRun {
  private readonly failures: ErrorInfo[];
  private readonly failover: Failover;
  /** Aborted when AWS refuses the credentials: no region can be worked in any more. */
  private readonly stop = new AbortController();
  /** Nodes that wait for their turn to be replaced. */
  private readonly untouched = new Set<string>();
  /** Instances whose turn to be replaced has come. */
  private readonly leaving = new Set<string>();
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
    /** Told of each instance as soon as the engine has ended it. */
    private readonly ended: (instanceId: string) => void,
  ) {
    this.changes = plan.changes;
    this.failures = plan.decisions.failedRegions.map(({ error }) => error);
    this.failover = new Failover(session, plan.decisions, plan.definition.slots);
  }

  async go(): Promise<UpResult> {
    let result: UpResult;
    try {
      result = await this.run();
    } catch (error) {
      await this.pinRecorded().catch((second: unknown) =>
        this.session.reporter.emit({
          type: "message",
          level: "warning",
          subject: "settings",
          message: `the settings could not be brought up to date: ${wordsOf(second)}`,
        }),
      );
      throw error;
    }
    this.pinStanding();
    return result;
  }

  /** The same after a run that broke off before it learned what it had made. */
  private async pinRecorded(): Promise<void> {
    this.session = await reread(this.session);
    this.pinStanding();
  }

  /** An instance that was to go and still stands has the launch that it was made by. */
  private pinStanding(): void {
    this.leaving.clear();
    this.pinLaunches();
  }

  private async run(): Promise<UpResult> {
    const { account, definition } = this.plan;
    const { untouched } = this;
    const batches = this.batchesOf(this.changes);
    for (const name of batches.flat()) untouched.add(name);
    // With replacements to roll, everything else is done first: they are left out of that run and then taken in turn.
    let going = await this.engineBeside([...untouched]);
    if (!this.isStopped) this.resumeUnchanged();
    await this.replaceHalfBuilt();
    // Nodes that have the new payload already, of a roll that stopped, come before any that has not.
    const ahead = this.changes
      .filter(({ name, kind }) => kind !== "delete" && !untouched.has(name))
      .map(({ name }) => name);
    if (going && batches.length > 0) going = await this.proves(ahead);
    await this.roll(batches, going, untouched);
    let verification = await this.verifyAll(untouched);
    if (verification && this.request.part?.replace === "broken")
      verification = await this.repair(verification, untouched);
    const rolledBack = this.mustRollBack(verification) ? await this.rollBack() : [];
    await this.comeTogether();
    if (this.outcomes.some(({ interrupted }) => interrupted) || this.session.interrupts.soft.aborted) {
      this.failures.push(interruption(this.session.interrupts));
    }
    const steps = this.outcomes.flatMap((outcome) => outcome.steps);
    return {
      account,
      changes: this.changes,
      otherChanges: steps.filter(({ op, type }) => op !== "same" && type.startsWith("aws:") && type !== INSTANCE_TYPE)
        .length,
      failures: this.failures,
      untouched: [...untouched],
      attempts: this.failover.attempts,
      rolledBack,
      verification,
      definition,
      session: this.session,
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
    return this.engine({ target: this.missingUrns(missing) });
  }

  /** Replaces batch by batch; one that fails, or does not prove itself, leaves the rest as it is. */
  private async roll(batches: string[][], going: boolean, untouched: Set<string>): Promise<void> {
    for (const batch of batches) {
      if (!going || this.isStopped) break;
      const urns = this.urns(batch);
      for (const name of batch) untouched.delete(name);
      this.takeTurn(urns);
      // What turned out to be gone cannot be replaced: it is made.
      const target = [...urns, ...this.missingUrns(this.missing((name) => batch.includes(name)))];
      // A part is replaced because it was asked for, whether or not the program sees a difference.
      going = await this.engine({ target, ...(this.request.part && urns.length > 0 ? { replace: urns } : {}) });
      if (going) going = await this.proves(batch);
    }
  }

  /** Replaces what failed and looks again. What could not be looked at is left alone: nothing says that it is broken. */
  private async repair(first: Verification, untouched: Set<string>): Promise<Verification | undefined> {
    const standing = this.changes.filter(({ kind }) => kind === "same").map(({ name }) => name);
    // A node that was not reached may be well, at another address than the recorded one: whether AWS knows is a check.
    await this.verifyNodes(standing.filter((name) => !this.verified.has(name)));
    if (this.isStopped) return first;
    const outcomeOf = (name: string) => this.verified.get(name)?.outcome;
    for (const name of standing.filter((name) => outcomeOf(name) === "unknown")) {
      this.session.reporter.emit({
        type: "message",
        level: "warning",
        subject: name,
        message: "it is not replaced: it is unknown whether it passes verification",
      });
    }
    const failing = this.changes.flatMap((change): NodeChange[] =>
      change.kind === "same" && outcomeOf(change.name) === "failed"
        ? [{ ...change, kind: "replace", reason: "it does not pass verification" }]
        : [],
    );
    if (failing.length === 0) return this.verificationOf(untouched);
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
   * Brings record and cloud together again. A call whose answer was lost, or that a provider was killed in, may have
   * taken effect all the same; and one that a killed run had made may take effect only now. Another run that has begun
   * meanwhile clears up by itself.
   */
  private async comeTogether(): Promise<void> {
    const didSomething = this.outcomes.some(
      ({ steps, failures }) => failures.length > 0 || steps.some(({ op }) => op !== "same"),
    );
    if (!didSomething || this.session.interrupts.hard.aborted) return;
    const isOutdated = this.outcomes.at(-1)?.failures.some(({ message }) => classifyFailure(message).outdated);
    try {
      const look = await lookAt(this.session, this.regions);
      this.session = (await endOrphans(this.session, look)).session;
      if (isOutdated) this.session = await forgetLost(this.session, look.regions);
    } catch (error) {
      if (!isSpotError(error) || error.code !== "E_LOCKED") throw error;
    }
  }

  /** From now on these instances are to be replaced: whatever takes their place has a launch of its own. */
  private takeTurn(urns: readonly string[]): void {
    for (const { urn, instanceId } of this.session.state.nodes) if (urns.includes(urn)) this.leaving.add(instanceId);
  }

  /**
   * Gives whatever the next engine run makes a launch that no run had, and the instances that stay their own. A try
   * that failed may have launched an instance all the same, so its launch is used up.
   */
  private pinLaunches(): void {
    const { pins } = this.plan.decisions;
    const staying = this.session.state.nodes.filter(({ instanceId }) => !this.leaving.has(instanceId));
    pins.launches = launchesOf(Object.keys(pins.nodes), staying);
    writePins(this.session, this.plan);
  }

  /** Nodes that are to be there and are not recorded, never made or gone meanwhile, of those that are chosen. */
  private missing(isChosen: (name: string) => boolean): DesiredNode[] {
    const recorded = new Set(this.session.state.nodes.map(({ name }) => name));
    return this.changes.flatMap(({ name, to }) => (to && isChosen(name) && !recorded.has(name) ? [to] : []));
  }

  /** Of the nodes that are recorded: one that turned out to be gone has none. */
  private urns(names: string[]): string[] {
    const urnOf = new Map(this.session.state.nodes.map(({ name, urn }) => [name, urn]));
    return names.flatMap((name) => urnOf.get(name) ?? []);
  }

  /** An engine run, and the rounds that follow it until nothing more can be moved or tried again. True: all succeeded. */
  private async engine(options: UpOptions): Promise<boolean> {
    for (let round = options; ; round = this.nextRound(round)) {
      // No target at all would mean everything.
      if (round.target?.length === 0) return true;
      this.pinLaunches();
      const outcome = await this.engineOnce(round);
      const next = await this.failover.after(outcome);
      if (!next.again) {
        this.failures.push(...next.failures);
        return outcome.ok && next.failures.length === 0;
      }
      writePins(this.session, this.plan);
      this.changes = this.changes.map((change) => moved(change, this.plan));
      // What was made and is not recorded, or recorded and not there, would stand in the way of the next round.
      await this.comeTogether();
    }
  }

  /** What failed is missing, or still waits to be replaced; nodes whose turn has not come are left alone. */
  private nextRound(last: UpOptions): UpOptions {
    if (!this.request.part) return { exclude: this.urns([...this.untouched]) };
    const { nodes } = this.session.state;
    const before = new Set(this.plan.session.state.nodes.map(({ instanceId }) => instanceId));
    const waiting = nodes
      .filter(({ urn, instanceId }) => last.replace?.includes(urn) && before.has(instanceId))
      .map(({ urn }) => urn);
    const missing = this.missing((name) => !this.untouched.has(name));
    return { target: [...waiting, ...this.missingUrns(missing)], ...(waiting.length > 0 ? { replace: waiting } : {}) };
  }

  /** Nodes that are to be made, with the network of every region that had none when the run began. */
  private missingUrns(missing: readonly DesiredNode[]): string[] {
    const {
      target: { stack },
      state,
    } = this.plan.session;
    const regions = new Set(
      missing.map(({ pin }) => pin.pool.region).filter((region) => !state.regions.includes(region)),
    );
    return [
      ...missing.flatMap(({ slot, pin }) => nodeUrns(stack, slot.name, pin.pool.market)),
      ...[...regions].flatMap((region) => networkUrns(stack, region)),
    ];
  }

  private async engineOnce(options: UpOptions): Promise<EngineOutcome> {
    const outcome = await this.session.stack.up({
      ...options,
      stop: this.stop.signal,
      listener: nodeListener(this.session, {
        created: (ref) => this.fleet?.announce(ref, "created"),
        deleted: (instanceId) => {
          this.ended(instanceId);
          void this.fleet?.forget(instanceId);
        },
        failed: (failure) => {
          if (classifyFailure(failure.message).everywhere) this.stop.abort();
          return this.failover.willTryAgain(failure);
        },
      }),
    });
    this.outcomes.push(outcome);
    // First of all: what a run did is known, whatever it ended with.
    this.session = await reread(this.session);
    if (outcome.programErrors.length > 0 && !outcome.interrupted && !this.stop.signal.aborted)
      throw createError(outcome, this.session);
    return outcome;
  }

  private get isStopped(): boolean {
    return this.stop.signal.aborted || this.session.interrupts.soft.aborted;
  }

  /** What could not be looked at did not fail: nothing is ended because of it. */
  private mustRollBack(verification: Verification | undefined): boolean {
    if (!this.request.rollback || this.isStopped) return false;
    if (this.failures.length > 0 || verification?.outcome === "failed") return true;
    if (verification?.outcome === "unknown")
      this.session.reporter.emit({
        type: "message",
        level: "warning",
        message: "nothing is rolled back: no node failed, and some could not be looked at",
      });
    return false;
  }

  /** All or nothing: what this run made goes again, with the networks that only it needed. What was replaced stays. */
  private async rollBack(): Promise<string[]> {
    const before = new Set(this.plan.session.state.nodes.map(({ name }) => name));
    const made = this.session.state.nodes
      .map(({ name }) => name)
      .filter((name) => !before.has(name))
      .sort(byName);
    const { decisions, definition } = this.plan;
    for (const { name } of definition.slots.filter((slot) => !before.has(slot.name))) {
      const { pins } = decisions;
      unplace(pins, name, pins.unplaced[name] ?? "rolled back: another node of the same run failed");
    }
    decisions.pins = pinsOf(decisions.pins);
    this.pinLaunches();
    this.session.reporter.emit({
      type: "message",
      level: "warning",
      message: `rolling back: removing ${counted(made.length, "node")} that this run made`,
    });
    const outcome = await this.engineOnce({ exclude: this.urns([...this.untouched]) });
    this.failures.push(...outcome.failures.map(failureInfo));
    return made;
  }

  /** Nodes that need no change may yet be half built: a run may have been broken off. Their own records tell. */
  private resumeUnchanged(): void {
    const same = new Set(this.plan.changes.filter(({ kind }) => kind === "same").map(({ name }) => name));
    for (const node of this.session.state.nodes) {
      const ref = refOf(node);
      if (same.has(node.name) && ref.address) this.fleet?.announce({ ...ref, address: ref.address }, "found");
    }
  }

  /** Before the next batch of a roll: every node of this one came up and every check holds. One that is unknown proves nothing. */
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
    const broken = new Map(
      [...outcomes].flatMap(([name, outcome]) => (outcome.state === "must-replace" ? [[name, outcome.reason]] : [])),
    );
    if (broken.size === 0) return;
    for (const [name, reason] of broken) {
      this.session.reporter.emit({
        type: "message",
        level: "warning",
        subject: name,
        message: `is replaced: ${reason}`,
      });
    }
    this.changes = this.changes.map((change) => {
      const reason = broken.get(change.name);
      return change.kind === "same" && reason !== undefined ? { ...change, kind: "replace", reason } : change;
    });
    const urns = this.urns([...broken.keys()]);
    this.takeTurn(urns);
    await this.engine({ target: urns, replace: urns });
  }

  /** The whole list on every node that came up; the ones that a roll proved are not asked again. */
  private async verifyAll(untouched: Set<string>): Promise<Verification | undefined> {
    if (!this.fleet) return undefined;
    const outcomes = await this.fleet.outcomes();
    for (const [name, outcome] of outcomes)
      if (outcome.state === "failed" && outcome.error.class !== "interrupted")
        this.failures.push({ ...outcome.error, message: `node ${name}: ${outcome.error.message}` });
    if (!this.request.wait || this.isStopped) return undefined;
    const ready = [...outcomes]
      .filter(([name, { state }]) => state === "rebooted" && !this.verified.has(name) && !untouched.has(name))
      .map(([name]) => name);
    await this.verifyNodes(ready);
    return this.session.interrupts.soft.aborted ? undefined : this.verificationOf(untouched);
  }

  /** Everything that was verified. A node that never came up failed; one whose turn did not come was only not looked at. */
  private verificationOf(untouched: ReadonlySet<string>): Verification {
    const nodes = [...this.verified.values()].sort((a, b) => byName(a.node, b.node));
    const wanted = this.changes.filter(({ kind }) => kind !== "delete");
    const outcome = together(
      wanted.map(({ name }) => this.verified.get(name)?.outcome ?? (untouched.has(name) ? "skipped" : "failed")),
    );
    return { nodes, isVerified: outcome === "verified", outcome };
  }

  private async verifyNodes(names: string[]): Promise<NodeVerification[]> {
    const wanted = this.session.state.nodes.filter(({ name }) => names.includes(name));
    if (!this.fleet || wanted.length === 0) return [];
    const { nodes } = await this.fleet.verify(wanted, { checks: checksFor(this.request.config) });
    // Checks that were cut off tell nothing of the nodes.
    if (this.session.interrupts.soft.aborted) return [];
    for (const verification of nodes) {
      this.verified.set(verification.node, verification);
      reportVerified(this.session.reporter, verification);
    }
    return nodes;
  }
}

/** A change as it is after its node went to another pool, whose image may be another one too. */
function moved(change: NodeChange, { definition, decisions: { pins } }: UpPlan): NodeChange {
  const pin = pins.nodes[change.name];
  if ((change.kind !== "create" && change.kind !== "replace") || !pin || pin === change.to.pin) return change;
  const { slot } = change.to;
  return { ...change, to: { slot, pin, generation: definition.launchSpec(slot, pin, pins.ssh.publicKey).generation } };
}
