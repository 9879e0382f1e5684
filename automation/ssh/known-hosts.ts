import { randomBytes } from "node:crypto";
import { link, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";

const KEY_TYPE = "ssh-ed25519";

/**
 * Proven host keys, pinned under the instance id: EC2 gives one address to many instances in turn.
 *
 * One file per instance, each in OpenSSH's known_hosts form, because a file of its own can be made by one atomic step
 * (`link` refuses when the name exists) and removed by another: any number of nodes and of processes pin and forget at
 * once without a lock, and the first pin of an instance stays.
 */
export interface KnownHosts {
  /** The pinned key (base64, the second field of a public key line), or undefined when none is pinned. */
  lookup(instanceId: string): Promise<string | undefined>;
  /** Pins a proven key. Pinning the same key again changes nothing; another key is refused with E_HOST_KEY. */
  pin(instanceId: string, keyBase64: string): Promise<void>;
  /** Forgets an instance that has ended. */
  forget(instanceId: string): Promise<void>;
  /** The file for `ssh -o UserKnownHostsFile=… -o HostKeyAlias=<instance id>`. */
  file(instanceId: string): string;
}

/** Opens the folder of pinned keys; it is made when the first key is pinned. */
export function openKnownHosts(directory: string): KnownHosts {
  const file = (instanceId: string): string => {
    // The id becomes a file name.
    if (!/^i-[0-9a-z]+$/.test(instanceId)) throw new SpotError("E_HOST_KEY", `"${instanceId}" is not an instance id.`);
    return join(directory, instanceId);
  };

  async function lookup(instanceId: string): Promise<string | undefined> {
    const path = file(instanceId);
    const line = await readFile(path, "utf8").catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new SpotError("E_HOST_KEY", { message: `The pinned host key ${path} cannot be read.`, cause: error });
    });
    if (line === undefined) return undefined;
    const [alias, type, key] = line.trim().split(/\s+/);
    if (alias !== instanceId || type !== KEY_TYPE || key === undefined) {
      throw new SpotError("E_HOST_KEY", {
        message: `${path} is not a known_hosts line for ${instanceId}.`,
        next: "Delete that file if you know why it was changed: the key is proven again at the next contact.",
        step: outside("correct-file", again()),
      });
    }
    return key;
  }

  return {
    lookup,
    file,
    async pin(instanceId, keyBase64) {
      const path = file(instanceId);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const whole = join(directory, `.${instanceId}.${randomBytes(6).toString("hex")}`);
      try {
        await writeFile(whole, `${instanceId} ${KEY_TYPE} ${keyBase64}\n`, { flag: "wx", mode: 0o600, flush: true });
        await link(whole, path).catch(async (error: unknown) => {
          if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
          if ((await lookup(instanceId)) !== keyBase64) throw changedKey(instanceId);
        });
      } finally {
        await rm(whole, { force: true });
      }
    },
    async forget(instanceId) {
      await rm(file(instanceId), { force: true });
    },
  };
}

/** What is said when an instance shows another key than the pinned one. */
export function changedKey(instanceId: string): SpotError {
  return new SpotError("E_HOST_KEY", {
    message: `${instanceId} shows another host key than the one that was proven before.`,
    cause: "Something else answers at its address, or the node's host key was made anew.",
  });
}
