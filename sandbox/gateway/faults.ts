import { setMaxListeners } from "node:events";

/** What a fault does to a call: AWS's refusal, a delay, or a connection that breaks without an answer. */
export type FaultEffect =
  | { error: { code: string; message?: string; status?: number } }
  | { delayMs: number }
  | { drop: true };

/** A fault to be met by calls that match all that it names. */
export interface FaultRule {
  id?: string;
  /** An action's name, or `*`. */
  action: string;
  region?: string;
  availabilityZone?: string;
  instanceType?: string;
  /** An action's name: only calls that come after the first of it, in any region, are met. */
  follows?: string;
  /** The first matching call that is hit, counted from 1; it alone, unless `times` or `forMs` says more. */
  nth?: number;
  /** How many calls are hit. Without it, `nth` and `forMs`: all. */
  times?: number;
  /** For how many milliseconds calls are hit, from the first one that is. */
  forMs?: number;
  /** 0 to 1, drawn anew for each call in a sequence that `seed` fixes. */
  probability?: number;
  seed?: number;
  /** `before`: the call never reaches the cloud. `after`: it took effect, and its answer is lost or changed. */
  when: "before" | "after";
  effect: FaultEffect;
}

/** What a rule can ask of a call. */
export interface CallFacts {
  action: string;
  region: string;
  availabilityZone?: string;
  instanceType?: string;
}

interface Armed {
  rule: FaultRule & { id: string };
  /** The call that it waits for has come. */
  isDue: boolean;
  seen: number;
  hit: number;
  /** The moment of the first hit. */
  since?: number;
  draw: () => number;
}

/** The faults in force. Each call is shown to them once. */
export class Faults {
  private armed: Armed[] = [];
  private made = 0;
  private inForce = endOfFaults();

  /** Aborts when the rules that are in force now are taken away: no call is held up any longer. */
  get over(): AbortSignal {
    return this.inForce.signal;
  }

  add(rules: readonly FaultRule[]): string[] {
    const added = rules.map((rule) => ({
      rule: { ...rule, id: rule.id ?? `fault-${++this.made}` },
      isDue: rule.follows === undefined,
      seen: 0,
      hit: 0,
      draw: randomSequence(rule.seed ?? 1),
    }));
    this.armed.push(...added);
    return added.map(({ rule }) => rule.id);
  }

  clear(): void {
    this.armed = [];
    this.inForce.abort();
    this.inForce = endOfFaults();
  }

  /** The rules with what they have seen and hit. */
  list(): (FaultRule & { seen: number; hit: number })[] {
    return this.armed.map(({ rule, seen, hit }) => ({ ...rule, seen, hit }));
  }

  get asksForZone(): boolean {
    return this.armed.some(({ rule }) => rule.availabilityZone !== undefined);
  }

  /** The faults that this call meets at that moment, in milliseconds, in the order in which they were added. */
  meet(call: CallFacts, now: number): FaultRule[] {
    const met = this.armed.filter((armed) => armed.isDue && concerns(armed.rule, call) && strikes(armed, now));
    for (const armed of this.armed) armed.isDue ||= armed.rule.follows === call.action;
    return met.map(({ rule }) => rule);
  }
}

/** Every call that is held up listens: as many as there are. Node takes eleven for a leak and warns. */
function endOfFaults(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

function concerns(rule: FaultRule, call: CallFacts): boolean {
  const narrowed = (["region", "availabilityZone", "instanceType"] as const).every(
    (name) => rule[name] === undefined || rule[name] === call[name],
  );
  return narrowed && (rule.action === "*" || rule.action === call.action);
}

function strikes(armed: Armed, now: number): boolean {
  const { rule } = armed;
  armed.seen++;
  const limit = rule.times ?? (rule.nth === undefined || rule.forMs !== undefined ? Infinity : 1);
  if (armed.since !== undefined && rule.forMs !== undefined && now - armed.since >= rule.forMs) return false;
  if (armed.seen < (rule.nth ?? 1) || armed.hit >= limit) return false;
  if (rule.probability !== undefined && armed.draw() >= rule.probability) return false;
  armed.hit++;
  armed.since ??= now;
  return true;
}

/** Numbers in [0, 1), the same for the same seed (a linear congruential generator, constants of Numerical Recipes). */
function randomSequence(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
