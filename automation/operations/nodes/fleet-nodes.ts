import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import pLimit from "p-limit";
import {
  applicationDirectories,
  type Caller,
  type Check,
  type CloudFacts,
  type NodeExpectation,
  type Phase,
} from "../../../fleet/checks";
import { diagnose, type ReachStage } from "../../../fleet/checks/diagnosis";
import { errorInfo, isSpotError, SpotError, wordsWithCause, type ErrorInfo } from "../../../fleet/errors";
import { hostKeyToken, type TokenHolder } from "../../../fleet/identity/generation";
import type { NodeRef, Pins } from "../../../fleet/model";
import { unitsOf } from "../../../fleet/checks/expected-units";
import type { FleetDefinition } from "../../../project/definition";
import { callerOf } from "../../cloud/caller";
import { describeInstances } from "../../cloud/resources/inventory";
import { consoleOutput, nodeFacts } from "../../cloud/resources/node-facts";
import { bringUp, type BringUpResult } from "../../ssh/bring-up";
import { connectNode } from "../../ssh/connect";
import type { NodeConnection } from "../../ssh/connection";
import { openDialPolicy, sandboxDialPolicy, type DialPolicy } from "../../ssh/dial";
import { openKnownHosts, type KnownHosts } from "../../ssh/known-hosts";
import type { Login } from "../../ssh/ssh-program";
import type { CheckResult, Verification } from "../../verify/result";
import { verify, type VerifyOptions, type VerifyTarget } from "../../verify/runner";
import type { Session } from "../../session";
import type { StateNode } from "../../engine/state";
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

