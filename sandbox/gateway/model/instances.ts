import { wordsOf } from "../../../fleet/errors";
import type { HostDriver, HostSpec } from "../../hosts/driver";
import type { Moto, StateReason } from "../protocol/moto";
import { reachOf } from "./reach";

/** Where an instance is: the region, and the emulated AWS as its account sees it. */
export interface Place {
  region: string;
  moto: Moto;
}

/** State reasons in EC2's own words. */
export const endReasons = {
  user: { code: "Client.UserInitiatedShutdown", message: "Client.UserInitiatedShutdown: User initiated shutdown" },
  shutdown: {
    code: "Client.InstanceInitiatedShutdown",
    message: "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
  },
  interruption: {
    code: "Server.SpotInstanceTermination",
    message: "Server.SpotInstanceTermination: Spot instance termination",
  },
  failed: (cause: unknown): StateReason => ({
    code: "Server.InternalError",
    message: `Server.InternalError: Internal error on launch: ${wordsOf(cause)}`,
  }),
};

/** Keeps hosts and the emulated AWS in step. Work on one instance happens in the order in which it was asked for. */
export class Instances {
  private readonly launchedIn = new Map<string, Place>();
  private readonly known = new Map<string, Place & { work: Promise<void> }>();

  constructor(
    private readonly driver: HostDriver,
    private readonly log: (line: string) => void,
  ) {}

  /** Boots the host behind a new instance; the answer to RunInstances does not wait for it, as EC2's does not. */
  launch(host: HostSpec, moto: Moto): void {
    const { region } = host;
    this.launchedIn.set(`${moto.account} ${region}`, { region, moto });
    this.known.set(host.instanceId, { region, moto, work: Promise.resolve() });
    this.enqueue(
      host.instanceId,
      () => this.driver.launch(host),
      async (cause) => {
        await this.driver.terminate(host.instanceId);
        await moto.ended(region, host.instanceId, endReasons.failed(cause));
      },
    );
    this.admit(host.instanceId);
  }

  /** The region's network has changed: each of its hosts is let through what EC2 now lets through. */
  readmit(region: string): void {
    for (const [instanceId, instance] of this.known) if (instance.region === region) this.admit(instanceId);
  }

  reboot(instanceId: string): void {
    this.enqueue(instanceId, () => this.driver.reboot(instanceId));
  }

  /** Ends the host; the instance is `shutting-down` until nothing of the host is left. */
  terminate(instanceId: string, reason: StateReason = endReasons.user): void {
    this.enqueue(instanceId, async () => {
      const place = this.placeOf(instanceId);
      // A host ends whether or not moto, which may be gone, can be told.
      await place?.moto.ending(place.region, instanceId, reason).catch((cause: unknown) => {
        this.log(`${instanceId}: ${wordsOf(cause)}`);
      });
      await this.driver.terminate(instanceId);
      if (place !== undefined) await place.moto.ended(place.region, instanceId, reason);
      this.known.delete(instanceId);
    });
  }

  /** Ends every host; resolves when nothing is left of any. */
  async endAll(): Promise<void> {
    for (const instanceId of this.known.keys()) this.terminate(instanceId);
    await Promise.all([...this.known.values()].map(({ work }) => work));
  }

  /** Every region of every account in which something was launched. */
  get places(): Place[] {
    return [...this.launchedIn.values()];
  }

  placeOf(instanceId: string): Place | undefined {
    return this.known.get(instanceId);
  }

  get count(): number {
    return this.known.size;
  }

  private admit(instanceId: string): void {
    const place = this.placeOf(instanceId);
    if (place !== undefined)
      this.enqueue(instanceId, () =>
        this.driver.admit(instanceId, () => reachOf(place.moto, place.region, instanceId)),
      );
  }

  private enqueue(instanceId: string, work: () => Promise<void>, failed?: (cause: unknown) => Promise<void>): void {
    const instance = this.known.get(instanceId);
    if (instance === undefined) return;
    instance.work = instance.work.then(work).catch(async (cause: unknown) => {
      this.log(`${instanceId}: ${wordsOf(cause)}`);
      await failed?.(cause).catch((again: unknown) => this.log(`${instanceId}: ${wordsOf(again)}`));
    });
  }
}
