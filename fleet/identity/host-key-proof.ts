import { createHmac } from "node:crypto";

/**
 * What a node writes beside its host key, and what the client recomputes for the key that it was offered: who knows the
 * node's token vouches that this key belongs to this instance.
 * @param token the node's token, a hex string; its characters (not its decoded bytes) are the key.
 * @param instanceId for example `i-0abc…`, so that a proof copied to another instance is worthless.
 * @param hostKeyBase64 the second field of the public key line.
 * @returns lower-case hex of HMAC-SHA256.
 */
export function hostKeyProof(token: string, instanceId: string, hostKeyBase64: string): string {
  return createHmac("sha256", token).update(`${instanceId}\n${hostKeyBase64}`).digest("hex");
}
