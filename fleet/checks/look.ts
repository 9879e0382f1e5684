import { shellQuote } from "../text/shell-quote";
import type { PlacedFile } from "../node/placed";
import { firstLine } from "./expectations";
import type { CommandOutput } from "./types";

/** What lies at a path of a node. */
export interface Seen {
  /** As find(1) says it: `f` file, `d` directory, `l` link, … */
  kind: string;
  owner: string;
  /** As `stat -c %a` shows it. */
  mode: string;
  /** Of a link. */
  target: string;
  /** Of a file, hex. */
  sha256?: string;
}

/** What a look found, by path; and of what it did not, why. */
export interface Look {
  seen: ReadonlyMap<string, Seen>;
  /** Why a path was not seen: `missing`, or the node's words. */
  whyNot: (path: string) => string;
}

const FORMAT = "%y\\t%u\\t%m\\t%l\\t%p\\n";
/** Paths of one listing: below a place of ours there are dozens. */
const LISTED = 500;

/** Looks at these paths, by root, so that a folder that is closed to others hides nothing. Links are not followed. */
export const lookAt = (paths: readonly string[]): string =>
  `sudo -n find ${paths.map(shellQuote).join(" ")} -maxdepth 0 -printf '${FORMAT}' -type f -exec sha256sum {} +`;

/** Looks at all that is in these folders, at any depth; not at what files hold. */
export const lookBelow = (folders: readonly string[]): string =>
  `sudo -n find ${folders.map(shellQuote).join(" ")} -mindepth 1 -printf '${FORMAT}' | head -n ${LISTED}`;

/** Reads what `lookAt` and `lookBelow` printed. */
export function lookOf({ stdout, stderr }: Pick<CommandOutput, "stdout" | "stderr">): Look {
  const seen = new Map<string, Seen>();
  for (const line of stdout.split("\n")) {
    const [kind = "", owner = "", mode = "", target = "", path] = line.split("\t");
    if (path !== undefined) seen.set(path, { kind, owner, mode, target });
  }
  for (const [, sha256, path] of stdout.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm)) {
    const found = seen.get(path ?? "");
    if (found !== undefined && sha256 !== undefined) found.sha256 = sha256;
  }
  // In the quotes of the node's locale.
  const reasons = new Map(
    [...stderr.matchAll(/^find: ['‘`](.+)['’]: (.+)$/gm)].map(([, path, reason]) => [path, reason] as const),
  );
  return {
    seen,
    whyNot(path) {
      const reason = reasons.get(path) ?? firstLine(stderr);
      return reason === "No such file or directory" || reason === "nothing"
        ? "missing"
        : `cannot be looked at: ${reason}`;
    },
  };
}

const KINDS = { f: "a file", d: "a directory" };
const nameOf = ({ kind, target }: Seen): string => {
  if (kind === "l") return `a link to ${target}`;
  return kind === "f" || kind === "d" ? KINDS[kind] : "something else";
};

/** By anybody but the owner. */
const isReadable = (mode: string): boolean => (Number.parseInt(mode, 8) & 0o044) !== 0;

/** How something differs from what it must be, as `/path: …`; undefined when it does not. */
export function differenceOf(
  { path, owner, mode, sha256 }: PlacedFile,
  { seen, whyNot }: Look,
  kind: keyof typeof KINDS = "f",
  origin?: string,
): string | undefined {
  const found = seen.get(path);
  if (found === undefined) return `${path}: ${whyNot(path)}`;
  if (found.kind !== kind) return `${path}: ${nameOf(found)}, not ${KINDS[kind]}`;
  const isOpen = !isReadable(mode) && isReadable(found.mode);
  const differences = [
    ...(found.owner === owner ? [] : [`owner ${found.owner}, not ${owner}`]),
    ...(found.mode === mode ? [] : [`mode ${found.mode}, not ${mode}${isOpen ? ", so that others can read it" : ""}`]),
    ...(sha256 === undefined || found.sha256 === sha256 ? [] : [`differs from ${origin ?? "what was put there"}`]),
  ];
  return differences.length === 0 ? undefined : `${path}: ${differences.join("; ")}`;
}

/** The folders on the way to a path, the root first. */
export function waysTo(paths: readonly string[]): string[] {
  const above = paths.flatMap((path) => {
    const parts = path.split("/").slice(1, -1);
    return ["/", ...parts.map((_, n) => `/${parts.slice(0, n + 1).join("/")}`)];
  });
  return [...new Set(above)];
}

/** The folders on the way to these paths that let nobody but their owner through: what is in them looks missing to others. */
export function barriersTo(paths: readonly string[], { seen }: Look): string[] {
  return waysTo(paths).flatMap((folder) => {
    const found = seen.get(folder);
    if (found?.kind !== "d" || /[1357]$/.test(found.mode)) return [];
    return [`${folder}: mode ${found.mode} keeps all but ${found.owner} from what is in it`];
  });
}
