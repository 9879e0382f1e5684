import { spawn } from "node:child_process";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";

/** A way to a node whose host key is pinned and whose address the dial policy allowed. */
export interface Login {
  instanceId: string;
  address: string;
  username: string;
  privateKeyPath: string;
  /** The known_hosts file that holds this node's key alone, under its instance id. */
  knownHostsFile: string;
}

/** Arguments of OpenSSH's client: this key, this host key, and nothing of the user's own configuration. */
export function sshArguments({ instanceId, address, username, privateKeyPath, knownHostsFile }: Login): string[] {
  const options = {
    UserKnownHostsFile: `"${knownHostsFile}"`,
    GlobalKnownHostsFile: "/dev/null",
    HostKeyAlias: instanceId,
    HostKeyAlgorithms: "ssh-ed25519",
    StrictHostKeyChecking: "yes",
    UpdateHostKeys: "no",
    IdentitiesOnly: "yes",
    ServerAliveInterval: "15",
  };
  return [
    "-F",
    "/dev/null",
    "-i",
    privateKeyPath,
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    `${username}@${address}`,
  ];
}

export interface SshRun {
  command: string | undefined;
  /** Its standard input: this program's own, or one that says nothing and stays open for as long as this program lives. */
  stdin: "terminal" | "open";
  env: NodeJS.ProcessEnv;
}

/**
 * Runs `ssh` in the user's terminal and answers with its exit code; 255 is ssh's own.
 * @throws SpotError E_SSH when the machine has no `ssh`
 */
export function runSsh(login: Login, { command, stdin, env }: SshRun): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn("ssh", [...sshArguments(login), ...(command === undefined ? [] : ["--", command])], {
      stdio: [stdin === "open" ? "pipe" : "inherit", "inherit", "inherit"],
      env,
    });
    child.once("error", (cause) =>
      reject(
        new SpotError("E_SSH", {
          message: "`ssh` cannot be started on this machine",
          cause,
          next: "Install OpenSSH's client.",
          step: outside("install-tool", again()),
        }),
      ),
    );
    child.once("close", (code) => resolve(code ?? 255));
  });
}
