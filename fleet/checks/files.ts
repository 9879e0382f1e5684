import { paths } from "../layout";
import { inPayload, manifestText, type Manifest, type PayloadEntry } from "../node/payload";
import { barriersTo, differenceOf, lookAt, lookOf, waysTo } from "./look";
import type { Check, CommandOutput, DirectoryExpectation, Verdict } from "./types";
import {
  expectAll,
  expectEqual,
  fieldOf,
  firstLine,
  lastLine,
  joinList,
  REPLACE_BY_LOG,
  QUICK,
  REPLACE,
  SLOW,
  sumsOf,
  replacing,
  correctPayload,
} from "./expectations";

/** D: what lies on the disk. */
export const fileChecks: readonly Check[] = [
  {
    id: "D1",
    title: "upload root: owner and mode",
    phase: "files",
    where: "node",
    needs: ["B3"],
    after: ["C1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => lookAt([...waysTo([paths.upload]), paths.upload]),
    judge(output, { username }) {
      const verdict = judgeDirectories([{ path: paths.upload, owner: username, mode: "755" }], output);
      const look = lookOf(output);
      const canBeRead = look.seen.get(paths.upload)?.kind === "d" && barriersTo([paths.upload], look).length === 0;
      // What lies in it is there whosever it is.
      return canBeRead ? { ...verdict, blocks: [] } : verdict;
    },
    cause: "cloud-init did not come to the end of the user data, or the folder was changed since.",
    ...replacing("Where C2 fails as well, correct what it names first."),
  },
  {
    id: "D2",
    title: "every file of the payload",
    phase: "files",
    where: "node",
    needs: ["D1"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: SLOW,
    command: () =>
      `sudo -n find ${paths.upload} -mindepth 1 -printf '%y\\t%u\\t%04m\\t%s\\t%l\\t%P\\n' && echo && sudo -n find ${paths.upload} -type f -exec sha256sum -z {} + | tr '\\0' '\\n'`,
    judge: ({ stdout }, { manifest, username }) => {
      const found = treeOf(stdout);
      return expectAll([...manifest.entries, MANIFEST, ...foldersOf(manifest)], (entry) =>
        differenceIn(entry, found, username),
      );
    },
    cause: "The upload was changed on the node after it was verified, or never came.",
    ...REPLACE,
  },
  {
    id: "D3",
    title: "nothing foreign among the payload",
    phase: "files",
    where: "node",
    needs: ["D1"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: QUICK,
    command: () => `sudo -n find ${paths.upload} -mindepth 1 -printf '%P\\n'`,
    judge: ({ stdout }, { manifest }) => {
      const ours = new Set(["manifest.json", ...manifest.entries.flatMap(({ path }) => [path, ...parentsOf(path)])]);
      const foreign = stdout.split("\n").filter((path) => path !== "" && !ours.has(path));
      return {
        ok: foreign.length === 0,
        expected: "only what was uploaded",
        actual: joinList(foreign) || "only what was uploaded",
      };
    },
    cause: "Something on the node writes into the upload root.",
    ...correctPayload(
      "Let it write elsewhere; then `up` replaces the node. What was put there by hand goes with `replace NODE`.",
    ),
  },
  {
    id: "D4",
    title: "application directories",
    phase: "files",
    where: "node",
    needs: ["E2"],
    severity: "fail",
    deadlineMs: QUICK,
    command: ({ directories }) => {
      const all = directories.map(({ path }) => path);
      return lookAt([...new Set([...waysTo(all), ...all])]);
    },
    judge: (output, { directories }) => judgeDirectories(directories, output),
    cause: "The deployment's step `directories` did not run, or something removed them.",
    ...REPLACE_BY_LOG,
  },
  {
    id: "D5",
    title: "payload is the desired one",
    phase: "files",
    where: "node",
    needs: ["D1"],
    severity: "fail",
    ofDesired: true,
    deadlineMs: QUICK,
    command: () => `sudo -n cat ${paths.manifest}`,
    judge: ({ stdout, stderr }, { manifest }) => {
      const digest = fieldOf(stdout, "digest") ?? firstLine(stderr);
      const isWhole = stdout === manifestText(manifest);
      return expectEqual(
        manifest.digest,
        digest === manifest.digest && !isWhole ? `${digest}, but with other entries` : digest,
      );
    },
    cause: "Files changed since the node was deployed, or its manifest was changed there.",
    ...replacing("Where your files changed, `up` brings them to every node."),
  },
  {
    id: "D6",
    title: "scripts compile under the node's Python",
    phase: "files",
    where: "node",
    needs: ["D2"],
    severity: "fail",
    deadlineMs: SLOW,
    command: () =>
      `python3 -c 'import glob; [compile(open(p, "rb").read(), p, "exec") for p in glob.glob("${paths.upload}/scripts/*.py") + glob.glob("${paths.upload}/scripts/deployment_steps/*.py")]'`,
    judge: ({ code, stderr }) => ({
      ok: code === 0,
      expected: "no error",
      actual: code === 0 ? "no error" : lastLine(stderr),
    }),
    cause: "A script needs a newer Python than the image has.",
    ...correctPayload("Correct the script, or choose another `image`; then `up` replaces the node."),
  },
];

/** Each has its owner and mode, and nothing on the way to it keeps others out. */
function judgeDirectories(directories: readonly DirectoryExpectation[], output: CommandOutput): Verdict {
  const look = lookOf(output);
  const barriers = barriersTo(
    directories.map(({ path }) => path),
    look,
  );
  const things = [...barriers, ...directories.map((directory) => differenceOf(directory, look, "d"))];
  const verdict = expectAll(things, (problem) => problem);
  return {
    ...verdict,
    expected: joinList(directories.map(({ path, owner, mode }) => `${path} ${owner} ${mode}`)),
    ...(barriers.length > 0 ? { cause: "A folder above was closed to others." } : {}),
  };
}

interface Found {
  kind: string;
  owner: string;
  mode: string;
  size: number;
  target: string;
  sha256?: string;
}

/** The output of D2: one line per path, an empty line, then the sums. No name holds a line break or a tab (payload.ts). */
function treeOf(output: string): Map<string, Found> {
  const [tree = "", sums = ""] = output.split("\n\n");
  const sha256 = sumsOf(sums);
  return new Map(
    tree.split("\n").map((line) => {
      const [kind = "", owner = "", mode = "", size = "", target = "", path = ""] = line.split("\t");
      return [path, { kind, owner, mode, size: Number(size), target, sha256: sha256.get(`${paths.upload}/${path}`) }];
    }),
  );
}

/** The manifest itself; what it holds is D5's. */
const MANIFEST = { path: inPayload(paths.manifest), type: "manifest", mode: "0644" } as const;

/** A folder that no entry names, because it only holds others. Its mode is what the login user's umask makes it. */
interface Folder {
  path: string;
  type: "folder";
}

function foldersOf({ entries }: Manifest): Folder[] {
  const named = new Set(entries.map(({ path }) => path));
  const folders = new Set(entries.flatMap(({ path }) => parentsOf(path)));
  return [...folders].filter((path) => !named.has(path)).map((path) => ({ path, type: "folder" }));
}

const KINDS = { file: "f", manifest: "f", directory: "d", folder: "d", link: "l" };

function differenceIn(
  entry: PayloadEntry | Folder | typeof MANIFEST,
  tree: Map<string, Found>,
  owner: string,
): string | undefined {
  const found = tree.get(entry.path);
  if (found === undefined) return `${entry.path}: missing`;
  if (found.kind !== KINDS[entry.type]) return `${entry.path}: is no ${entry.type}`;
  if (found.owner !== owner) return `${entry.path}: owner ${found.owner}, not ${owner}`;
  if (entry.type === "link")
    return found.target === entry.target ? undefined : `${entry.path}: points to ${found.target}, not ${entry.target}`;
  if (entry.type === "folder")
    return /[2367]$/.test(found.mode)
      ? `${entry.path}: mode ${found.mode}, so that anybody can write there`
      : undefined;
  if (found.mode !== entry.mode) return `${entry.path}: mode ${found.mode}, not ${entry.mode}`;
  if (entry.type === "directory" || entry.type === "manifest") return undefined;
  if (found.size !== entry.size) return `${entry.path}: ${found.size} bytes, not ${entry.size}`;
  return found.sha256 === entry.sha256 ? undefined : `${entry.path}: content differs`;
}

function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, n) => parts.slice(0, n + 1).join("/"));
}
