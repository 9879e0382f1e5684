import { createHash, createHmac } from "node:crypto";

/** What makes two instances of a slot differ in anything that matters to the node. */
export interface GenerationContent {
  payloadDigest: string;
  /** Rendered without the node's secret and its generation. */
  userData: string;
  ami: string;
  /** What the launch itself fixes: disk, key, profile, price limit, network. */
  launch: Record<string, string | number | undefined>;
}

/** What a node is made of, as one short name. A node of another generation is replaced, never changed. */
export function generationOf(content: GenerationContent): string {
  const launch = Object.entries(content.launch).filter(([, value]) => value !== undefined).sort();
  return createHash("sha256")
    .update(JSON.stringify([content.payloadDigest, content.userData, content.ami, launch]))
    .digest("hex")
    .slice(0, 16);
}

/**
 * The secret by which a node proves its host key: bound to the slot and the generation, so that no other node and
 * no earlier generation can answer with it. Hex.
 */
export function hostKeyToken(fleetSecret: string, slotName: string, generation: string): string {
  return createHmac("sha256", fleetSecret).update(`${slotName}\n${generation}`).digest("hex");
}
