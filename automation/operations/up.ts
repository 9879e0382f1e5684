import path from "node:path";
import { randomBytes } from "node:crypto";
import { changesBetween, replacementBatches, type DesiredNode, type NodeChange } from "../../fleet/changes";
import type { FleetConfig } from "../../fleet/config";
import { errorInfo, SpotError, type ErrorInfo } from "../../fleet/errors";
import { StackKey } from "../../fleet/stack-config";
import { buildState } from "../../project/build-stamp";
import { loadDefinition, type FleetDefinition } from "../../project/definition";
import { packageRoot } from "../../project/package-root";
import { callerIdentity } from "../cloud/identity";
import { describeInstances } from "../cloud/inventory";
import { qualified, type EngineOutcome, type UpOptions } from "../engine/stack";
import { writeStackSettings } from "../engine/stack-config";
import { ensurePassphrase, reread, type Session } from "../session";
import { decide, type Decisions } from "./decide";
import { INSTANCE_TYPE } from "../engine/state";
import type { NodeVerification, Verification } from "../verify/result";
import { selectChecks } from "../verify/select";
import { createError, failureInfo, nodeListener } from "./engine-report";
import { FleetNodes, refOf } from "./fleet-nodes";
import { recover } from "./recover";
import { reportVerified } from "./verify";

export interface UpRequest {
  config: FleetConfig;
  /** Absolute. */
  configFile: string;
  /** False: return once every deployment has started (`--no-wait`). */
  wait: boolean;
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
  /** Absent where nothing was verified: nothing boots here, `--no-wait`, or no node got that far. */
  verification?: Verification;
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
 * @throws SpotError E_CREDENTIALS, E_KEY_LOST, E_SSH_KEY, E_PAYLOAD
 */
export async function planUp(session: Session, { config, configFile }: UpRequest): Promise<UpPlan> {
  const [identity, decisions] = await Promise.all([callerIdentity(session.cloud), decide(session, config)]);
  const definition = loadDefinition({ config, configFile, stack: session.target.stack, lineage: session.lineage });
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
  const regions = [...new Set([...request.config.regions.map(({ name }) => name), ...opened.state.regions])];
  let session = await recover(opened, regions);
  session = await forgetLost(session);
  const plan = await planUp(session, request);
  const { decisions, definition, account } = plan;
  announce(plan);
  await confirmed(plan);

  const fleetSecret = await prepareStack(session, plan);
  const access = { session, definition, pins: decisions.pins, account, fleetSecret, privateKeyPath: decisions.keyPair.privateKeyPath };
  // Each batch of a roll is proven before the next, so a run that replaces anything waits.
  const wait = request.wait || plan.changes.some(({ kind }) => kind === "replace");
  if (wait !== request.wait) session.reporter.emit({ type: "message", level: "info", message: "nodes are replaced one batch after the other, each proven: this run waits in spite of --no-wait" });
  const fleet = bootsHosts(session) ? new FleetNodes(access, { wait }) : undefined;
  return new UpRun(session, plan, fleet, { ...request, wait }).go();
}

/** Only an emulated API has no hosts behind it. */
export function bootsHosts({ target }: Session): boolean {
  return target.sandbox?.mode !== "api";
}

/** The part of `up` that changes things: engine runs, nodes brought up beside them, replacements in turn. */
class UpRun {
  private readonly failures: ErrorInfo[];
  private readonly outcomes: EngineOutcome[] = [];
  private readonly verified = new Map<string, NodeVerification>();
  private changes: NodeChange[];

  constructor(
    private session: Session,
    private readonly plan: UpPlan,
    private readonly fleet: FleetNodes | undefined,
    private readonly request: UpRequest,
  ) {
    this.changes = plan.changes;
    this.failures = plan.decisions.failedRegions.map(({ error }) => error);
  }

  async go(): Promise<UpResult> {
    const { definition, account } = this.plan;
    const batches = replacementBatches(this.changes, this.request.config.maxUnavailable, definition.slots.length);
    const untouched = new Set(batches.flat());
    // With replacements to roll, everything else is done first: they are left out of that run and then taken in turn.
    let going = await this.engine(batches.length === 0 ? {} : { exclude: this.urns([...untouched]) });
    await this.resumeUnchanged();
    await this.replaceHalfBuilt();
    // Nodes that have the new payload already, of a roll that stopped, come before any that has not.
    const ahead = this.session.state.nodes.map(({ name }) => name).filter((name) => !untouched.has(name));
    if (going && batches.length > 0) going = await this.proves(ahead);
    for (const batch of batches) {
      if (!going || this.session.interrupts.soft.aborted) break;
      going = await this.engine({ target: this.urns(batch) });
      for (const name of batch) untouched.delete(name);
      if (going) going = await this.proves(batch);
    }
    const verification = await this.verifyAll(untouched);
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
      verification,
      session: await reread(this.session),
    };
  }

