import { randomBytes, randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { MAX_LEASE_S, type EngineEvent, type UntypedDeployment, type UpdateProgram } from "./bodies";
import { Journal } from "./journal";
import { refusals } from "./refusal";

/** What an update does, as its history tells it (apitype.UpdateKind). */
export type UpdateKind = "update" | "preview" | "refresh" | "destroy" | "import";

/** How far an update is; the last two are how it ended. Who cancels an update makes it a failed one. */
export type UpdateStatus = "not started" | "running" | "succeeded" | "failed";

/** The right to act within an update: the token, and until when it is one. */
interface Lease {
  token: string;
  /** Milliseconds since the epoch. */
  expires: number;
}

const seconds = (): number => Math.floor(Date.now() / 1000);

/** One run of the engine on a stack: created, started, and brought to an end by its owner or by a cancellation. */
export class Update {
  readonly id = randomUUID();
  status: UpdateStatus = "not started";
  /** The number in the stack's history; the CLI asks for an update by it. A preview has none. */
  version = 0;
  /** The stack's deployment as this update left it. */
  deployment: UntypedDeployment | undefined;
  readonly events: EngineEvent[] = [];
  /** Seconds since the epoch. */
  startTime = 0;
  private endTime = 0;
  private leases: Lease[] = [];
  /** Of an update whose client journals; any other sends checkpoints. */
  private kept: Journal | undefined;
  private lastCheckpoint: { sequence: number; deployment: UntypedDeployment } | undefined;

  constructor(
    readonly kind: UpdateKind,
    readonly author: string,
    /** A preview changes nothing, is in nobody's way, and is no part of the history. */
    readonly preview: boolean,
    private readonly program: Pick<UpdateProgram, "config" | "metadata"> = {
      config: {},
      metadata: { message: "", environment: {} },
    },
  ) {}

  get running(): boolean {
    return this.status === "running";
  }

  start(version: number): Lease {
    if (this.status !== "not started") throw refusals.alreadyStarted();
    this.status = "running";
    this.version = version;
    this.startTime = seconds();
    return this.lease(MAX_LEASE_S);
  }

  /** Ends it for good: none of its leases is worth anything afterwards. */
  end(status: "succeeded" | "failed", deployment: UntypedDeployment): void {
    this.requireRunning();
    this.status = status;
    this.deployment = deployment;
    this.endTime = seconds();
  }

  /** A new lease. Those that there are stay good until they expire: a request under way may still carry one. */
  lease(duration: number): Lease {
    const lease = { token: randomBytes(24).toString("hex"), expires: Date.now() + duration * 1000 };
    this.leases.push(lease);
    return lease;
  }

  /** Refuses whoever does not hold a lease of this update, or holds one no longer. */
  admit(token: string): void {
    const lease = this.leases.find((each) => each.token === token);
    if (!lease) throw refusals.unauthorized();
    this.requireRunning();
    if (lease.expires <= Date.now()) throw refusals.leaseExpired();
  }

  expireLeases(): void {
    for (const lease of this.leases) lease.expires = 0;
  }

  requireRunning(): void {
    if (this.status === "not started") throw refusals.notStarted();
    if (!this.running) throw refusals.completed();
  }

  journalOn(deployment: UntypedDeployment): void {
    this.kept = new Journal(deployment);
  }

  get journal(): Journal {
    if (!this.kept) throw refusals.badRequest("The Update keeps no journal");
    return this.kept;
  }

  requireNoJournal(): void {
    if (this.kept) throw refusals.badRequest("The Update keeps a journal");
  }

  /** Sequence numbers rise. The last one may come again with what it came with: the CLI repeats what got no answer. */
  acceptCheckpoint(sequence: number, deployment: UntypedDeployment): void {
    const last = this.lastCheckpoint;
    const repeated = last?.sequence === sequence && isDeepStrictEqual(last.deployment, deployment);
    if (last && sequence <= last.sequence && !repeated) throw refusals.outOfOrder("A checkpoint", sequence);
    this.lastCheckpoint = { sequence, deployment };
  }

  /** Each event has a number of its own; they need not come in order. */
  record(events: readonly EngineEvent[]): void {
    for (const event of events) {
      if (this.events.some(({ sequence }) => sequence === event.sequence))
        throw refusals.outOfOrder("An event", event.sequence);
      this.events.push(event);
    }
  }

  /** apitype.OperationStatus. */
  operation(): object {
    return { kind: this.kind, author: this.author, started: this.startTime };
  }

  /** apitype.UpdateInfo. */
  info(): object {
    const results = { "not started": "not-started", running: "in-progress", succeeded: "succeeded", failed: "failed" };
    const { config, metadata } = this.program;
    return {
      kind: this.kind,
      startTime: this.startTime,
      message: metadata.message,
      environment: metadata.environment ?? {},
      config,
      result: results[this.status],
      endTime: this.endTime,
      version: this.version,
      resourceChanges: this.events.find((event) => event.summaryEvent)?.summaryEvent?.resourceChanges ?? {},
      resourceCount: this.deployment?.deployment.resources?.length ?? 0,
    };
  }
}
