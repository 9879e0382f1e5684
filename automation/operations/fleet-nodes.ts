import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { applicationDirectories, type Check, type CloudFacts, type NodeExpectation } from "../../fleet/checks";
import { errorInfo, isSpotError, SpotError, type ErrorInfo } from "../../fleet/errors";
import { hostKeyToken } from "../../fleet/generation";
import { Tag, type NodeRef, type Pins } from "../../fleet/model";
import { unitsOf } from "../../fleet/units";
import type { FleetDefinition } from "../../project/definition";
import { describeInstances, tagRecord, type Instance } from "../cloud/inventory";
import { bringUp, type BringUpResult } from "../node/bring-up";
import { connectNode } from "../node/connect";
import { openDialPolicy, sandboxDialPolicy, type DialPolicy } from "../node/dial";
import { openKnownHosts, type KnownHosts } from "../node/known-hosts";
import type { CheckResult, Verification } from "../verify/result";
import { verify } from "../verify/runner";
import type { Session } from "../session";
import type { StateNode } from "../engine/state";
import { InstanceWatch } from "./instance-watch";

/** Everything that reaching the nodes of a fleet over SSH needs. */
export interface FleetAccess {
  session: Session;
  definition: FleetDefinition;
  pins: Pins;
  /** Account that the credentials belong to. */
  account: string;
  fleetSecret: string;
  privateKeyPath: string;
}

export type NodeRefReady = NodeRef & { instanceId: string; address: string };

/** How a node's way to "rebooted" ended. */
export type BringUpOutcome = BringUpResult | { state: "failed"; error: ErrorInfo };

/** How many nodes are worked on at once: a handshake costs this machine, not the node (measured: ~10 a second). */
const NODES_AT_A_TIME = 24;

/**
 * The nodes of one fleet over SSH: takes each from "created" to "rebooted" as soon as it is announced, and verifies.
 * One object for one run; announcing a node twice does nothing the second time.
 */
export class FleetNodes {
  private readonly dial: DialPolicy;
  private readonly knownHosts: KnownHosts;
  private readonly privateKey: string;
  private readonly journeys = new Map<string, { name: string; outcome: Promise<BringUpOutcome> }>();
  private readonly watch: InstanceWatch;
  private readonly queue: (() => void)[] = [];
  private busy = 0;

  constructor(
    private readonly access: FleetAccess,
    private readonly options: { wait: boolean },
  ) {
    const { cloud, lineage, target } = access.session;
    const { sandbox } = target;
    this.dial = sandbox ? sandboxDialPolicy(sandbox.network) : openDialPolicy();
    this.knownHosts = openKnownHosts(path.join(target.scratch, "known_hosts"));
    this.watch = new InstanceWatch((region) => describeInstances(cloud, lineage, region));
    this.privateKey = readFileSync(access.privateKeyPath, "utf8");
  }

  /**
   * The node exists: begin to bring it up. Returns at once.
   * @param origin a node that this run `created` is not replaced when it fails: another one would fail alike
   */
  announce(ref: NodeRefReady, origin: "created" | "found"): void {
    if (this.journeys.has(ref.instanceId)) return;
    this.journeys.set(ref.instanceId, { name: ref.name, outcome: this.turn(() => this.journey(ref, origin)) });
  }

  /** Waits for every node announced so far; by slot name. */
  async outcomes(): Promise<Map<string, BringUpOutcome>> {
    const ended = await Promise.all([...this.journeys.values()].map(async ({ name, outcome }) => [name, await outcome] as const));
    return new Map(ended);
  }

  /** The instance ended: its host key means nothing any more, and its address may soon be another's. */
  async forget(instanceId: string): Promise<void> {
    this.journeys.delete(instanceId);
    await this.knownHosts.forget(instanceId);
  }

  /** Runs the check list on these nodes, on one connection each. */
  async verify(nodes: StateNode[], checks: readonly Check[], onResult?: (node: NodeRef, result: CheckResult) => void): Promise<Verification> {
    const instances = await this.instances(nodes);
    const { session, definition } = this.access;
    return verify(
      nodes.map((node) => {
        const instance = instances.get(node.instanceId);
        const ref = { ...refOf(node), address: instance?.PublicIpAddress ?? node.address };
        return {
          ref,
          expectation: this.expectation(node),
          cloud: this.cloudFacts(instance),
          connect: (deadlineMs: number) =>
            connectNode({
              instanceId: node.instanceId,
              address: ref.address ?? "",
              username: definition.config.username,
              privateKey: this.privateKey,
              token: this.token(node.name, node.generation),
              knownHosts: this.knownHosts,
              dial: this.dial,
              deadlineMs,
              signal: session.interrupts.soft,
            }),
        };
      }),
      { checks, secrets: [this.access.fleetSecret, ...nodes.map(({ name, generation }) => this.token(name, generation))], onResult },
    );
  }

