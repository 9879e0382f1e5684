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

/** What a node is made of, as one short name. A node of another generation is replaced, never changed. */
export function generationOf(content: GenerationContent): string {
  const launch = Object.entries(content.launch)
    .filter(([, value]) => value !== undefined)
    .sort();
  return createHash("sha256")
    .update(JSON.stringify([content.payloadDigest, content.userData, content.ami, launch]))
    .digest("hex")
    .slice(0, 16);
}

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
