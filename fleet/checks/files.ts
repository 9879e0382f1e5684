import { paths } from "../layout";
import type { PayloadEntry } from "../node/payload";
import type { Check } from "./types";
import {
  expectAll,
  expectEqual,
  fieldOf,
  firstLine,
  lastLine,
  joinList,
  LOOK_AT_LOG,
  QUICK,
  REPLACE,
  SLOW,
  sumsOf,
} from "./expectations";

/** D: what lies on the disk. */
export const fileChecks: readonly Check[] = [
  {
    id: "D1",
    title: "upload root: owner and mode",
    phase: "files",
    where: "node",
    needs: ["C1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `stat -c '%U %a %F' ${paths.upload}`,
    judge: ({ stdout, stderr }, { username }) =>
      expectEqual(`${username} 755 directory`, stdout.trim() || firstLine(stderr)),
    cause: "cloud-init did not come to the end of the user data.",
    next: "See C2.",
  },
  {
    id: "D2",
    title: "every file of the payload",
    phase: "files",
    where: "node",
    needs: ["D1"],
    severity: "fail",
    deadlineMs: SLOW,
    command: () =>
      `cd ${paths.upload} && find . -mindepth 1 -printf '%y\\t%04m\\t%s\\t%l\\t%P\\n' && echo && find . -type f -print0 | xargs -0 sha256sum -z | tr '\\0' '\\n'`,
    judge: ({ stdout }, { manifest }) => {
      const found = treeOf(stdout);
      return expectAll(manifest.entries, (entry) => differenceOf(entry, found));
    },
    cause: "The upload was changed on the node after it was verified, or never came.",
    next: REPLACE,
  },
  {
    id: "D3",
    title: "nothing foreign among the payload",
    phase: "files",
    where: "node",
    needs: ["D1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `cd ${paths.upload} && find . -mindepth 1 -printf '%P\\n'`,
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
    next: "Let it write elsewhere; then `up` replaces the node.",
  },
  {
    id: "D4",
    title: "application directories",
    phase: "files",
    where: "node",
    needs: ["C1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: ({ directories }) => `stat -c '%n %U %a %F' ${directories.map(({ path }) => path).join(" ")}`,
    judge: ({ stdout }, { directories }) => {
      const found = new Map(stdout.split("\n").map((line) => [line.split(" ")[0], line]));
      return expectAll(directories, ({ path, owner, mode }) => {
        const line = found.get(path);
        if (line === undefined) return `${path}: missing`;
        return line === `${path} ${owner} ${mode} directory` ? undefined : `${line}, not ${owner} ${mode}`;
      });
    },
    cause: "The deployment's step `directories` did not run, or something removed them.",
    next: LOOK_AT_LOG,
  },
  {
    id: "D5",
    title: "payload is the desired one",
    phase: "files",
    where: "node",
    needs: ["D1"],
    severity: "fail",
    deadlineMs: QUICK,
    command: () => `cat ${paths.manifest}`,
    judge: ({ stdout, stderr }, { manifest }) =>
      expectEqual(manifest.digest, fieldOf(stdout, "digest") ?? firstLine(stderr)),
    cause: "Files changed since the node was deployed.",
    next: "`up` replaces the node.",
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
    next: "Choose another `image`, or correct the script.",
  },
];

interface Found {
  kind: string;
  mode: string;
  size: number;
  target: string;
  sha256?: string;
}

/** The output of D2: one line per path, an empty line, then the sums. No name holds a line break or a tab (payload.ts). */
function treeOf(output: string): Map<string, Found> {
  const [paths = "", sums = ""] = output.split("\n\n");
  const sha256 = sumsOf(sums);
  return new Map(
    paths.split("\n").map((line) => {
      const [kind = "", mode = "", size = "", target = "", path = ""] = line.split("\t");
      return [path, { kind, mode, size: Number(size), target, sha256: sha256.get(`./${path}`) }];
    }),
  );
}

function differenceOf(entry: PayloadEntry, tree: Map<string, Found>): string | undefined {
  const found = tree.get(entry.path);
  if (found === undefined) return `${entry.path}: missing`;
  if (found.kind !== { file: "f", directory: "d", link: "l" }[entry.type]) return `${entry.path}: is no ${entry.type}`;
  if (entry.type === "link")
    return found.target === entry.target ? undefined : `${entry.path}: points to ${found.target}, not ${entry.target}`;
  if (found.mode !== entry.mode) return `${entry.path}: mode ${found.mode}, not ${entry.mode}`;
  if (entry.type === "directory") return undefined;
  if (found.size !== entry.size) return `${entry.path}: ${found.size} bytes, not ${entry.size}`;
  return found.sha256 === entry.sha256 ? undefined : `${entry.path}: content differs`;
}

function parentsOf(path: string): string[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, n) => parts.slice(0, n + 1).join("/"));
}
