import type { z } from "zod";
import { isDeepStrictEqual } from "node:util";
import type { JournalEntry, Resource, UntypedDeployment } from "./bodies";
import { refusals } from "./refusal";

type Entry = z.infer<typeof JournalEntry>;
type Deployment = UntypedDeployment["deployment"];

/** What a replay has found out so far. Old resources are known by their place in the base, new ones by their operation. */
interface Replay {
  base: Deployment;
  created: Map<number, Resource>;
  /** Resources of the base that are no more. */
  gone: Set<number>;
  /** Resources of the base in their new state. */
  renewed: Map<number, Resource>;
  /** What else is set in resources of the base. */
  marks: Map<number, Partial<Resource>>;
  /** Operations that were begun and did not end. */
  open: Map<number, Entry>;
  refreshed: boolean;
}

const replayOf = (base: Deployment): Replay => ({
  base,
  created: new Map(),
  gone: new Set(),
  renewed: new Map(),
  marks: new Map(),
  open: new Map(),
  refreshed: false,
});

function renew(replay: Replay, { removeOld, removeNew, state }: Entry): void {
  if (removeOld !== undefined && state) replay.renewed.set(removeOld, state);
  if (removeNew !== undefined && state && replay.created.has(removeNew)) replay.created.set(removeNew, state);
}

function remove(replay: Replay, { removeOld, removeNew }: Entry): void {
  if (removeOld !== undefined) replay.gone.add(removeOld);
  if (removeNew !== undefined) replay.created.delete(removeNew);
}

function mark(replay: Replay, old: number | undefined, fresh: number | undefined, marks: Partial<Resource>): void {
  if (old !== undefined) replay.marks.set(old, { ...replay.marks.get(old), ...marks });
  const created = fresh === undefined ? undefined : replay.created.get(fresh);
  if (created) Object.assign(created, marks);
}

/** What each kind of entry does, by its number (apitype.JournalEntryKind), as JournalReplayer does it in the CLI's source. */
const EFFECTS: Record<Entry["kind"], (replay: Replay, entry: Entry) => void> = {
  // An operation begins; succeeds; fails.
  0: (replay, entry) => replay.open.set(entry.operationID, entry),
  1: (replay, entry) => {
    replay.open.delete(entry.operationID);
    if (entry.state) replay.created.set(entry.operationID, entry.state);
    remove(replay, entry);
    mark(replay, entry.deleteOld, entry.deleteNew, { delete: true });
    mark(replay, entry.pendingReplacementOld, entry.pendingReplacementNew, { pendingReplacement: true });
    replay.refreshed ||= entry.isRefresh ?? false;
  },
  2: (replay, entry) => replay.open.delete(entry.operationID),
  // A refresh succeeds: without a state, the resource was not found.
  3: (replay, entry) => {
    replay.open.delete(entry.operationID);
    replay.refreshed = true;
    (entry.state ? renew : remove)(replay, entry);
  },
  // Outputs are registered.
  4: renew,
  // The base is written anew.
  5: (replay, { newSnapshot }) => {
    if (newSnapshot) replay.base = newSnapshot;
  },
  // The base's provider of secrets is another.
  6: (replay, { secretsProvider }) => {
    replay.base = { ...replay.base, secrets_providers: secretsProvider };
  },
  // What was journalled becomes the base.
  7: (replay) => Object.assign(replay, replayOf(deploymentOf(replay))),
};

/** The entries of one update, and the deployment that they make of the one before it. */
export class Journal {
  private readonly entries = new Map<number, Entry>();

  constructor(private readonly base: UntypedDeployment) {}

  /** Each entry has a number of its own, and may come again with what it came with. */
  add(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const known = this.entries.get(entry.sequenceID);
      if (known && !isDeepStrictEqual(known, entry)) throw refusals.outOfOrder("A journal entry", entry.sequenceID);
      this.entries.set(entry.sequenceID, entry);
    }
  }

  deployment(): UntypedDeployment {
    const replay = replayOf(structuredClone(this.base.deployment));
    const inOrder = [...this.entries.values()].sort((one, other) => one.sequenceID - other.sequenceID);
    for (const entry of structuredClone(inOrder)) EFFECTS[entry.kind](replay, entry);
    return { ...this.base, deployment: deploymentOf(replay) };
  }
}

function deploymentOf({ base, created, gone, renewed, marks, open, refreshed }: Replay): Deployment {
  const old = (base.resources ?? [])
    .map((resource, at) => renewed.get(at) ?? { ...resource, ...marks.get(at) })
    .filter((_, at) => !gone.has(at));
  const resources = [...created.values(), ...old];
  requireNoAliases(resources);
  const begun = [...open.values()].flatMap(({ operation }) => operation ?? []);
  // Whether a resource came to be is for the user to find out, however many updates come after.
  const unresolved = (base.pending_operations ?? []).filter(({ type }) => type === "creating");
  return {
    ...base,
    manifest: { time: new Date().toISOString(), magic: "", version: "" },
    resources: refreshed ? withoutDangling(resources) : resources,
    pending_operations: [...begun, ...unresolved],
  };
}

/** The real service renames what refers to a resource by its old URN; the stand-in does not, and says so. */
function requireNoAliases(resources: readonly Resource[]): void {
  const urns = new Set(resources.map(({ urn }) => urn));
  const renamed = resources.find(({ aliases }) => aliases?.some((alias) => urns.has(alias)));
  if (renamed) throw new Error(`${renamed.urn}: the stand-in does not rename resources`);
}

/** A refresh may have removed what other resources refer to. A resource stands behind those that it refers to. */
function withoutDangling(resources: readonly Resource[]): Resource[] {
  const known = new Set<string>();
  const kept = (urns: readonly string[] | undefined) => urns?.filter((urn) => known.has(urn));
  return resources.map((resource) => {
    const { urn, parent, deletedWith, propertyDependencies } = resource;
    const held = (other: string | undefined) => (other !== undefined && known.has(other) ? other : undefined);
    known.add(urn);
    return {
      ...resource,
      parent: held(parent),
      dependencies: kept(resource.dependencies),
      replaceWith: kept(resource.replaceWith),
      deletedWith: held(deletedWith),
      propertyDependencies:
        propertyDependencies &&
        Object.fromEntries(Object.entries(propertyDependencies).map(([name, urns]) => [name, kept(urns ?? []) ?? []])),
    };
  });
}
