import { once } from "node:events";
import { createReadStream } from "node:fs";
import { PassThrough } from "node:stream";
import { pack, type Headers, type Pack } from "tar-stream";
import { SpotError, wordsOf } from "../../fleet/errors";
import { again, spot } from "../../fleet/steps";
import { paths as layoutPaths } from "../../fleet/layout";
import { manifestText, type Payload, type PayloadEntry } from "../../fleet/node/payload";
import type { NodeConnection } from "./connection";
import { nodeProgram } from "./node-program";

export interface UploadOptions {
  /** Tests have their own. */
  paths?: NodePaths;
  /** Bytes of file content handed to the connection so far, and all of them. */
  onProgress?: (sent: number, total: number) => void;
  /** For the whole upload; from its size when not given. */
  deadlineMs?: number;
}

/** Where a node keeps its payload, and what tells that its deployment has begun. */
export type NodePaths = Pick<typeof layoutPaths, "upload" | "manifest" | "deploymentSteps" | "deploymentComplete">;

/** The command line of the node's side of an upload. @param digest the payload's */
export const receiving = (paths: NodePaths, digest: string): string =>
  nodeProgram("receive_upload", paths.upload, paths.manifest, paths.deploymentSteps, paths.deploymentComplete, digest);

/** What the receiver answers, one JSON line each (instance/client/receive_upload.py). */
type Answer =
  | { state: "ready" | "unchanged" | "stored" }
  | { state: "started" | "refused"; reason: string }
  | { state: "broken"; problems: string[] };

/** A minute, and then the slowest line that is still worth waiting for: 50 kB/s. A frozen peer is noticed far earlier. */
const deadlineFor = (bytes: number): number => 60_000 + bytes / 50;

/**
 * Sends the whole payload as one tar stream over one channel. The node proves every path, mode, size and sha256 against
 * the manifest before it puts anything in place; a broken upload leaves what was there before.
 * @returns "unchanged" when the node already holds exactly this payload (nothing was sent), else "stored".
 * @throws SpotError E_UPLOAD (each difference is named; an upload may be tried again), E_DEPLOYMENT when the node's
 *   deployment has started, E_PAYLOAD when a local file cannot be read or changed meanwhile, E_SSH.
 */
export async function uploadPayload(
  connection: NodeConnection,
  payload: Payload,
  { paths = layoutPaths, onProgress, deadlineMs }: UploadOptions = {},
): Promise<"stored" | "unchanged"> {
  const body = new PassThrough();
  const over = new AbortController();
  let sending: Promise<void> | undefined;
  let failure: SpotError | undefined;
  let heard = "";

  const onStdout = (chunk: Buffer): void => {
    heard += chunk.toString("utf8");
    if (sending !== undefined || !heard.includes("\n")) return;
    if (answersIn(heard)[0]?.state !== "ready") {
      sending = Promise.resolve();
      body.end();
      return;
    }
    const archive = pack();
    // Not pipe: that would destroy the channel's input with the archive, and the node would wait for more for ever.
    archive.on("data", (bytes: Buffer) => {
      if (body.write(bytes)) return;
      archive.pause();
      body.once("drain", () => archive.resume());
    });
    archive.on("end", () => body.end());
    sending = send(archive, payload, over.signal, (sent) => onProgress?.(sent, payload.size)).catch(
      (error: unknown) => {
        // The node then sees the stream end too early and throws away what it has.
        archive.destroy();
        body.end();
        if (!over.signal.aborted)
          failure = error instanceof SpotError ? error : new SpotError("E_PAYLOAD", wordsOf(error));
      },
    );
  };

  try {
    const { stdout, stderr } = await connection.run(receiving(paths, payload.manifest.digest), {
      stdin: body,
      onStdout,
      deadlineMs: deadlineMs ?? deadlineFor(payload.size),
    });
    return judge(answersIn(stdout).at(-1), failure, stderr);
  } finally {
    over.abort();
    await sending;
    body.destroy();
  }
}

function judge(answer: Answer | undefined, failure: SpotError | undefined, stderr: string): "stored" | "unchanged" {
  if (failure !== undefined) throw failure;
  switch (answer?.state) {
    case "stored":
    case "unchanged":
      return answer.state;
    case "started":
      throw new SpotError("E_DEPLOYMENT", {
        message: `The payload was not sent: ${answer.reason}.`,
        next: "Run `up`: it replaces a node whose payload is another one.",
        step: spot("up"),
      });
    case "refused":
      throw new SpotError("E_UPLOAD", { message: `The payload was not sent: ${answer.reason}.` });
    case "broken":
      throw new SpotError("E_UPLOAD", {
        message: `The upload did not arrive whole: ${answer.problems.length === 1 ? answer.problems.join() : `${answer.problems.length} differences`}.`,
        cause: answer.problems.join("; "),
      });
    default:
      throw new SpotError("E_UPLOAD", {
        message: "The node could not receive the upload.",
        cause: stderr.trim() || "It said nothing.",
      });
  }
}

/** Writes manifest.json and then every entry into the archive, at the pace at which they are taken. */
async function send(
  archive: Pack,
  { manifest, sources }: Payload,
  signal: AbortSignal,
  onSent: (sent: number) => void,
): Promise<void> {
  archive.entry({ name: "manifest.json", mode: 0o644, mtime: EPOCH }, manifestText(manifest));
  let sent = 0;
  for (const entry of manifest.entries) {
    if (entry.type !== "file") {
      archive.entry(headerOf(entry));
      continue;
    }
    const source = sources.get(entry.path);
    if (source === undefined) throw new SpotError("E_PAYLOAD", `The payload names no source for ${entry.path}.`);
    const slot = archive.entry(headerOf(entry));
    let failed: Error | undefined;
    slot.on("error", (error: Error) => (failed = error));
    let size = 0;
    const shown = Buffer.isBuffer(source) ? entry.path : source;
    const chunks: AsyncIterable<Buffer> | Buffer[] = Buffer.isBuffer(source)
      ? [source]
      : createReadStream(source, { signal });
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > entry.size) throw changedMeanwhile(shown);
      if (!slot.write(chunk)) await once(slot, "drain", { signal });
      if (failed !== undefined) throw failed;
      onSent((sent += chunk.length));
    }
    if (size < entry.size) throw changedMeanwhile(shown);
    slot.end();
  }
  archive.finalize();
}

/** The same payload makes the same stream. */
const EPOCH = new Date(0);

function headerOf(entry: PayloadEntry): Headers {
  const common = { name: entry.path, mtime: EPOCH };
  switch (entry.type) {
    case "file":
      return { ...common, type: "file", mode: Number.parseInt(entry.mode, 8), size: entry.size };
    case "directory":
      return { ...common, type: "directory", mode: Number.parseInt(entry.mode, 8) };
    case "link":
      return { ...common, type: "symlink", linkname: entry.target };
  }
}

function changedMeanwhile(source: string): SpotError {
  return new SpotError("E_PAYLOAD", {
    message: `${source} changed while it was being uploaded.`,
    next: "Run the command again when the file is at rest.",
    step: again(),
  });
}

function answersIn(text: string): Answer[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Answer];
      } catch {
        return []; // cut off by a lost connection
      }
    });
}
