import { changedShares, type Decider } from "../identity/generation";
import type { NodePin, Pool, Slot } from "../model";
import {
  differencesBetween,
  NOTHING_KNOWN,
  type Difference,
  type Differences,
  type KnownIngredients,
} from "./ingredients";
import type { ResourceChange } from "./resource-changes";

/** A node as it should be. */
export interface DesiredNode {
  slot: Slot;
  pin: NodePin;
  /** What the node is made of, as one name (`generationOf`). It covers the AMI, not the pool. */
  generation: string;
}

/** A node as the state has it. */
export interface RecordedNode {
  name: string;
  instanceId: string;
  pin: NodePin;
  generation: string;
}

export type NodeChange = {
  name: string;
  /** Why, in words for a table. */
  reason?: string;
  /** Of a node that is replaced: which files and settings of the user's differ, as far as it is known. */
  differences?: Differences;
} & (
  | { kind: "create"; from?: undefined; to: DesiredNode }
  | { kind: "replace"; from: RecordedNode; to: DesiredNode }
  /** In place, such as its tags: what runs on it is left alone. */
  | { kind: "update"; from: RecordedNode; to: DesiredNode }
  | { kind: "delete"; from: RecordedNode; to?: undefined }
  | { kind: "same"; from: RecordedNode; to: DesiredNode }
);

/** The node keeps its instance, and what runs on it is left alone. */
export function isKept(change: NodeChange): change is Extract<NodeChange, { kind: "same" | "update" }> {
  return change.kind === "same" || change.kind === "update";
}

/** The change of a node that stays as it is after all. */
export function unchanged({ name, from, to }: Exclude<NodeChange, { kind: "create" | "delete" }>): NodeChange {
  return { name, kind: "same", from, to };
}

/**
 * What must happen to each node: the desired ones in their order, then those that nobody wants any more.
 * @param known what the generations are made of, by which it is told what differs
 */
export function changesBetween(
  desired: readonly DesiredNode[],
  recorded: readonly RecordedNode[],
  known: KnownIngredients = NOTHING_KNOWN,
): NodeChange[] {
  const byName = new Map(recorded.map((node) => [node.name, node]));
  const wanted = new Set(desired.map(({ slot }) => slot.name));
  return [
    ...desired.map((to) => changeTo(to, byName.get(to.slot.name), known)),
    ...recorded
      .filter(({ name }) => !wanted.has(name))
      .map((from): NodeChange => ({ name: from.name, kind: "delete", reason: "not in the configuration", from })),
  ];
}

function changeTo(to: DesiredNode, from: RecordedNode | undefined, known: KnownIngredients): NodeChange {
  const { name } = to.slot;
  if (from === undefined) return { name, kind: "create", to };
  const differences = differencesBetween(known, from.generation, to.generation);
  const reason = reasonsFor(from, to, differences).join(", ");
  if (reason === "") return { name, kind: "same", from, to };
  const told = Object.keys(differences).length > 0 ? { differences } : {};
  return { name, kind: "replace", reason, ...told, from, to };
}

/**
 * The changes as the engine would make them, each with our reason where there is one: of two nodes that we find alike it
 * may replace one all the same, for a reason of its provider's.
 * @param engine what it would do to the instances of each node, by node name
 */
export function asEngineSays(
  changes: readonly NodeChange[],
  engine: ReadonlyMap<string, readonly ResourceChange[]>,
): NodeChange[] {
  return changes.map((change): NodeChange => {
    const said = engine.get(change.name) ?? [];
    if (change.kind !== "same" || said.length === 0) return change;
    const properties = said.flatMap((one) => one.properties);
    if (properties.includes("subnetId")) return { ...change, kind: "replace", reason: "network changed" };
    const what = properties.map((property) => propertyWords[property] ?? property).join(", ");
    if (said.every(({ kind }) => kind === "update")) return { ...change, kind: "update", reason: what };
    return { ...change, kind: "replace", reason: `AWS's provider replaces it${what === "" ? "" : `: ${what}`}` };
  });
}

const poolWords: Record<keyof Pool, string> = {
  region: "region",
  availabilityZone: "zone",
  instanceType: "machine type",
  market: "market",
};

/** Properties of an instance that have another name in the configuration. */
const propertyWords: Readonly<Record<string, string>> = { vpcSecurityGroupIds: "security groups" };

const deciderWords: Record<Decider, string> = {
  program: "new program version",
  files: "your files changed",
  settings: "configuration changed",
};

function reasonsFor(from: RecordedNode, to: DesiredNode, differences: Differences): string[] {
  const moved = (what: string, a: string, b: string): string[] => (a === b ? [] : [`${what} ${a} -> ${b}`]);
  const pin = [
    ...moved("AMI", from.pin.ami, to.pin.ami),
    ...(Object.keys(poolWords) as (keyof Pool)[]).flatMap((key) =>
      moved(poolWords[key], from.pin.pool[key], to.pin.pool[key]),
    ),
  ];
  const shares = changedShares(from.generation, to.generation);
  // A new AMI is a new generation by itself. What nothing else explains is the program's: how it renders what it sends.
  const isUnexplained = from.generation !== to.generation && from.pin.ami === to.pin.ami && shares.length === 0;
  return [
    ...pin,
    ...(isUnexplained ? (["program"] as const) : shares).map(
      (decider) => `${deciderWords[decider]}${decider === "program" ? "" : namesOf(differences[decider])}`,
    ),
  ];
}

/** A line has room for so many. */
const NAMED = 3;

/** ` (files/app.py, files/new.sh added, and 2 more)`; empty where it is not known what differs. */
function namesOf(found: readonly Difference[] = []): string {
  if (found.length === 0) return "";
  const named = found.slice(0, NAMED).map(({ name, how }) => (how === "changed" ? name : `${name} ${how}`));
  const more = found.length - named.length;
  return ` (${[...named, ...(more > 0 ? [`and ${more} more`] : [])].join(", ")})`;
}

/**
 * In which order replacements roll: one canary alone, then batches of the size allowed, in the order of the changes.
 * The next batch begins when the one before is verified.
 * @param maxUnavailable how many nodes may be away at once: a number, or a percentage of `fleetSize` (`"25%"`,
 *   rounded down); at least one in either case, else nothing would ever be replaced
 */
export function replacementBatches(
  changes: readonly NodeChange[],
  maxUnavailable: number | string,
  fleetSize: number,
): string[][] {
  const [canary, ...others] = changes.filter(({ kind }) => kind === "replace").map(({ name }) => name);
  if (canary === undefined) return [];
  const allowed =
    typeof maxUnavailable === "number" ? maxUnavailable : (fleetSize * Number.parseInt(maxUnavailable, 10)) / 100;
  const size = Math.max(1, Math.floor(allowed));
  const batches = Array.from({ length: Math.ceil(others.length / size) }, (_, i) =>
    others.slice(i * size, (i + 1) * size),
  );
  return [[canary], ...batches];
}