/** For one login that proves a host key. */
const PROOF_MS = 20_000;

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
  /** Nodes come one by one while the engine works, so a map over a list does not do. */
  private readonly limit = pLimit(NODES_AT_A_TIME);
  private caller: Promise<Caller | undefined> | undefined;

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
    this.journeys.set(ref.instanceId, { name: ref.name, outcome: this.limit(() => this.journey(ref, origin)) });
  }

  /** Waits for every node announced so far; by slot name. */
  async outcomes(): Promise<Map<string, BringUpOutcome>> {
    const ended = await Promise.all(
      [...this.journeys.values()].map(async ({ name, outcome }) => [name, await outcome] as const),
    );
    return new Map(ended);
  }

  /** The instance ended: its host key means nothing any more, and its address may soon be another's. */
  async forget(instanceId: string): Promise<void> {
    this.journeys.delete(instanceId);
    await this.knownHosts.forget(instanceId);
  }

  /** Runs the check list on these nodes, on one connection each. */
  async verify(
    nodes: StateNode[],
    options: Pick<VerifyOptions, "checks" | "deadlineMs" | "patienceMs" | "onResult" | "before" | "after">,
  ): Promise<Verification> {
    const secrets = this.secretsOf(nodes);
    const targets = await this.targets(nodes);
    const told = this.checkEvents(targets, options.checks);
    return verify(targets, {
      ...options,
      secrets,
      onResult: (node, result) => {
        // A check that was cut off tells nothing of its node.
        if (!this.access.session.interrupts.soft.aborted) told(node, result);
        options.onResult?.(node, result);
      },
    });
  }

  /** Tells the reporter of the nodes that are checked, and then of each result as one of so many. */
  private checkEvents(targets: VerifyTarget[], checks: readonly Check[]): (node: NodeRef, result: CheckResult) => void {
    const { reporter } = this.access.session;
    reporter.emit({ type: "expected", nodes: targets.map(({ ref }) => ref) });
    const asked = new Map(
      targets.map(({ ref, expectation }) => [ref.name, checks.filter(({ applies }) => applies?.(expectation) ?? true)]),
    );
    const over = new Map<string, CheckResult[]>();
    return (node, result) => {
      const { id, title, phase, status } = result;
      const all = asked.get(node.name) ?? [];
      const done = [...(over.get(node.name) ?? []), result];
      over.set(node.name, done);
      const inPhase = (list: readonly { phase: Phase }[]): number =>
        list.filter((other) => other.phase === phase).length;
      reporter.emit({
        type: "check",
        node,
        id,
        title,
        phase,
        status,
        done: done.length,
        total: all.length,
        inPhase: { done: inPhase(done), total: inPhase(all) },
      });
    };
  }

  /** What must not be seen in anything that is shown of these nodes. */
  secretsOf(nodes: StateNode[]): string[] {
    const file = this.access.definition.config.bacalhau?.tokenFile;
    return [
      this.access.fleetSecret,
      ...nodes.map((node) => this.token(node)),
      ...(file === undefined ? [] : [readFileSync(file, "utf8").trim()]),
    ];
  }

  /** The nodes as AWS shows them now, and the way to each. */
  async targets(nodes: StateNode[]): Promise<VerifyTarget[]> {
    const facts = await this.facts(nodes);
    return nodes.map((node) => {
      const cloud = facts(node);
      const ref = { ...refOf(node), address: cloud.instance?.publicAddress ?? node.address };
      const expectation = this.expectation(node, ref.address);
      return {
        ref,
        expectation,
        cloud,
        connect: (deadlineMs: number) => this.connect(node, ref.address ?? "", deadlineMs),
        diagnose: async (stage: ReachStage, failure: string) => {
          const { cloud: aws } = this.access.session;
          const [now, console] = await Promise.all([
            this.facts([node]),
            consoleOutput(aws, ref.region, node.instanceId),
          ]);
          return diagnose({ cloud: now(node), stage, failure, console });
        },
      };
    });
  }

  /**
   * What the machine's own `ssh` needs to log in on a node. The host key is proven and pinned first.
   * @throws ConnectError when the node cannot be reached or its key not proven, E_ADDRESS_REFUSED
   */
  async login(node: StateNode): Promise<Login> {
    const { instanceId } = node;
    const address = (await this.targets([node]))[0]?.ref.address ?? "";
    this.dial.assertAllowed(address);
    if ((await this.knownHosts.lookup(instanceId)) === undefined)
      await (await this.connect(node, address, PROOF_MS)).close();
    const { definition, privateKeyPath } = this.access;
    return {
      instanceId,
      address,
      username: definition.config.username,
      privateKeyPath,
      knownHostsFile: this.knownHosts.file(instanceId),
    };
  }

  private connect(node: StateNode, address: string, deadlineMs: number): Promise<NodeConnection> {
    return connectNode({
      instanceId: node.instanceId,
      address,
      username: this.access.definition.config.username,
      privateKey: this.privateKey,
      token: this.token(node),
      knownHosts: this.knownHosts,
      dial: this.dial,
      deadlineMs,
      signal: this.access.session.interrupts.soft,
    });
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
        token: this.token({
          name: ref.name,
          generation: definition.launchSpec(slot, pin, pins.ssh.publicKey).generation,
          launch: pins.launches[ref.name],
        }),
        payload: definition.payload,
      };
      const { reporter, interrupts } = session;
      const result = await this.watch.during(ref, (gone) =>
        bringUp(node, {
          reporter,
          wait: this.options.wait,
          knownHosts: this.knownHosts,
          dial: this.dial,
          signal: AbortSignal.any([interrupts.soft, gone]),
        }),
      );
      if (result.state === "must-replace" && origin === "created")
        throw new SpotError("E_DEPLOYMENT", `The node cannot be deployed: ${result.reason}`);
      return result;
    } catch (error) {
      const info = errorInfo(error);
      if (!isSpotError(error) || error.code !== "E_INTERRUPTED") {
        session.reporter.emit({
          type: "node",
          level: "error",
          node: ref,
          phase: "deploying",
          message: info.message,
          error: info,
        });
      }
      return { state: "failed", error: info };
    }
  }

  private token(node: TokenHolder): string {
    return hostKeyToken(this.access.fleetSecret, node);
  }

  private expectation(node: StateNode, address: string | undefined): NodeExpectation {
    const { definition, pins, session } = this.access;
    const { manifest } = definition.payload;
    const { config } = definition;
    const slot = definition.slots.find(({ name }) => name === node.name) ?? {
      name: node.name,
      homeRegion: node.pin.pool.region,
      ordinal: 0,
    };
    const userData = definition.userDataOf(slot, node.generation, pins.ssh.publicKey, this.token(node));
    return {
      ...node.pin.pool,
      name: node.name,
      instanceId: node.instanceId,
      ...(address === undefined ? {} : { address }),
      lineage: session.lineage,
      awsCli: session.cloud.cli,
      username: config.username,
      sshFrom: [...pins.ssh.allow, ...pins.ssh.callers],
      manifest,
      userDataSha256: createHash("sha256").update(userData).digest("hex"),
      packages: config.packages,
      directories: applicationDirectories,
      units: unitsOf(manifest, config),
      ...(config.bacalhau ? { bacalhau: config.bacalhau } : {}),
    };
  }

  /** What AWS says now, asked once a region. A region that does not answer is a fact of its own. */
  private async facts(nodes: StateNode[]): Promise<(node: StateNode) => CloudFacts> {
    const { account, session } = this.access;
    const about = { account, caller: await (this.caller ??= callerOf(session.target)) };
    const regions = [...new Set(nodes.map(({ pin }) => pin.pool.region))];
    const found = await Promise.all(
      regions.map(async (region): Promise<[string, Map<string, CloudFacts> | string]> => {
        const facts = await nodeFacts(session.cloud, session.lineage, region, about).catch((error: unknown) =>
          wordsWithCause(error),
        );
        return [region, facts];
      }),
    );
    const byRegion = new Map(found);
    return ({ instanceId, pin }) => {
      const facts = byRegion.get(pin.pool.region);
      return typeof facts === "string" ? { ...about, unanswered: facts } : (facts?.get(instanceId) ?? about);
    };
  }
}

export function refOf(node: StateNode): NodeRef & { instanceId: string } {
  return { name: node.name, region: node.pin.pool.region, instanceId: node.instanceId, address: node.address };
}
