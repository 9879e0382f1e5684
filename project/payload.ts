import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import type { Stats } from "node:fs";
import path from "node:path";
import type { ConfigPath, FleetConfig, Locate } from "../fleet/config";
import { AS_CATALOGUED, SpotError } from "../fleet/errors";
import { again, outside } from "../fleet/steps";
import {
  DEPLOYMENT_SCRIPT,
  isUnit,
  LAYOUT_FILE,
  manifestOf,
  MAX_PAYLOAD_SIZE,
  nameProblem,
  unitFaults,
  whereLinkLeads,
} from "../fleet/node/payload";
import type { Payload, PayloadEntry } from "../fleet/node/payload";
import { deadLinkOf, isAbsent } from "../system/absent";
import { contentOf, reason, tryTo, type PayloadProblem } from "./payload-files";
import { workloadFiles } from "./workloads";

/** Where the parts of a payload lie. Absolute paths. */
export interface PayloadPlaces {
  /** This package: instance/ is here. */
  packageRoot: string;
  /** The folder of the configuration: the user's files/ is here unless the configuration says otherwise. */
  projectDir: string;
}

/** A folder on this machine and the first name of its entries in the payload. */
interface Source {
  prefix: "scripts" | "config" | "services" | "files";
  directory: string;
  /** A folder that nobody asked for by name may be absent. */
  required: boolean;
  /** The key of config.yaml that names the folder. */
  key?: ConfigPath;
  /** Whether something in it is nobody's content. */
  skip?(source: string): boolean;
}

const README = "README.md";

/** By whatever links it is reached. */
const realPath = (file: string): string => {
  const real = tryTo(() => realpathSync(file));
  return real instanceof Error ? file : real;
};

/** Left behind by whoever runs a script or opens a folder. */
const isDropping = (source: string): boolean => /^(__pycache__|.*\.pyc|\.DS_Store)$/.test(path.basename(source));

/** What of the configuration decides on the payload. */
export type PayloadConfig = Pick<FleetConfig, "scriptsDirectory" | "filesDirectory" | "bacalhau">;

function sourcesOf(config: PayloadConfig, places: PayloadPlaces): Source[] {
  const instance = path.join(places.packageRoot, "instance");
  return [
    {
      prefix: "scripts",
      directory: config.scriptsDirectory ?? path.join(instance, "scripts"),
      required: true,
      key: ["aws", "scripts_directory"],
      skip: isDropping,
    },
    { prefix: "config", directory: path.join(instance, "config"), required: true },
    { prefix: "services", directory: path.join(instance, "services"), required: true },
    {
      prefix: "files",
      directory: config.filesDirectory ?? path.join(places.projectDir, "files"),
      required: config.filesDirectory !== undefined,
      key: ["aws", "files_directory"],
      // It explains the folder to whoever looks into it here.
      skip: (source) =>
        path.basename(source) === README &&
        realPath(source) === realPath(path.join(places.packageRoot, "files", README)),
    },
  ];
}

/**
 * Reads everything that is uploaded to a node: instance/{layout.json,scripts,config,services}, the user's files, and what the
 * workloads' configuration adds. Dot-files and empty directories count; modes become 0755 (any execute bit, or a directory) or 0644, so that the same content has
 * the same digest on every machine.
 * @throws SpotError E_PAYLOAD with every fault in `problems`: a missing or unreadable file, a socket or device, a name
 *   that cannot be carried, a link that leaves its folder, a unit that starts what is not uploaded, a token that others
 *   can read, more than 500 MB. `locate` gives those that a key of config.yaml led to their place in it.
 */
export function readPayload(config: PayloadConfig, places: PayloadPlaces, locate?: Locate): Payload {
  const problems: PayloadProblem[] = [];
  const added = workloadFiles(config.bacalhau, problems);
  const found = [
    ...contractIn(places.packageRoot, problems),
    ...sourcesOf(config, places).flatMap((source) => walk(source, problems)),
  ];
  const size = [
    ...found.filter(({ status }) => status.isFile()).map(({ status }) => status),
    ...added.map(({ entry }) => entry),
  ].reduce((sum, file) => sum + file.size, 0);
  if (size > MAX_PAYLOAD_SIZE) {
    const files = [
      ...found.filter(({ status }) => status.isFile()).map(({ source, status }) => ({ source, size: status.size })),
      ...added.map(({ entry, source }) => ({ source, size: entry.size })),
    ];
    const largest = files.reduce((one, other) => (other.size > one.size ? other : one));
    problems.push({
      message: `the payload has ${megabytes(size)}, above the limit of ${megabytes(MAX_PAYLOAD_SIZE)}; the largest file is ${String(largest.source)} (${megabytes(largest.size)})`,
    });
  }
  // Reading content is the slow part: not for a payload that is refused anyway for its size.
  const entries =
    size > MAX_PAYLOAD_SIZE
      ? []
      : [...found.flatMap((item) => entryOf(item, problems)), ...added.map(({ entry }) => entry)];
  // With something unreadable left out, what is missing for a unit would only repeat it.
  if (problems.length === 0) problems.push(...whatUnitsMiss(found, entries));
  if (problems.length > 0) throw payloadError(problems, locate);
  return {
    manifest: manifestOf(entries),
    sources: new Map<string, string | Buffer>([
      ...found.filter(({ status }) => status.isFile()).map(({ path, source }) => [path, source] as const),
      ...added.map(({ entry, source }) => [entry.path, source] as const),
    ]),
    size: entries.reduce((sum, entry) => sum + (entry.type === "file" ? entry.size : 0), 0),
  };
}

