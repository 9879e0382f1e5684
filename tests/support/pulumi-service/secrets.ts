import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { refusals } from "./refusal";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts the secrets of one stack with a key that nothing else has: nonce, ciphertext, tag; all of it in base64. */
export class SecretKey {
  private readonly key = randomBytes(32);

  encrypt(plaintext: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv("aes-256-gcm", this.key, nonce);
    const sealed = Buffer.concat([cipher.update(plaintext, "base64"), cipher.final()]);
    return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString("base64");
  }

  /** Refuses what another stack's key encrypted, and what was altered. */
  decrypt(ciphertext: string): string {
    const bytes = Buffer.from(ciphertext, "base64");
    if (bytes.length < NONCE_BYTES + TAG_BYTES) throw refusals.undecipherable();
    const decipher = createDecipheriv("aes-256-gcm", this.key, bytes.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    try {
      const opened = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
      return Buffer.concat([opened, decipher.final()]).toString("base64");
    } catch {
      throw refusals.undecipherable();
    }
  }
}
