import { createHash, createHmac } from "node:crypto";

/** What makes two instances of a slot differ in anything that matters to the node. */
export interface GenerationContent {
  payloadDigest: string;
  /** Rendered without the node's secret and its generation. */
  userData: string;
  ami: string;
  /** What the configuration says of the launch. What is undefined does not count. */
  launch: Record<string, string | number | undefined>;
}

/** By whom what a node is made of is decided: this program's version, the user's files, the configuration. */
export const deciders = ["program", "files", "settings"] as const;
export type Decider = (typeof deciders)[number];

/**
 * What a node is made of, as one name: a digest of all of it, and behind it a short one of each decider's share, which
 * does no more than tell why two generations differ. A node of another generation is replaced, never changed.
 * @param shares what each decided, as JSON; of the settings all but the launch
 */
export function generationOf(content: GenerationContent, shares: Record<Decider, unknown>): string {
  const launch = Object.entries(content.launch)
    .filter(([, value]) => value !== undefined)
    .sort();
  const whole = digestOf([content.payloadDigest, content.userData, content.ami, launch]).slice(0, 16);
  const all = { ...shares, settings: [shares.settings, launch] };
  return [whole, ...deciders.map((decider) => digestOf(all[decider]).slice(0, 8))].join(".");
}

/**
 * Whose share differs between a recorded generation and the one desired. Generations of earlier versions have none to
 * compare: that the program is another one is certain of them, and all that is.
 */
export function changedShares(recorded: string, desired: string): Decider[] {
  if (recorded === desired) return [];
  const [[, ...before], [, ...now]] = [recorded.split("."), desired.split(".")];
  return before.length === deciders.length ? deciders.filter((_, n) => before[n] !== now[n]) : ["program"];
}

/** The short digest of a decider's share in a generation; undefined for generations of versions that had none. */
export function shareOf(generation: string, decider: Decider): string | undefined {
  return generation.split(".")[1 + deciders.indexOf(decider)];
}

const digestOf = (value: unknown): string => createHash("sha256").update(JSON.stringify(value)).digest("hex");

/** The instance that a host key token is for. */
export interface TokenHolder {
  /** Its slot's. */
  name: string;
  generation: string;
  /** Absent for an instance that an earlier version made: its token is of its slot and generation alone. */
  launch?: string;
}

/**
 * The secret by which a node proves its host key: bound to slot, generation and launch, so that no other node can
 * answer with it, and none that was in the same slot before. Hex.
 */
export function hostKeyToken(fleetSecret: string, { name, generation, launch }: TokenHolder): string {
  const parts = launch === undefined ? [name, generation] : [name, generation, launch];
  return createHmac("sha256", fleetSecret).update(parts.join("\n")).digest("hex");
}
