import { writeFileSync } from "node:fs";
import path from "node:path";
import { newPair } from "../../automation/ssh/key-pair";

/** Writes a key pair of the user's own. Answers the lines under `aws:` that name it. */
export function writeOwnKey(folder: string): string[] {
  const file = path.join(folder, "own-key");
  const pair = newPair();
  writeFileSync(file, pair.private, { mode: 0o600 });
  writeFileSync(`${file}.pub`, pair.public);
  return [`private_ssh_key_path: ${file}`, `public_ssh_key_path: ${file}.pub`];
}
