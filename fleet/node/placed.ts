import { layout, paths, placed, type PlacedRow } from "../layout";
import { endOfLinks, type Manifest } from "./payload";

/** A file that a node must have outside the upload root. */
export interface PlacedFile {
  path: string;
  /** As `stat -c %a` shows it. */
  mode: string;
  owner: string;
  /** Hex, where the content is known before it is written. Absent: another check knows it, or it grows. */
  sha256?: string;
}

/**
 * The files of the payload that a deployment copies to where they are used, with their place, mode and content: what
 * instance/placed.json says of this payload. Of units the payload has more than a deployment installs.
 * @param check id of the check that compares them
 */
export function copiesOf({ entries }: Manifest, check: string): PlacedFile[] {
  const contents = new Map(entries.flatMap((entry) => (entry.type === "file" ? [[entry.path, entry.sha256]] : [])));
  const links = new Map(entries.flatMap((entry) => (entry.type === "link" ? [[entry.path, entry.target]] : [])));
  const end = (path: string): string => {
    const found = endOfLinks(path, links);
    return typeof found === "string" ? path : found.path;
  };
  return placed.files
    .filter((row) => row.check === check && row.content?.includes("/"))
    .flatMap((row) => {
      const [folder, pattern] = splitLast(row.content ?? "");
      return entries.flatMap((entry): PlacedFile[] => {
        const [parent, name] = splitLast(entry.path);
        const sha256 = contents.get(end(entry.path));
        if (parent !== end(folder) || sha256 === undefined || !isMatch(pattern, name)) return [];
        const path = pattern.includes("*") ? `${paths[row.place]}/${name}` : paths[row.place];
        return [{ path, mode: row.mode, owner: placed.owner, sha256 }];
      });
    });
}

/** Those whose content is not the payload's: of which mode they are, where they are. @param check as for `copiesOf` */
export const rowsOf = (check: string): PlacedRow[] =>
  placed.files.filter((row) => row.check === check && !row.content?.includes("/"));

/** The row that a path on a node belongs to; undefined: nothing of ours is put there. */
export const rowAt = (path: string): PlacedRow | undefined =>
  placed.files.find(
    ({ place, below, content }) => (below || content?.includes("*") ? splitLast(path)[0] : path) === paths[place],
  );

/** Our own directories on a node, with the mode that they have. */
export const ownDirectories: readonly { path: string; mode: string }[] = [
  ...layout.directories.filter(({ kind }) => kind === "own"),
  ...placed.files.flatMap(({ place, below }) => (below ? [{ path: paths[place], mode: "755" }] : [])),
];

const isMatch = (pattern: string, name: string): boolean =>
  pattern.startsWith("*") ? name.endsWith(pattern.slice(1)) : name === pattern;

function splitLast(path: string): [string, string] {
  const cut = path.lastIndexOf("/");
  return [path.slice(0, Math.max(0, cut)), path.slice(cut + 1)];
}
