import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { wordsOf } from "../../fleet/errors";
import { markOf, type ProcessMark } from "../../system/process";
import { sourceFile } from "./source-file";

export interface MotoSettings {
  /** Public addresses for instances, in the order in which they are given out. */
  addresses: string[];
  /** Machine images by region, in the form of moto's own image files. */
  images: Record<string, object[]>;
}

export interface MotoServer extends ProcessMark {
  port: number;
  /** Resolves with the reason when the process ends, whoever ended it. */
  ended: Promise<string>;
  stop(): void;
}

/**
 * Starts moto and resolves once it listens. It lives as long as its standard input is open, so it cannot outlive this
 * process. Its own words go to this process's standard error.
 */
export async function startMoto(python: string, settings: MotoSettings): Promise<MotoServer> {
  const child = spawn(python, [sourceFile("moto", "serve.py")], {
    stdio: ["pipe", "pipe", "inherit"],
    env: environment(),
  });
  const ended = new Promise<string>((resolve) => {
    child.on("error", (error) => resolve(wordsOf(error)));
    child.on("exit", (code, signal) =>
      resolve(signal ? `ended by ${signal}` : `ended with exit code ${code ?? "unknown"}`),
    );
  });
  child.stdin.on("error", () => undefined);
  child.stdin.write(`${JSON.stringify(settings)}\n`);
  const firstLine = new Promise<string>((resolve) => createInterface(child.stdout).once("line", resolve));
  const line = await Promise.race([firstLine, ended.then((reason) => Promise.reject(new Error(`moto ${reason}`)))]);
  const { port } = JSON.parse(line) as { port: number };
  const mark = markOf(child.pid as number);
  if (mark === undefined) throw new Error(`moto ${await ended}`);
  return { ...mark, port, ended, stop: () => child.stdin.end() };
}

/** Nothing of the caller's: neither AWS settings nor Python ones reach the emulated AWS. */
function environment(): NodeJS.ProcessEnv {
  const kept = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT"];
  return {
    ...Object.fromEntries(kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))),
    PYTHONDONTWRITEBYTECODE: "1",
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_CONFIG_FILE: "/dev/null",
    AWS_SHARED_CREDENTIALS_FILE: "/dev/null",
    AWS_ACCESS_KEY_ID: "sandbox",
    AWS_SECRET_ACCESS_KEY: "sandbox",
    MOTO_ENABLE_KEYPAIR_VALIDATION: "true",
    MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION: "true",
  };
}
