import type { HostDriver } from "../../hosts/driver";
import type { Answer, Call } from "../protocol/call";
import type { Instances } from "./instances";
import type { Moto } from "../protocol/moto";
import type { Quotas } from "./quotas";
import type { Timings } from "./timings";
import type { InstanceTypes } from "./types";

/** What a client token stands for: the launch asked for, and its answer. */
export interface Launch {
  request: string;
  answer: Promise<Answer>;
}

/** What the launch said of its spot request and no instance shows. */
export interface SpotRequest {
  tags: { key: string; value: string }[];
  maxPrice?: string;
  cancelled: boolean;
  /** The instance was told that it will be interrupted. */
  marked?: boolean;
}

/** What rules may use. */
export interface Cloud {
  /** As the calling account sees it. */
  moto: Moto;
  /** Where all public addresses lie. */
  network: string;
  driver: HostDriver;
  instances: Instances;
  /** Public keys of imported key pairs by `account/region/name`; EC2 knows them, moto does not give them back. */
  publicKeys: Map<string, string>;
  types: InstanceTypes;
  /** By spot request id. */
  spotRequests: Map<string, SpotRequest>;
  /** Launches by `account/region/client token`. */
  launches: Map<string, Launch>;
  quotas: Quotas;
  timings: Timings;
  /** Of burstable instances whose launch, or a later call, said how they pay for CPU; by instance id. */
  cpuCredits: Map<string, string>;
  /** Milliseconds since 1970, by instance id. */
  bornAt: Map<string, number>;
  /** NAT gateways that were told to go and are not gone yet, by id. */
  natsDeleting: Map<string, { until: number; subnet: string; addresses: string[] }>;
  now(): Date;
}

/**
 * One difference between moto and AWS. `run` answers itself, throws an AwsError to refuse, or passes the call on with
 * `next()` and may change what comes back. Rules of one action run in the order of the table, first outermost.
 */
export interface Rule {
  /** `service:Action`, or `service:*` for all of a service. */
  on: string;
  run(call: Call, next: () => Promise<Answer>, cloud: Cloud): Promise<Answer>;
}

/** Looks a call's rules up once per action, then runs them around the emulated AWS. */
export class Rulebook {
  private readonly byAction = new Map<string, Rule[]>();

  constructor(private readonly rules: readonly Rule[]) {}

  answer(call: Call, cloud: Cloud): Promise<Answer> {
    const rules = this.of(call);
    const step = (index: number): Promise<Answer> => {
      const rule = rules[index];
      return rule === undefined ? cloud.moto.pass(call) : rule.run(call, () => step(index + 1), cloud);
    };
    return step(0);
  }

  private of(call: Call): Rule[] {
    const key = `${call.service}:${call.action}`;
    let found = this.byAction.get(key);
    if (found === undefined) {
      found = this.rules.filter(({ on }) => on === key || on === `${call.service}:*` || on === "*");
      this.byAction.set(key, found);
    }
    return found;
  }
}

/** A rule that only looks at the call before it passes. */
export const before = (on: string, look: (call: Call, cloud: Cloud) => Promise<void> | void): Rule => ({
  on,
  run: async (call, next, cloud) => {
    await look(call, cloud);
    return next();
  },
});

/** A rule that puts another answer in place of that of a call that has succeeded. */
export const amending = (
  on: string,
  amend: (call: Call, answer: Answer, cloud: Cloud) => Promise<Answer> | Answer,
): Rule => ({
  on,
  run: async (call, next, cloud) => {
    const answer = await next();
    return answer.status < 300 ? amend(call, answer, cloud) : answer;
  },
});

/** A rule that acts once the call has succeeded. */
export const after = (on: string, act: (call: Call, answer: Answer, cloud: Cloud) => void): Rule =>
  amending(on, (call, answer, cloud) => {
    act(call, answer, cloud);
    return answer;
  });

/** A rule that answers without the emulated AWS. */
export const instead = (on: string, answer: (call: Call, cloud: Cloud) => Promise<Answer> | Answer): Rule => ({
  on,
  run: async (call, _next, cloud) => answer(call, cloud),
});
