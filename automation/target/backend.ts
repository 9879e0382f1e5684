import { mkdirSync } from "node:fs";
import path from "node:path";
import { BACKEND_FORMS, BACKEND_URL } from "../../fleet/config/backend";
import { SpotError } from "../../fleet/errors";
import { again, outside } from "../../fleet/steps";
import type { Paths } from "./paths";

interface Place {
  env: NodeJS.ProcessEnv;
  /** The folder of Pulumi.yaml. */
  projectDir: string;
}

/**
 * Where the stacks of AWS are kept: the environment's choice, that of config.yaml, or a folder of this user, which is made.
 * @param configured `backend:` of config.yaml
 * @returns its URL
 */
export function awsBackend({
  env,
  configured,
  paths,
  projectDir,
}: Place & { configured: string | undefined; paths: Paths }): string {
  const chosen = env.PULUMI_BACKEND_URL || configured;
  if (chosen) return absolute(chosen, projectDir);
  const folder = path.join(paths.state, "backend");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return `file://${folder}`;
}

interface SandboxBackend {
  url: string;
  /** The folder that it is, where that is the sandbox's own. It goes with what the sandbox holds, so it is not made here. */
  folder?: string;
  /** The user's login at a service that keeps states; it is none of a sandbox's otherwise. */
  token: string | undefined;
  /** Name of the folder in the sandbox's home that holds the keys of these stacks. */
  keys: "keys" | "keys-of-kept-stacks";
}

/**
 * Where the stacks of a sandbox are kept: in its home, or in the backend that the user wants to rehearse with. What is set
 * for work on AWS (PULUMI_BACKEND_URL, `backend:`) does not count here. Stacks that are kept elsewhere outlive the sandbox,
 * and so do their keys.
 * @throws SpotError E_USAGE
 */
export function sandboxBackend({ home, env, projectDir }: Place & { home: string }): SandboxBackend {
  const chosen = env.SPOT_SANDBOX_BACKEND;
  if (!chosen) {
    const folder = path.join(home, "backend");
    return { url: `file://${folder}`, folder, token: "", keys: "keys" };
  }
  if (!BACKEND_URL.test(chosen))
    throw new SpotError("E_USAGE", {
      message: `SPOT_SANDBOX_BACKEND is ${chosen}; it takes ${BACKEND_FORMS}`,
      next: "Correct or unset it.",
      step: outside("set-environment", again()),
    });
  return {
    url: absolute(chosen, projectDir),
    token: /^https?:/.test(chosen) ? env.PULUMI_ACCESS_TOKEN : "",
    keys: "keys-of-kept-stacks",
  };
}

/** A relative folder is one of the project's, where the engine works; it says so to whoever works elsewhere, too. */
function absolute(url: string, projectDir: string): string {
  const [, folder, query = ""] = /^file:\/\/(?!~|\/)([^?]*)(.*)$/.exec(url) ?? [];
  return folder === undefined ? url : `file://${path.resolve(projectDir, folder)}${query}`;
}