  private urns(names: string[]): string[] {
    const urnOf = new Map(this.session.state.nodes.map(({ name, urn }) => [name, urn]));
    return names.map((name) => urnOf.get(name)!);
  }

  /** One engine run. True when every step of it succeeded. */
  private async engine(options: UpOptions): Promise<boolean> {
    const outcome = await this.session.stack.up({
      ...options,
      listener: nodeListener(this.session, {
        created: (ref) => this.fleet?.announce(ref, "created"),
        deleted: (instanceId) => void this.fleet?.forget(instanceId),
      }),
    });
    this.outcomes.push(outcome);
    this.failures.push(...outcome.failures.map(failureInfo));
    if (outcome.programErrors.length > 0 && !outcome.interrupted) throw createError(outcome);
    this.session = await reread(this.session);
    return outcome.ok;
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
    if (!this.fleet || this.session.interrupts.soft.aborted) return;
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
    if (!this.request.wait || this.session.interrupts.soft.aborted) return undefined;
    const ready = [...outcomes].filter(([name, { state }]) => state === "rebooted" && !this.verified.has(name) && !untouched.has(name)).map(([name]) => name);
    await this.verifyNodes(ready);
    const nodes = [...this.verified.values()].sort((a, b) => a.node.localeCompare(b.node, "en", { numeric: true }));
    // A node that never came up was not verified either.
    const wanted = this.session.state.nodes;
    return { nodes, isVerified: wanted.length > 0 && wanted.every(({ name }) => this.verified.get(name)?.isVerified) };
  }

  private async verifyNodes(names: string[]): Promise<NodeVerification[]> {
    const wanted = this.session.state.nodes.filter(({ name }) => names.includes(name));
    if (!this.fleet || wanted.length === 0) return [];
    const { nodes } = await this.fleet.verify(wanted, selectChecks(undefined));
    for (const verification of nodes) {
      this.verified.set(verification.node, verification);
      reportVerified(this.session.reporter, verification);
    }
    return nodes;
  }
}

/** Instances that ended without us are dropped from the record, so that they are made again in the same run. */
async function forgetLost(session: Session): Promise<Session> {
  const { nodes } = session.state;
  const regions = [...new Set(nodes.map(({ pin }) => pin.pool.region))];
  const live = new Map<string, Set<string>>();
  await Promise.all(
    regions.map(async (region) => {
      try {
        const instances = await describeInstances(session.cloud, session.lineage, region);
        const ids = instances.filter(({ State }) => !["terminated", "shutting-down"].includes(State?.Name ?? "")).map(({ InstanceId }) => InstanceId!);
        live.set(region, new Set(ids));
      } catch {
        // A region that does not answer tells nothing about its nodes; the engine's own calls will name the trouble.
      }
    }),
  );
  const lost = nodes.filter(({ instanceId, pin }) => live.get(pin.pool.region)?.has(instanceId) === false);
  if (lost.length === 0) return session;
  for (const { name, instanceId, pin } of lost) {
    session.reporter.emit({
      type: "message",
      level: "warning",
      subject: name,
      message: `its instance ${instanceId} in ${pin.pool.region} is gone; it is made again`,
    });
  }
  await session.stack.refresh(lost.map(({ urn }) => urn));
  return reread(session);
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
async function prepareStack(session: Session, { decisions, definition }: UpPlan): Promise<string> {
  ensurePassphrase(session);
  if (!session.stackExists) await session.stack.ensure();
  const key = qualified(StackKey.fleetSecret);
  let secret = await session.stack.readSecretConfig(key);
  if (secret === undefined) {
    secret = (session.stackExists ? await session.stack.readSecretOutput(StackKey.fleetSecret) : undefined) ?? randomBytes(32).toString("hex");
    await session.stack.writeSecretConfig(key, secret);
  }
  const relative = path.relative(session.projectDir, definition.configFile);
  writeStackSettings(session.stack.configFile, {
    lineage: session.lineage,
    configFile: relative.startsWith("..") ? definition.configFile : relative,
    endpoint: session.target.endpoint,
    pins: decisions.pins,
  });
  return secret;
}
