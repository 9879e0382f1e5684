import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

/** Where the build leaves the digest of the sources that it compiled, relative to the package root. */
export const STAMP_FILE = "dist/.build-stamp";

/** The folders that are compiled (tsconfig.json, `include`) and run in production. */
const SOURCE_FOLDERS = ["system", "fleet", "project", "infra", "automation", "cloud", "cli", "sandbox"];

/** What is compiled in of instance/ (fleet/layout.ts). */
const CONTRACT = ["instance/layout.json", "instance/placed.json"];

/**
 * A digest of every TypeScript source under `root` and of the nodes' layout, by path and content. Times do not count:
 * a fresh checkout of the same commit has the same digest.
 */
export function sourceDigest(root: string): string {
  const hash = createHash("sha256");
  const sources = SOURCE_FOLDERS.flatMap((folder) => sourcesBelow(path.join(root, folder)));
  for (const file of [...sources, ...CONTRACT.map((name) => path.join(root, name))])
    hash.update(path.relative(root, file)).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

/**
 * Is the compiled program that of the sources beside it? An installed package carries no sources: its build is
 * what was published, so there is nothing to compare.
 */
export function buildState(root: string): "current" | "stale" | "missing" | "installed" {
  if (!existsSync(path.join(root, "tsconfig.json"))) return "installed";
  const stamp = path.join(root, STAMP_FILE);
  if (!existsSync(stamp)) return "missing";
  return readFileSync(stamp, "utf8").trim() === sourceDigest(root) ? "current" : "stale";
}

function sourcesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .sort()
    .map((name) => path.join(folder, name));
}
