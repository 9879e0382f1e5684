import { isSpotError, SpotError, wordsOf } from "../../fleet/errors";
import type { NodePhase, Reporter } from "../../fleet/report/events";
import type { NodeRef } from "../../fleet/model";
import { paths, units } from "../../fleet/layout";
import type { Payload } from "../../fleet/node/payload";
import { systemClock, type Clock } from "../../system/clock";
import { connectNode, type ConnectWithPatience } from "./connect";
import type { NodeConnection } from "./connection";
import { lifeOf, readRecords, type NodeLife } from "./records";
import { uploadPayload } from "./upload";

/** A node that exists, and all that is needed to make it the node that was asked for. */
export interface BringUpNode {
  ref: NodeRef & { instanceId: string; address: string };
  username: string;
  privateKey: string;
  /** The node's token (hex), with which its host key is proven. */
  token: string;
  payload: Payload;
}

export interface BringUpDeps extends Pick<ConnectWithPatience, "knownHosts" | "dial" | "port"> {
  reporter: Reporter;
  /** False: return once the deployment has started (`--no-wait`). */
  wait: boolean;
  deadlines?: Partial<BringUpDeadlines>;
  signal?: AbortSignal;
  clock?: Clock;
  /** How a node is reached; tests bring their own. */
  connect?: (options: ConnectWithPatience) => Promise<NodeConnection>;
}

/** Milliseconds, each from the moment at which that wait begins. */
export interface BringUpDeadlines {
  /** From the first try until SSH answers with a proven host key. */
  reachable: number;
  cloudInit: number;
  /** From the start of the deployment until the node has rebooted. */
  deployed: number;
}

const DEADLINES: BringUpDeadlines = { reachable: 600_000, cloudInit: 900_000, deployed: 900_000 };

/** Between two looks at a node's records. */
const LOOK_MS = 1_000;
const COMMAND_MS = 30_000;

/** An upload that is over sooner needs no word about its progress. */
const QUIET_UPLOAD_MS = 3_000;

const REBOOT = "its reboot";

export type BringUpResult =
  /** Configured and booted again; what is left is verification. */
  | { state: "rebooted" }
  /** Its deployment runs without us (only with `wait: false`). */
  | { state: "deploying" }
  /** It was found failed, half configured or configured with something else. A configured node is never repaired. */
  | { state: "must-replace"; reason: string };

/**
 * Takes a node from wherever it stands to "rebooted": reachable -> cloud-init done -> payload uploaded -> deployment
 * started -> disconnected -> short logins until it has rebooted. What is next follows from the node's own records alone,
 * so a run that was broken off at any point is simply run again, and a finished node costs one login.
 * @throws SpotError E_SSH and E_DEPLOYMENT at a deadline (with what was waited for), E_DEPLOYMENT as soon as a step of
 *   a deployment that was under way fails, E_HOST_KEY, E_UPLOAD, E_ADDRESS_REFUSED, E_INTERRUPTED.
 */
export async function bringUp(node: BringUpNode, deps: BringUpDeps): Promise<BringUpResult> {
  return await new BringUp(node, deps).go();
}

class BringUp {
  private readonly clock: Clock;
  private readonly deadlines: BringUpDeadlines;
  private lastReason: string | undefined;

  constructor(
    private readonly node: BringUpNode,
    private readonly deps: BringUpDeps,
  ) {
    this.clock = deps.clock ?? systemClock;
    this.deadlines = { ...DEADLINES, ...deps.deadlines };
  }

  async go(): Promise<BringUpResult> {
    const found = await this.login(this.deadlines.reachable, (connection) => this.prepare(connection));
    if (found.state === "failed") return { state: "must-replace", reason: found.reason };
    if (found.state === "rebooted") return { state: "rebooted" };
    if (!this.deps.wait) return { state: "deploying" };
    await this.untilRebooted();
    this.report("rebooted", "Rebooted");
    return { state: "rebooted" };
  }

  /** On one connection: waits for cloud-init, uploads, starts. Ends with a node that needs nothing more from us. */
  private async prepare(connection: NodeConnection): Promise<NodeLife> {
    const end = this.clock.now() + this.deadlines.cloudInit;
    for (;;) {
      const life = await this.look(connection);
      switch (life.state) {
        case "booting":
          this.waitFor(life.waitingFor);
          await this.pause(end, "cloud-init did not finish", life.waitingFor);
          break;
        case "fresh":
          await this.upload(connection);
          break;
        case "uploaded":
          await this.start(connection);
          return { state: "deploying", waitingFor: "its deployment" };
        default:
          return life;
      }
    }
  }

