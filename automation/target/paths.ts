import os from "node:os";
import path from "node:path";

/** The places on the user's machine, by the XDG base directory specification; all absolute. */
export interface Paths {
  /** May be deleted at any time: Pulumi CLI, moto, the sandbox's root image. */
  cache: string;
  /** Keys and passphrases, one folder per lineage. Deleting it loses access to running nodes. */
  config: string;
  /** State of file backends and of sandboxes. */
  state: string;
}

export function pathsOf(env: NodeJS.ProcessEnv): Paths {
  const home = env.HOME ?? os.homedir();
  const place = (variable: string, fallback: string) =>
    path.join(path.resolve(env[variable] || path.join(home, fallback)), "spot-deployer");
  return {
    cache: place("XDG_CACHE_HOME", ".cache"),
    config: place("XDG_CONFIG_HOME", ".config"),
    state: place("XDG_STATE_HOME", ".local/state"),
  };
}