/** Something that was found on the disk. */
interface Found {
  /** In the payload. */
  path: string;
  /** On this machine. */
  source: string;
  status: Stats;
  /** Of a symbolic link. */
  target?: string;
}

const LINK_NEXT = {
  required: "Mount or restore what the link leads to, or correct the path.",
  optional: "Mount or restore what the link leads to, or remove the link if nothing of yours is to be uploaded.",
};

/** The contract of a node's layout, which scripts read beside their folder: ours, whoever's the scripts are. */
function contractIn(packageRoot: string, problems: PayloadProblem[]): Found[] {
  const source = path.join(packageRoot, "instance", LAYOUT_FILE);
  const status = tryTo(() => lstatSync(source));
  if (!(status instanceof Error)) return [{ path: LAYOUT_FILE, source, status }];
  problems.push({ message: `${source}: ${reason(status)}` });
  return [];
}

/** Everything below a source, faults aside. */
function walk(source: Source, problems: PayloadProblem[]): Found[] {
  if (!source.required && isAbsent(source.directory)) return [];
  const root = tryTo(() => statSync(source.directory));
  if (root instanceof Error || !root.isDirectory()) {
    const next = LINK_NEXT[source.required ? "required" : "optional"];
    problems.push({
      message: `${source.directory}: ${root instanceof Error ? reason(root) : "is not a directory"}`,
      ...(deadLinkOf(root) === undefined ? {} : { advice: { next, step: outside("correct-file", again()) } }),
      key: source.key,
    });
    return [];
  }
  const found = below(source.directory, source.prefix, source, problems);

  const inside = (item: Found): string => item.path.slice(source.prefix.length + 1);
  const links = new Map(
    found.flatMap((item) => (item.target === undefined ? [] : [[inside(item), item.target] as const])),
  );
  const fault = { leaves: "leads out of", circle: "leads round in a circle in" };
  return found.filter((item) => {
    if (item.target === undefined) return true;
    const leads = whereLinkLeads(inside(item), links);
    if (leads === "inside") return true;
    problems.push({ message: `${item.source}: the link to ${item.target} ${fault[leads]} ${source.directory}` });
    return false;
  });
}

function below(directory: string, prefix: string, of: Pick<Source, "skip">, problems: PayloadProblem[]): Found[] {
  // As bytes: a name that is not UTF-8 would otherwise be read as another name, which does not exist.
  const names = tryTo(() => readdirSync(directory, { encoding: "buffer" }));
  if (names instanceof Error) {
    problems.push({ message: `${directory}: ${reason(names)}` });
    return [];
  }
  return names.flatMap((bytes): Found[] => {
    const name = bytes.toString();
    const source = path.join(directory, name);
    if (of.skip?.(source)) return [];
    const refuse = (fault: string): Found[] => (problems.push({ message: `${JSON.stringify(source)}: ${fault}` }), []);
    if (!Buffer.from(name).equals(bytes)) return refuse("has a name that is not UTF-8");
    const bad = nameProblem(name);
    if (bad !== undefined) return refuse(bad);

    const status = tryTo(() => lstatSync(source));
    if (status instanceof Error) return refuse(reason(status));
    const item: Found = { path: `${prefix}/${name}`, source, status };
    if (status.isDirectory()) return [item, ...below(source, item.path, of, problems)];
    if (status.isSymbolicLink()) {
      const target = tryTo(() => readlinkSync(source));
      if (target instanceof Error) return refuse(reason(target));
      const badTarget = nameProblem(target);
      return badTarget === undefined ? [{ ...item, target }] : refuse(`links to something that ${badTarget}`);
    }
    return status.isFile() ? [item] : refuse("is neither a file, a directory nor a link (a socket, pipe or device?)");
  });
}

function entryOf({ path, source, status, target }: Found, problems: PayloadProblem[]): PayloadEntry[] {
  if (target !== undefined) return [{ path, type: "link", target }];
  if (status.isDirectory()) return [{ path, type: "directory", mode: "0755" }];
  const content = tryTo(() => contentOf(source));
  if (content instanceof Error) {
    problems.push({ message: `${source}: ${reason(content)}` });
    return [];
  }
  return [{ path, type: "file", mode: (status.mode & 0o111) !== 0 ? "0755" : "0644", ...content }];
}

function whatUnitsMiss(found: readonly Found[], entries: readonly PayloadEntry[]): PayloadProblem[] {
  const units = found.filter(({ path, status }) => isUnit(path) && status.isFile());
  const start = entries.some(({ path }) => path === DEPLOYMENT_SCRIPT)
    ? []
    : [{ message: `${DEPLOYMENT_SCRIPT} is missing: it sets the node up` }];
  return [
    ...start,
    ...units.flatMap(({ source }) =>
      unitFaults(readFileSync(source, "utf8"), entries).map((fault) => ({ message: `${source}: ${fault}` })),
    ),
  ];
}

function payloadError(problems: readonly PayloadProblem[], locate: Locate | undefined): SpotError {
  const faults = problems.map(
    ({ message, advice, key }) =>
      new SpotError("E_PAYLOAD", { ...(advice ?? AS_CATALOGUED), message, location: key && locate?.(key) }),
  );
  if (faults.length === 1) return faults[0] as SpotError;
  return new SpotError("E_PAYLOAD", {
    message: `${faults.length} things cannot be uploaded`,
    next: "Correct the paths named, then run the command again.",
    step: outside("correct-payload", again()),
    problems: faults,
  });
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
