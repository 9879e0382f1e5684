import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import type { FleetConfig } from "../fleet/config";
import { SpotError } from "../fleet/errors";
import { LAYOUT_FILE, manifestOf, type Payload, type PayloadEntry } from "../fleet/node/payload";
import { TOKEN_FILE } from "../fleet/node/workloads";
import { parseKeptFleet, type KeptFleet } from "../fleet/plan/kept-fleet";
import { writeFileAtomic } from "../system/atomic-file";
import { isAbsent } from "../system/absent";
import { readJson } from "../system/json-file";
import { configOf } from "./config-file";
import { definitionOf, type FleetDefinition } from "./definition";
import { packageRoot } from "./package-root";
import { contentOf } from "./payload-files";

type FileEntry = PayloadEntry & { type: "file" };

const documentIn = (folder: string): string => path.join(folder, "fleet.json");
const contentIn = (folder: string): string => path.join(folder, "content");

/**
 * Keeps a fleet in the place of the one that was kept before, which stays until this one is there whole. It may hold
 * secrets: nobody but its owner can read it.
 * @param sources the content of its payload
 * @throws SpotError E_PAYLOAD for content that is not what was uploaded any more; what the file system throws
 */
export function keepProject(folder: string, kept: KeptFleet, sources: Payload["sources"]): void {
  const contents = contentIn(folder);
  mkdirSync(contents, { recursive: true, mode: 0o700 });
  const files = filesOf(kept);
  for (const entry of files) keepContent(path.join(contents, entry.sha256), entry, sources.get(entry.path));
  writeFileAtomic(documentIn(folder), `${JSON.stringify(kept)}\n`, 0o600);
  const digests = new Set(files.map(({ sha256 }) => sha256));
  for (const name of readdirSync(contents)) if (!digests.has(name)) rmSync(path.join(contents, name), { force: true });
}

/** Forgets what was kept. */
export function forgetProject(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** A fleet that was kept, and the definition by which it is made again. */
export interface KeptProject {
  kept: KeptFleet;
  definition: FleetDefinition;
}

/**
 * Reads what is kept in a folder; the content of the payload stays there.
 * @throws SpotError E_NOT_KEPT where there is nothing, or nothing that this program can make the same fleet of
 */
export function readKeptProject(folder: string, stack: string): KeptProject {
  if (isAbsent(documentIn(folder)))
    throw new SpotError("E_NOT_KEPT", {
      message: `stack ${stack} has no kept fleet to go back to`,
      cause: "no `up` of this version has verified the whole fleet yet",
    });
  const kept = parseKeptFleet(readJson(documentIn(folder)));
  if (kept === undefined) throw unusable(folder, "it cannot be read, or another version of the program kept it");
  const definition = definitionIn(folder, kept, stack);
  assertSame(folder, kept, definition);
  return { kept, definition };
}

/**
 * Is the content of the payload there, as it was uploaded?
 * @throws SpotError E_NOT_KEPT
 */
export function assertContent(folder: string, kept: KeptFleet): void {
  const lost = filesOf(kept).find((entry) => !isContent(path.join(contentIn(folder), entry.sha256), entry));
  if (lost) throw unusable(folder, `the content of ${lost.path} is missing or damaged`);
}

function definitionIn(folder: string, kept: KeptFleet, stack: string): FleetDefinition {
  const { configText, configFile, manifest, lineage, template, programDigest } = kept;
  const files = filesOf(kept);
  const sources = new Map(files.map(({ path: name, sha256 }) => [name, path.join(contentIn(folder), sha256)]));
  try {
    const { config } = configOf(configText, configFile);
    const payload: Payload = {
      manifest: manifestOf(manifest.entries),
      sources,
      size: files.reduce((sum, { size }) => sum + size, 0),
    };
    const input = { config: withKeptToken(config, sources), configFile, stack, lineage };
    return { ...definitionOf(input, { payload, programDigest, template }), kept: folder };
  } catch (cause) {
    throw unusable(folder, "this version of the program does not understand its configuration", cause);
  }
}

/** The configuration with the token where it is kept: that which is masked in what is shown of the nodes. */
function withKeptToken(config: FleetConfig, sources: ReadonlyMap<string, string>): FleetConfig {
  const { bacalhau } = config;
  if (bacalhau?.tokenFile === undefined) return config;
  return { ...config, bacalhau: { ...bacalhau, tokenFile: sources.get(TOKEN_FILE) } };
}

/** What this program would make of it must be what was verified, on nodes that are laid out as it expects them. */
function assertSame(folder: string, { generations, pins, manifest }: KeptFleet, definition: FleetDefinition): void {
  const other = "another version of the program made it, and this one would make something else of it";
  const layout = contentOf(path.join(packageRoot(), "instance", LAYOUT_FILE)).sha256;
  const isLaidOut = manifest.entries.some(
    (entry) => entry.path === LAYOUT_FILE && entry.type === "file" && entry.sha256 === layout,
  );
  const differs = definition.slots.some((slot) => {
    const pin = pins.nodes[slot.name];
    return pin && definition.launchSpec(slot, pin, pins.ssh.publicKey).generation !== generations[slot.name];
  });
  if (!isLaidOut || differs) throw unusable(folder, other);
}

function unusable(folder: string, why: string, cause?: unknown): SpotError {
  return new SpotError("E_NOT_KEPT", {
    message: `the fleet that is kept in ${folder} cannot be put back: ${why}`,
    ...(cause === undefined ? {} : { cause }),
  });
}

function filesOf({ manifest }: Pick<KeptFleet, "manifest">): FileEntry[] {
  return manifest.entries.flatMap((entry) => (entry.type === "file" ? [entry] : []));
}

function keepContent(file: string, entry: FileEntry, source: string | Buffer | undefined): void {
  if (isContent(file, entry)) return;
  const draft = `${file}.tmp`;
  rmSync(draft, { recursive: true, force: true });
  if (typeof source === "string") {
    copyFileSync(source, draft);
    chmodSync(draft, 0o600);
  } else if (source !== undefined) writeFileAtomic(draft, source, 0o600);
  if (!isContent(draft, entry))
    throw new SpotError("E_PAYLOAD", `${entry.path} was changed while the fleet was brought up`);
  renameSync(draft, file);
}

/** Does a file hold this content, whole? */
function isContent(file: string, { size, sha256 }: FileEntry): boolean {
  if (!existsSync(file)) return false;
  const found = contentOf(file);
  return found.size === size && found.sha256 === sha256;
}