  private async journey(ref: NodeRefReady, origin: "created" | "found"): Promise<BringUpOutcome> {
    const { session, definition, pins } = this.access;
    try {
      const slot = definition.slots.find(({ name }) => name === ref.name);
      const pin = pins.nodes[ref.name];
      if (!slot || !pin) throw new SpotError("E_NOT_FOUND", `${ref.name} is not in the configuration`);
      const node = {
        ref,
        username: definition.config.username,
        privateKey: this.privateKey,
        token: this.token(ref.name, definition.generationOf(slot, pin, pins.ssh.publicKey)),
        payload: definition.payload,
      };
      const { reporter, interrupts } = session;
      const result = await this.watch.during(ref, (gone) =>
        bringUp(node, { reporter, wait: this.options.wait, knownHosts: this.knownHosts, dial: this.dial, signal: AbortSignal.any([interrupts.soft, gone]) }),
      );
      if (result.state === "must-replace" && origin === "created") throw new SpotError("E_DEPLOYMENT", `The node cannot be deployed: ${result.reason}`);
      return result;
    } catch (error) {
      const info = errorInfo(error);
      if (!isSpotError(error) || error.code !== "E_INTERRUPTED") {
        session.reporter.emit({ type: "node", level: "error", node: ref, phase: "deploying", message: info.message, error: info });
      }
      return { state: "failed", error: info };
    }
  }

  private token(name: string, generation: string): string {
    return hostKeyToken(this.access.fleetSecret, name, generation);
  }

  private expectation(node: StateNode): NodeExpectation {
    const { definition, pins, session } = this.access;
    const slot = definition.slots.find(({ name }) => name === node.name) ?? { name: node.name, homeRegion: node.pin.pool.region, ordinal: 0 };
    const userData = definition.userDataOf(slot, node.generation, pins.ssh.publicKey, this.token(node.name, node.generation));
    return {
      name: node.name,
      instanceId: node.instanceId,
      lineage: session.lineage,
      instanceType: node.pin.pool.instanceType,
      availabilityZone: node.pin.pool.availabilityZone,
      market: node.pin.pool.market,
      username: definition.config.username,
      manifest: definition.payload.manifest,
      userDataSha256: createHash("sha256").update(userData).digest("hex"),
      packages: definition.config.packages,
      directories: applicationDirectories,
      units: unitsOf(definition.payload.manifest),
    };
  }

  private cloudFacts(instance: Instance | undefined): CloudFacts {
    if (!instance) return { account: this.access.account };
    return {
      account: this.access.account,
      instance: {
        instanceId: instance.InstanceId!,
        state: instance.State?.Name ?? "unknown",
        instanceType: instance.InstanceType ?? "",
        availabilityZone: instance.Placement?.AvailabilityZone ?? "",
        market: instance.InstanceLifecycle === "spot" ? "spot" : "on-demand",
        publicAddress: instance.PublicIpAddress,
        httpTokens: instance.MetadataOptions?.HttpTokens ?? "",
        tags: tagRecord(instance.Tags),
      },
    };
  }

  /** One DescribeInstances a region. A region that does not answer shows its nodes as not there: A2 says so. */
  private async instances(nodes: StateNode[]): Promise<Map<string, Instance>> {
    const { cloud, lineage, reporter } = this.access.session;
    const regions = [...new Set(nodes.map(({ pin }) => pin.pool.region))];
    const found = await Promise.all(
      regions.map((region) =>
        describeInstances(cloud, lineage, region).catch((error: unknown) => {
          const info = errorInfo(error);
          reporter.emit({ type: "message", level: "error", subject: region, message: info.message, error: info });
          return [];
        }),
      ),
    );
    return new Map(found.flat().filter((instance) => tagRecord(instance.Tags)[Tag.node]).map((instance) => [instance.InstanceId!, instance]));
  }

  /** Waits for a free place. Nodes come one by one while the engine works, so a plain map over a list does not do. */
  private async turn<T>(work: () => Promise<T>): Promise<T> {
    if (this.busy >= NODES_AT_A_TIME) await new Promise<void>((resolve) => this.queue.push(resolve));
    this.busy += 1;
    try {
      return await work();
    } finally {
      this.busy -= 1;
      this.queue.shift()?.();
    }
  }
}

export function refOf(node: StateNode): NodeRef & { instanceId: string } {
  return { name: node.name, region: node.pin.pool.region, instanceId: node.instanceId, address: node.address };
}
