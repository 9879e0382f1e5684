import { readFileSync } from "node:fs";
import path from "node:path";
import type { Session } from "../../session";
import { openDialPolicy, sandboxDialPolicy, type DialPolicy } from "../../ssh/dial";
import { openKnownHosts, type KnownHosts } from "../../ssh/known-hosts";

/** What this machine logs in with, on any node of a fleet. */
export interface SshAccess {
  username: string;
  privateKeyPath: string;
  privateKey: string;
  knownHosts: KnownHosts;
  dial: DialPolicy;
}

export function sshAccess(
  { target: { sandbox, scratch } }: Session,
  { username, privateKeyPath }: Pick<SshAccess, "username" | "privateKeyPath">,
): SshAccess {
  return {
    username,
    privateKeyPath,
    privateKey: readFileSync(privateKeyPath, "utf8"),
    knownHosts: openKnownHosts(path.join(scratch, "known_hosts")),
    dial: sandbox ? sandboxDialPolicy(sandbox.network) : openDialPolicy(),
  };
}
