import { readFileSync } from "node:fs";
import { SpotError } from "../fleet/errors";

/** What a line of authorized_keys begins with: the kind of the key, and the key. */
const KEY = /^(?:ssh|ecdsa|sk)-[\w@.-]+ [A-Za-z0-9+/]+=*(?=\s|$)/m;

/**
 * The public key of a file in OpenSSH's form: one line, without its comment.
 * @throws SpotError E_SSH_KEY for a file that cannot be read or holds none
 */
export function readPublicKey(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new SpotError("E_SSH_KEY", { message: `the SSH key ${file} cannot be read`, cause });
  }
  const [key] = KEY.exec(text) ?? [];
  if (key === undefined) throw new SpotError("E_SSH_KEY", { message: `${file} holds no public SSH key` });
  return key;
}
