import { spawn, type ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { wordsOf } from "../../fleet/errors";
import { FileMemo } from "../../system/file-memo";
import { endGroup } from "../../system/process";

/** A provider that is installed, and what is expected of it. */
export interface InstalledProvider {
  /** Path of its executable. */
  file: string;
  /** The version that it is installed as, without "v". */
  version: string;
}

export interface ProbeOptions {
  /** The engine's environment. */
  env: NodeJS.ProcessEnv;
  /** Where what was found out is kept, so that each provider is started for this once. */
  memoFile: string;
  signal?: AbortSignal;
  timeoutMs?: number;
}

/** Cold, from a slow disk, the official one takes about ten seconds; the engine itself would wait for ever. */
const TIMEOUT_MS = 60_000;
/** The official one has hundreds of megabytes. What is small is a script: it may start another program tomorrow. */
const SMALLEST_REMEMBERED_BYTES = 1024 * 1024;
/** How much of what it says goes into a message. */
const SAID = 600;

/**
 * Starts a provider as the engine does and asks it for its version: it is in the right folder, but what is in there came
 * from an archive that somebody named. Versions below 7 have no region of their own for each resource, and would make all in one.
 * @throws Error with the reason, when it cannot be started, is another one, or was not asked to the end
 */
export async function probeProvider({ file, version }: InstalledProvider, options: ProbeOptions): Promise<void> {
  const memo = new FileMemo<string>(options.memoFile);
  const reported = await memo.about(file, () => versionOf(file, options), SMALLEST_REMEMBERED_BYTES);
  if (!isOfVersion(reported, version))
    throw new Error(`${file} says that it is version ${reported}; what is needed is ${version}`);
}

/** Builds without a version of their own say none, or 0. */
function isOfVersion(reported: string, wanted: string): boolean {
  const core = /^v?(\d+)\.\d+\.\d+/.exec(reported);
  return core === null || core[1] === "0" || core[0].replace(/^v/, "") === wanted;
}

async function versionOf(file: string, { env, signal, timeoutMs = TIMEOUT_MS }: ProbeOptions): Promise<string> {
  // Its only argument is the engine's address, to which it connects once it has something to say.
  const child = spawn(file, ["127.0.0.1:1"], { env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const stop = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]);
  const stopped = new Promise<never>((_, reject) => {
    const end = (): void =>
      reject(new Error(signal?.aborted ? "interrupted" : `${file} did not answer within ${timeoutMs / 1000} s`));
    if (stop.aborted) end();
    else stop.addEventListener("abort", end, { once: true });
  });
  try {
    return await Promise.race([askVersion(file, child), stopped]);
  } finally {
    if (child.pid !== undefined) endGroup(child.pid);
  }
}

async function askVersion(file: string, child: ChildProcess): Promise<string> {
  const port = await portOf(file, child);
  const [{ Client, credentials }, { default: messages }] = await Promise.all([
    import("@grpc/grpc-js"),
    import("@pulumi/pulumi/proto/plugin_pb.js"),
  ]);
  // A proxy of the user's leads elsewhere.
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), { "grpc.enable_http_proxy": 0 });
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        "/pulumirpc.ResourceProvider/GetPluginInfo",
        () => Buffer.alloc(0),
        (bytes) => messages.PluginInfo.deserializeBinary(bytes).getVersion(),
        undefined,
        (error, reported) =>
          error
            ? reject(new Error(`${file} does not answer as a provider: ${error.details}`))
            : resolve(reported ?? ""),
      );
    });
  } finally {
    client.close();
  }
}

/** The first line of its output is the port that it listens on. */
function portOf(file: string, child: ChildProcess): Promise<number> {
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said = (said + text).slice(-SAID)));
  return new Promise((resolve, reject) => {
    const refuse = (why: string): void => reject(new Error([`${file} ${why}`, said.trim()].filter(Boolean).join(": ")));
    child.on("error", (error) => refuse(`cannot be started: ${wordsOf(error)}`));
    child.on("close", (code, signal) =>
      refuse(`ended (${signal ?? `exit code ${code ?? "unknown"}`}) before it could be asked`),
    );
    if (child.stdout)
      createInterface(child.stdout).once("line", (line) => {
        if (/^\d+$/.test(line.trim())) resolve(Number(line));
        else refuse(`is no provider: it printed ${JSON.stringify(line.slice(0, SAID))} in place of its port`);
      });
  });
}
