import path from "node:path";
import type { Reporter } from "../fleet/report/events";
import { packageRoot } from "../project/package-root";
import { readConfig } from "../project/config-file";
import type { SandboxMode } from "../sandbox/control";
import { admitListeners, neverInterrupted, type Interrupts } from "./session/interrupts";
import { down, type DownRequest, type DownResult } from "./operations/down/down";
import { list, type Listing } from "./operations/inspect/list";
import { preview, type UpPlan } from "./operations/plan/plan-up";
import { up } from "./operations/up/up";
import type { UpResult } from "./operations/up/run";
import { verifyFleet } from "./operations/nodes/verify-fleet";
import { inSession, type Session, type SessionOptions } from "./session";
import { placeIn } from "./target";
import type { Verification } from "./verify/result";

export { SpotError, isSpotError, errorInfo, type ErrorInfo } from "../fleet/errors";
export type { FleetEvent, Reporter, Question } from "../fleet/report/events";
export type { DownRequest, DownResult, Listing, UpPlan, UpResult, Verification };

export interface FleetOptions {
  /** Path of the fleet's configuration. */
  config: string;
  /** Where events go and questions are asked. The library itself never prints. */
  reporter: Reporter;
  /** Act on a local AWS instead of the real one. */
  sandbox?: SandboxMode;
  stack?: string;
  profile?: string;
  env?: NodeJS.ProcessEnv;
  /** How a run is asked to stop; without it, it cannot be. */
  interrupts?: Interrupts;
}

/**
 * A fleet as a library: what the commands do, with typed results instead of text. Every method opens the stack, does
 * its work and lets go again; each throws SpotError and nothing else on purpose.
 */
export class Fleet {
  constructor(private readonly options: FleetOptions) {}

  /** Creates the fleet, or brings it to what the configuration says, and verifies every node. */
  up(options: { wait?: boolean } = {}): Promise<UpResult> {
    return this.within({ starts: true, changes: true, founds: true }, (session) =>
      up(session, { ...this.definition(), wait: options.wait ?? true }),
    );
  }

  /** What `up` would change. */
  preview(): Promise<UpPlan> {
    return this.within({ starts: true }, (session) => preview(session, { ...this.definition(), wait: false }));
  }

  list(): Promise<Listing> {
    return this.within({ withoutState: true }, list);
  }

  /** Runs the check list; `only` and `nodes` are patterns such as `D2,E*`. */
  verify(options: { only?: string; nodes?: string } = {}): Promise<Verification> {
    return this.within({}, (session) =>
      verifyFleet(session, { ...this.definition(), choice: { only: options.only }, nodes: options.nodes }),
    );
  }

  /** Ends the fleet, or a part of it, and proves it by listing again. */
  down(request: DownRequest = {}): Promise<DownResult> {
    return this.within({ changes: true, withoutState: true }, (session) => down(session, request));
  }

  private definition() {
    const configFile = path.resolve(this.options.config);
    const { config, locate, text } = readConfig(configFile);
    return { config, configFile, locate, text };
  }

  private async within<T>(
    kind: Pick<SessionOptions, "starts" | "changes" | "founds" | "withoutState">,
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const { config, configFile } = this.definition();
    const place = placeIn(config);
    const { reporter, sandbox, profile, env = process.env, interrupts = neverInterrupted() } = this.options;
    admitListeners(interrupts);
    const options: SessionOptions = {
      projectDir: packageRoot(),
      configFile,
      env,
      reporter,
      interrupts,
      sandbox,
      profile,
      ...place,
      stack: this.options.stack ?? place.stack,
      ...kind,
    };
    return inSession(options, work);
  }
}
