import pLimit from "p-limit";
import { errorInfoOf, isSpotError, SpotError, type ErrorInfo } from "../../../fleet/errors";
import type { TokenHolder } from "../../../fleet/identity/generation";
import type { NodeRef } from "../../../fleet/model";
import { describeInstances } from "../../../cloud/resources/inventory";
import { bringUp, type BringUpResult } from "../../ssh/bring-up";
import { ConnectError } from "../../ssh/connect";
import { DeployedInstances } from "./deployed";
import type { FleetAccess } from "./fleet-access";
import { InstanceMonitor } from "./instance-monitor";

/** An instance to be brought up. */
export interface NewNode {
  ref: NodeRef & { instanceId: string; address: string };
  /** As what it was launched. */
  launched: TokenHolder;
  /** One that this run created is not replaced when it fails: another one would fail alike. */
  origin: "created" | "found";
  /** When it was recorded, ISO 8601; of one that was found. */
  created?: string;
}

/** How a node's way to "rebooted" ended. */
export type ProvisionOutcome =
  | BringUpResult
  /** It had been deployed before and does not answer: what is wrong with it is for verification to say. */
  | { state: "unreachable" }
  | { state: "failed"; error: ErrorInfo };

/** For a node that is not on its way up any more: verification tries for longer, and says what stands in the way. */
const STANDING = { reachable: 10_000 };

/** Milliseconds after which any first boot and deployment is over, well or not. */
const FIRST_BOOT_MS = 3_600_000;

/** How many nodes are worked on at once: a handshake costs this machine, not the node (measured: ~10 a second). */
const NODES_AT_A_TIME = 24;

/**
 * Takes each node from "created" to "rebooted" as soon as it is there, while the engine goes on. One object for one run;
 * provisioning an instance twice does nothing the second time.
 */
export class Provisioner {
  private readonly begun = new Map<string, { name: string; outcome: Promise<ProvisionOutcome> }>();
  private readonly watch: InstanceMonitor;
  /** Nodes come one by one while the engine works, so a map over a list does not do. */
  private readonly limit = pLimit(NODES_AT_A_TIME);
  private readonly deployed: DeployedInstances;

  /** @param options `wait`: until the node has rebooted, not only until its deployment has begun */
  constructor(
    private readonly access: FleetAccess,
    private readonly options: { wait: boolean },
  ) {
    const { cloud, lineage, target } = access.session;
    this.deployed = new DeployedInstances(target.scratch);
    this.watch = new InstanceMonitor((region) => describeInstances(cloud, lineage, region));
  }

  /** The node exists: begin to bring it up. Returns at once. */
  provision(node: NewNode): void {
    const { name, instanceId } = node.ref;
    if (!this.begun.has(instanceId))
      this.begun.set(instanceId, { name, outcome: this.limit(() => this.broughtUp(node)) });
  }

  /** Waits for every node begun so far; by slot name. */
  async settled(): Promise<Map<string, ProvisionOutcome>> {
    const ended = await Promise.all(
      [...this.begun.values()].map(async ({ name, outcome }) => [name, await outcome] as const),
    );
    return new Map(ended);
  }

  /** The instance ended: its host key means nothing any more, and its address may soon be another's. */
  async release(instanceId: string): Promise<void> {
    this.begun.delete(instanceId);
    await this.access.ssh.knownHosts.forget(instanceId);
  }

  private async broughtUp(given: NewNode): Promise<ProvisionOutcome> {
    const { ref, launched, origin } = given;
    const { session, definition, ssh } = this.access;
    const { reporter, interrupts } = session;
    const isStanding = this.isStanding(given);
    try {
      const node = { ...ssh, ref, token: this.access.tokenOf(launched), payload: definition.payload };
      const result = await this.watch.guard(ref, (gone) =>
        bringUp(node, {
          ...ssh,
          reporter,
          wait: this.options.wait,
          ...(isStanding ? { deadlines: STANDING } : {}),
          signal: AbortSignal.any([interrupts.soft, gone]),
        }),
      );
      if (result.state === "must-replace" && origin === "created")
        throw new SpotError("E_DEPLOYMENT", `The node cannot be deployed: ${result.reason}`);
      if (result.state === "rebooted") this.deployed.add(ref.instanceId);
      return result;
    } catch (error) {
      const info = errorInfoOf(ref.name, error);
      // Without a verification nothing else would say that it is out of reach.
      if (isStanding && this.options.wait && error instanceof ConnectError && error.code === "E_SSH") {
        const message = `does not answer, though it has had its time to boot: it is verified without being waited for`;
        reporter.emit({ type: "message", level: "warning", subject: ref.name, message });
        return { state: "unreachable" };
      }
      if (!isSpotError(error) || error.code !== "E_INTERRUPTED") {
        reporter.emit({
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

  /** It was deployed before, or should have been: silence is no sign of a boot. */
  private isStanding({ ref, origin, created }: NewNode): boolean {
    if (origin === "created") return false;
    const isOld = created !== undefined && Date.now() - Date.parse(created) > FIRST_BOOT_MS;
    return isOld || this.deployed.has(ref.instanceId);
  }
}
