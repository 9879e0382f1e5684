import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tryLock } from "../../system/lock";
import { run } from "./command";
import { removeTree } from "./mounts";
import { DEFAULT_RELEASE, recipes, REPOSITORY, type ImageRecipe } from "./recipe";

/** Raised when this file builds something else from the same recipe. */
const BUILDER = 1;

const LOCK_POLL_MS = 500;

/** Where a recipe's image is, or will be: `<cacheDir>/images/<digest>`. */
export function imagePath(cacheDir: string, recipe: ImageRecipe = recipes[DEFAULT_RELEASE]): string {
  const digest = createHash("sha256")
    .update(JSON.stringify([BUILDER, process.arch, recipe]))
    .digest("hex");
  return join(cacheDir, "images", digest.slice(0, 16));
}

/**
 * A root image that hosts boot from, built on first use (about a minute; 330 MB). Safe to call from several
 * processes: one builds, the others wait. A killed build leaves nothing that counts as an image.
 * @returns the image's folder, to be used read-only.
 * @throws SpotError E_SANDBOX_SETUP with the last lines of what failed.
 */
export async function ensureImage(
  cacheDir: string,
  report: (detail: string) => void,
  recipe: ImageRecipe = recipes[DEFAULT_RELEASE],
): Promise<string> {
  const image = imagePath(cacheDir, recipe);
  if (existsSync(image)) return image;
  await mkdir(dirname(image), { recursive: true });
  const release = await waitForLock(`${image}.lock`, report);
  try {
    if (!existsSync(image)) await build(image, recipe, report);
  } finally {
    release();
  }
  return image;
}

async function waitForLock(file: string, report: (detail: string) => void): Promise<() => void> {
  for (let told = false; ; told = true) {
    const release = tryLock(file);
    if (release !== undefined) return release;
    if (!told) report("another process builds the root image, waiting for it");
    await sleep(LOCK_POLL_MS);
  }
}

async function build(image: string, recipe: ImageRecipe, report: (detail: string) => void): Promise<void> {
  const draft = `${image}.building`;
  const sources = `${image}.sources`;
  await removeTree(draft);
  try {
    if (recipe.sources !== undefined) await writeFile(sources, recipe.sources);
    await bootstrap(draft, recipe, recipe.sources === undefined ? [] : [sources], report);
    report("fitting the root image to the sandbox");
    for (const pattern of recipe.removed) await removeMatching(join(draft, pattern));
    for (const [path, content] of Object.entries(recipe.files)) await replaceFile(join(draft, path), content);
    await indexRepository(join(draft, REPOSITORY));
    await rename(draft, image);
  } finally {
    await removeTree(draft);
    await rm(sources, { force: true });
  }
}

/** mmdebstrap takes the machine's own apt sources when none are named. */
async function bootstrap(
  draft: string,
  recipe: ImageRecipe,
  sources: string[],
  report: (detail: string) => void,
): Promise<void> {
  // apt asks the new system what it lacks, so exactly the missing packages are fetched.
  const fetchInstallable = [
    `mkdir -p "$1${REPOSITORY}/partial"`,
    `APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes --quiet --no-install-recommends --download-only ` +
      `-o Dir::Cache::archives="$1${REPOSITORY}" install ${recipe.installable.join(" ")}`,
    `rm -r "$1${REPOSITORY}/partial" "$1${REPOSITORY}/lock"`,
  ].join(" && ");
  await run(
    "setpriv",
    [
      // A build whose owner was killed ends too, with all that it started and mounted.
      "--pdeathsig",
      "KILL",
      "unshare",
      "--mount",
      "--pid",
      "--fork",
      "--kill-child",
      "--mount-proc",
      "mmdebstrap",
      "--variant=minbase",
      `--include=${recipe.packages.join(",")}`,
      `--customize-hook=${fetchInstallable}`,
      recipe.suite,
      draft,
      ...sources,
    ],
    {
      onLine: (line) => {
        if (line.startsWith("I: ")) report(line.slice(3));
      },
    },
  );
}

/** A link in its place (Ubuntu's resolv.conf is one) is not followed: it may point out of the image. */
async function replaceFile(path: string, content: string): Promise<void> {
  await rm(path, { force: true });
  await writeFile(path, content);
}

async function removeMatching(pattern: string): Promise<void> {
  const folder = dirname(pattern);
  const name = basename(pattern);
  const matches = (entry: string): boolean =>
    name.endsWith("*") ? entry.startsWith(name.slice(0, -1)) : entry === name;
  for (const entry of await readdir(folder)) if (matches(entry)) await rm(join(folder, entry));
}

/** Writes apt's index of the packages in a folder: each one's own control fields, where it is, and its digest. */
async function indexRepository(folder: string): Promise<void> {
  const entries = await Promise.all(
    (await readdir(folder))
      .filter((name) => name.endsWith(".deb"))
      .sort()
      .map(async (name) => {
        const content = await readFile(join(folder, name));
        const control = await run("dpkg-deb", ["--field", join(folder, name)]);
        const digest = createHash("sha256").update(content).digest("hex");
        return `${control.trimEnd()}\nFilename: ./${name}\nSize: ${content.length}\nSHA256: ${digest}\n`;
      }),
  );
  await writeFile(join(folder, "Packages"), entries.join("\n"));
}
