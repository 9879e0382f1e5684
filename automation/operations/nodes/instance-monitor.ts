import { setTimeout as sleep } from "node:timers/promises";
import type { Instance } from "../../../cloud/resources/inventory";
import { isSpotError, SpotError } from "../../../fleet/errors";

const EVERY_MS = 10_000;

/** How often EC2 is asked about an instance that may have ended, at a tenth of the usual distance. */
const LAST_LOOKS = 4;

/** States from which a one-time spot instance does not come back. */
const ENDED = new Set(["shutting-down", "terminated", "stopping", "stopped"]);

/**
 * Nobody waits for a node that is gone: spot instances are interrupted while they are set up, too. Looks at all
 * instances that are worked on, with one call a region.
 */
export class InstanceMonitor {
  private readonly watched = new Map<string, { region: string; gone: AbortController }>();
  private timer: NodeJS.Timeout | undefined;

  /** @param instancesIn every instance of the fleet in a region; those that ended may be missing */
  constructor(
    private readonly instancesIn: (region: string) => Promise<Instance[]>,
    private readonly everyMs = EVERY_MS,
  ) {}

  /**
   * Does work on an instance; its signal aborts when the instance ended.
   * @throws SpotError E_INSTANCE_GONE with the cloud's reason, and whatever the work throws
   */
  async guard<T>(
    { instanceId, region }: { instanceId: string; region: string },
    work: (gone: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const gone = new AbortController();
    this.watched.set(instanceId, { region, gone });
    this.schedule();
    try {
      return await work(gone.signal);
    } catch (error) {
      if (mayBeAnEnd(error)) await this.finalPolls(gone.signal);
      throw gone.signal.aborted ? gone.signal.reason : error;
    } finally {
      this.watched.delete(instanceId);
      if (this.watched.size === 0) clearTimeout(this.timer);
    }
  }

  /** What failed may be the first sign of an end that EC2 shows a moment later. */
  private async finalPolls(gone: AbortSignal): Promise<void> {
    for (let looks = 0; looks < LAST_LOOKS && !gone.aborted; looks += 1) {
      if (looks > 0) await sleep(this.everyMs / 10);
      await this.poll();
    }
  }

  private schedule(): void {
    clearTimeout(this.timer);
    if (this.watched.size > 0)
      this.timer = setTimeout(() => void this.poll().then(() => this.schedule()), this.everyMs);
  }

  private async poll(): Promise<void> {
    const regions = new Set([...this.watched.values()].map(({ region }) => region));
    await Promise.all(
      [...regions].map(async (region) => {
        // A region that does not answer tells nothing about its instances.
        for (const instance of await this.instancesIn(region).catch(() => [])) {
          if (!ENDED.has(instance.State?.Name ?? "")) continue;
          const cause = instance.StateReason?.Message || instance.StateTransitionReason || instance.State?.Name;
          this.watched
            .get(instance.InstanceId)
            ?.gone.abort(
              new SpotError("E_INSTANCE_GONE", { message: `${instance.InstanceId} ended while it was set up.`, cause }),
            );
        }
      }),
    );
  }
}

/**
 * What an instance's end looks like from here: the line is cut, and a shutdown ends the deployment like everything else. A
 * deployment that failed by itself is told a few seconds later for it.
 */
const SIGNS: ReadonlySet<string> = new Set(["E_SSH", "E_UPLOAD", "E_DEPLOYMENT"]);

const mayBeAnEnd = (error: unknown): boolean => isSpotError(error) && SIGNS.has(error.code);