  private async upload(connection: NodeConnection): Promise<void> {
    const quietUntil = this.clock.now() + QUIET_UPLOAD_MS;
    await uploadPayload(connection, this.node.payload, {
      onProgress: (sent, total) => {
        if (this.clock.now() >= quietUntil)
          this.waitFor(`upload, ${Math.floor((10 * sent) / Math.max(1, total)) * 10} %`);
      },
    }).catch((error: unknown) => {
      // A cut line leaves nothing behind on the node: what to do is what to do after any broken upload.
      if (isSpotError(error) && error.code === "E_SSH")
        throw new SpotError("E_UPLOAD", {
          message: "The upload was cut off.",
          cause: error.cause === undefined ? error.message : `${error.message} ${wordsOf(error.cause)}`,
        });
      throw error;
    });
    this.report("uploaded", "Uploaded");
  }

  private async start(connection: NodeConnection): Promise<void> {
    const started = await connection.run(`sudo -n systemctl start --no-block ${units.deploy}`, {
      deadlineMs: COMMAND_MS,
    });
    if (started.code !== 0) {
      throw new SpotError("E_DEPLOYMENT", {
        message: "The deployment could not be started.",
        cause: started.stderr.trim(),
      });
    }
    // --no-block returns before the job runs: only the unit's own word says that it does.
    const end = this.clock.now() + COMMAND_MS;
    for (;;) {
      const life = await this.look(connection);
      if (life.state !== "uploaded") break;
      await this.pause(end, "The deployment did not start", units.deploy);
    }
    this.report("deploying", "Deployment started");
  }

  /** Short logins. While the node goes down and comes back, refusals are what is expected. */
  private async untilRebooted(): Promise<void> {
    const end = this.clock.now() + this.deadlines.deployed;
    for (;;) {
      const life = await this.login(
        Math.max(1, end - this.clock.now()),
        (connection) => this.look(connection),
        REBOOT,
      ).catch((error: unknown): NodeLife => {
        // Lost in the middle of a look: the node goes down for its reboot.
        if (error instanceof SpotError && error.code === "E_SSH" && this.clock.now() < end)
          return { state: "rebooting", waitingFor: REBOOT };
        throw error;
      });
      switch (life.state) {
        case "rebooted":
          return;
        case "failed":
          throw new SpotError("E_DEPLOYMENT", {
            message: `The deployment failed at ${life.reason}`,
            cause: `See ${paths.deploymentLog} on the node.`,
          });
        case "deploying":
        case "rebooting":
          this.waitFor(life.waitingFor);
          await this.pause(end, "The node did not finish its deployment", life.waitingFor);
          break;
        default:
          throw new SpotError(
            "E_DEPLOYMENT",
            `The deployment was started, but the node knows nothing of it (${life.state}).`,
          );
      }
    }
  }

  /** @param unreachable what it means when the node does not answer; absent: the lower layer's own reason */
  private async login<T>(
    deadlineMs: number,
    work: (connection: NodeConnection) => Promise<T>,
    unreachable?: string,
  ): Promise<T> {
    const { ref, username, privateKey, token } = this.node;
    const { knownHosts, dial, port, signal, connect = connectNode } = this.deps;
    const connection = await connect({
      instanceId: ref.instanceId,
      address: ref.address,
      ...(port === undefined ? {} : { port }),
      username,
      privateKey,
      token,
      knownHosts,
      dial,
      deadlineMs,
      clock: this.clock,
      ...(signal ? { signal } : {}),
      onWaiting: (reason) => this.waitFor(unreachable ?? reason),
    });
    try {
      return await work(connection);
    } finally {
      await connection.close();
    }
  }

  private async look(connection: NodeConnection): Promise<NodeLife> {
    return lifeOf(await readRecords(connection), this.node.payload.manifest.digest);
  }

  private async pause(end: number, failure: string, waitingFor: string): Promise<void> {
    const { signal } = this.deps;
    if (this.clock.now() >= end)
      throw new SpotError("E_DEPLOYMENT", {
        message: `${failure} in time.`,
        cause: `It was waiting for ${waitingFor}.`,
      });
    await this.clock.sleep(LOOK_MS, signal).catch(() => undefined);
    if (signal?.aborted)
      throw new SpotError("E_INTERRUPTED", `Waiting for ${this.node.ref.instanceId} was interrupted.`);
  }

  private waitFor(reason: string): void {
    if (reason === this.lastReason) return;
    this.lastReason = reason;
    this.deps.reporter.emit({ type: "waiting", node: this.node.ref, reason });
  }

  private report(phase: NodePhase, message: string): void {
    this.lastReason = undefined;
    this.deps.reporter.emit({ type: "node", level: "success", node: this.node.ref, phase, message });
  }
}
