import { createHash } from "node:crypto";

/** One thing that is uploaded. `path` is relative to the upload root, with `/`; modes are octal text. */
export type PayloadEntry =
  | { path: string; type: "file"; mode: "0755" | "0644" | "0600"; size: number; sha256: string }
  | { path: string; type: "directory"; mode: "0755" }
  | { path: string; type: "link"; target: string };

/** manifest.json: travels with the upload, and the node compares itself with it at any time. */
export interface Manifest {
  version: 1;
  digest: string;
  /** In the byte order of the paths' UTF-8. */
  entries: PayloadEntry[];
}

/** Everything that reaches a node besides its user data. */
export interface Payload {
  manifest: Manifest;
  /** A file entry's content, by the entry's path: an absolute path on this machine, or the bytes themselves. */
  sources: ReadonlyMap<string, string | Buffer>;
  /** Bytes of all files together. */
  size: number;
}

/** Above this an upload to every node takes too long to be meant; large data belongs in a store. Bytes. */
export const MAX_PAYLOAD_SIZE = 500_000_000;

/** Where the payload lies on a node. */
export const UPLOAD_ROOT = "/opt/uploaded_files";

/** What user data starts once the upload is complete (instance/cloud-init/user-data.yaml). */
export const DEPLOYMENT_SCRIPT = "scripts/deploy_services.py";

/** Is this entry a unit that the deployment installs? */
export function isUnit(path: string): boolean {
  return /^(services|files\/systemd)\/[^/]+\.service$/.test(path);
}

/**
 * What a unit names below the upload root and no entry is: it would fail, or be skipped in silence, at boot. Left out
 * are comments, paths that systemd completes (`%`) and those marked as optional (`-`).
 */
export function missingPaths(unit: string, entries: readonly Pick<PayloadEntry, "path">[]): string[] {
  const text = unit.replace(/^\s*[#;].*$/gm, "");
  const named = [...text.matchAll(new RegExp(`(?<![-\\w/])${UPLOAD_ROOT}/([^\\s"';:]+)`, "g"))].map((match) => (match[1] as string).replace(/\/$/, ""));
  return [...new Set(named)].filter((name) => !name.includes("%") && !entries.some(({ path }) => path === name || path.startsWith(`${name}/`)));
}

/** The manifest of these entries, whatever their order. */
export function manifestOf(entries: readonly PayloadEntry[]): Manifest {
  const ordered = [...entries].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  return { version: 1, digest: digestOf(ordered), entries: ordered };
}

/** The text of manifest.json. */
export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(manifest)}\n`;
}

/**
 * One name for a whole payload: sha256 over its entries in the byte order of their paths, each as JSON with sorted keys
 * and without spaces, joined by newlines. The node computes the same (instance/scripts/manifest.py). Times, owners and
 * the umask are no part of an entry, so they change nothing.
 */
function digestOf(ordered: readonly PayloadEntry[]): string {
  const lines = ordered.map((entry) => JSON.stringify(Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))));
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

/**
 * Why a file of this name cannot be uploaded, as a predicate; nothing when it can. A control character would break the
 * line-wise records on the node; a name that is not NFC looks like another one and differs between file systems.
 */
export function nameProblem(name: string): string | undefined {
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(name)) return "has a control character or a line break in its name";
  if (name !== name.normalize("NFC")) return "has a name that is not in Unicode's composed form (NFC); rename it";
  return undefined;
}

/**
 * Where a symbolic link leads, judged by names alone, so that it holds wherever the tree lies.
 * @param path the link's path, relative to the root of its tree
 * @param links every link of the tree: path -> target
 * @returns `inside` also when nothing is there; `leaves` when any step of the way is outside; `circle` when it has no end
 */
export function whereLinkLeads(path: string, links: ReadonlyMap<string, string>): "inside" | "leaves" | "circle" {
  const at: string[] = [];
  const todo = path.split("/");
  // Linux gives up after 40 links too (ELOOP).
  for (let followed = 0; todo.length > 0; ) {
    const step = todo.shift() as string;
    if (step === "" || step === ".") continue;
    if (step === "..") {
      if (at.pop() === undefined) return "leaves";
      continue;
    }
    at.push(step);
    const target = links.get(at.join("/"));
    if (target === undefined) continue;
    if (++followed > 40) return "circle";
    if (target.startsWith("/")) return "leaves";
    at.pop();
    todo.unshift(...target.split("/"));
  }
  return "inside";
}
