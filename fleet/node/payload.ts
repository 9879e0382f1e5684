import { createHash } from "node:crypto";
import { posix } from "node:path";
import { paths } from "../layout";

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

/** The path in the payload of something whose place on a node is inside the upload root. */
export const inPayload = (onNode: string): string => posix.relative(paths.upload, onNode);

/** What user data starts once the upload is complete (instance/cloud-init/user-data.yaml), in the payload. */
export const DEPLOYMENT_SCRIPT = inPayload(paths.deploymentScript);

/** The contract of a node's layout in the payload: beside the scripts' folder, as in instance/. */
export const LAYOUT_FILE = "layout.json";

/** Is this entry a unit that the deployment installs? */
export function isUnit(path: string): boolean {
  return /^(services|files\/systemd)\/[^/]+\.service$/.test(path);
}

/** The keys of a unit whose value is a command; before its program may stand how to run it. */
const COMMANDS = /^Exec(Condition|StartPre|Start|StartPost|Reload|Stop|StopPost)$/;
const COMMAND_MARKS = /^[-@:+!]+/;
const WORD = /"([^"]*)"|'([^']*)'|(\S+)/g;
/** A word that is or ends in a path of the payload. One with patterns, variables or systemd's `%` is for those who fill them in. */
const NAMED = new RegExp(`^(?:[\\w-]+=)?(${paths.upload}(?:/[^\\s$%*?;|&<>\\\\"']*)?)$`);

/**
 * Which paths below the upload root a unit names in vain: no entry is there, so that it would fail or be skipped in
 * silence at boot, or a folder is where a program is asked for. Paths marked as optional (`-`) are left out.
 * The node judges alike (instance/scripts/deployment_steps/units.py).
 */
export function unitFaults(unit: string, entries: readonly Pick<PayloadEntry, "path" | "type">[]): string[] {
  const kinds = kindsOf(entries);
  const kindOf = (path: string): PayloadEntry["type"] | undefined => kinds.get(path.replace(/\/+$/, ""));
  const faults = [...unit.replace(/\\\n/g, " ").matchAll(/^\s*(\w+)\s*=(.*)$/gm)].flatMap(([, key = "", value = ""]) =>
    [...value.matchAll(WORD)].flatMap(([, double, single, bare], position) => {
      const runs = position === 0 && COMMANDS.test(key);
      const word = double ?? single ?? bare ?? "";
      const whole = runs ? word.replace(COMMAND_MARKS, "") : word;
      return (kindOf(whole) === undefined ? whole.split(/\s+/) : [whole]).flatMap((part) => {
        const path = NAMED.exec(part)?.[1];
        if (path === undefined) return [];
        if (kindOf(path) === undefined) return [`${key} names ${path}, which is not uploaded`];
        return runs && kindOf(path) === "directory" ? [`${key} names ${path}, a folder: only a file can be run`] : [];
      });
    }),
  );
  return [...new Set(faults)];
}

/** What is at each path on a node: the upload root, the entries, and the folders that they lie in. */
function kindsOf(entries: readonly Pick<PayloadEntry, "path" | "type">[]): Map<string, PayloadEntry["type"]> {
  const kinds = new Map<string, PayloadEntry["type"]>([[paths.upload, "directory"]]);
  for (const { path, type } of entries) {
    for (let end = path.indexOf("/"); end > 0; end = path.indexOf("/", end + 1))
      kinds.set(`${paths.upload}/${path.slice(0, end)}`, "directory");
    kinds.set(`${paths.upload}/${path}`, type);
  }
  return kinds;
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
  const lines = ordered.map((entry) =>
    JSON.stringify(Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))),
  );
  return createHash("sha256").update(lines.join("\n")).digest("hex");
}

/**
 * Why a file of this name cannot be uploaded, as a predicate; nothing when it can. A control character would break the
 * line-wise records on the node; a name that is not NFC looks like another one and differs between file systems.
 */
export function nameProblem(name: string): string | undefined {
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(name))
    return "has a control character or a line break in its name";
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
  const end = endOfLinks(path, links);
  return typeof end === "string" ? end : "inside";
}

/**
 * A path with every link in it followed. @param path, @param links as for `whereLinkLeads`
 * @returns the path without links, whether or not something is there; or why there is none
 */
export function endOfLinks(path: string, links: ReadonlyMap<string, string>): { path: string } | "leaves" | "circle" {
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
  return { path: at.join("/") };
}
