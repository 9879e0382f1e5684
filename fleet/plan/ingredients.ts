import { createHash } from "node:crypto";
import type { FleetConfig } from "../config";
import { shareOf, type Decider } from "../identity/generation";
import type { PayloadEntry } from "../node/payload";
import { PROGRAM_FILE, TOKEN_FILE } from "../node/workloads";

/** Items by name, each with a short digest of what it holds: no content, and so no secret. */
export type Items = Readonly<Record<string, string>>;

/** What a user decides of a node, item by item: the files by their path in the payload, the settings by their key. */
export const explained = ["files", "settings"] as const satisfies readonly Decider[];
export type Explained = (typeof explained)[number];

/** What stands between the name of an item and that of the folder or section that it is in. */
const SEPARATOR: Readonly<Record<Explained, string>> = { files: "/", settings: "." };

export type Ingredients = Readonly<Record<Explained, Items>>;

/** What is known of generations: the items behind the share of each decider that their names carry. */
export type KnownIngredients = Readonly<Record<Explained, Readonly<Record<string, Items>>>>;

export const NOTHING_KNOWN: KnownIngredients = { files: {}, settings: {} };

/** An item that two generations do not share. */
export interface Difference {
  name: string;
  how: "changed" | "added" | "removed";
}

/** What differs between two generations; a part is absent where nothing differs, or nothing is known of it. */
export type Differences = Partial<Record<Explained, readonly Difference[]>>;

/** The keys of config.yaml that decide what a node is made of, each with what it comes to. */
const SETTINGS: Readonly<Record<string, (config: FleetConfig, publicKey: string) => unknown>> = {
  network: ({ network }) => network,
  packages: ({ packages }) => packages,
  max_price: ({ spotPriceLimit }) => spotPriceLimit,
  "aws.username": ({ username }) => username,
  "aws.public_ssh_key_path": (_config, publicKey) => publicKey,
  "aws.ssh_key_name": ({ ssh }) => ssh.keyName,
  "aws.instance_storage_gb": ({ storageGb }) => storageGb,
  "aws.cpu_credits": ({ cpuCredits }) => (cpuCredits === "unlimited" ? cpuCredits : undefined),
  "aws.iam_instance_profile": ({ instanceProfile }) => instanceProfile,
  bacalhau: ({ bacalhau }) => bacalhau && "enabled",
  "bacalhau.version": ({ bacalhau }) => bacalhau?.version,
  "bacalhau.download": ({ bacalhau }) => bacalhau?.program.downloads,
  "bacalhau.orchestrators": ({ bacalhau }) => bacalhau?.orchestrators,
  "bacalhau.labels": ({ bacalhau }) => bacalhau?.labels,
  "bacalhau.allowed_paths": ({ bacalhau }) => bacalhau?.allowedPaths,
};

/** Files of the payload that keys of config.yaml name: what they hold counts, wherever they lie. */
const NAMED_FILES: Readonly<Record<string, string>> = {
  "bacalhau.binary": PROGRAM_FILE,
  "bacalhau.token_file": TOKEN_FILE,
};

/**
 * What the user decides of the nodes that this configuration makes.
 * @param entries of the payload, all of them
 * @param files those of them that are the user's
 */
export function ingredientsOf(
  config: FleetConfig,
  publicKey: string,
  entries: readonly PayloadEntry[],
  files: readonly PayloadEntry[],
): Ingredients {
  const named = Object.entries(NAMED_FILES).map(
    ([key, path]) => [key, entries.find((entry) => entry.path === path)] as const,
  );
  const settings = Object.entries(SETTINGS).map(([key, valueOf]) => [key, valueOf(config, publicKey)] as const);
  return {
    files: itemsOf(files.map(({ path, ...what }) => [path, what] as const)),
    settings: itemsOf([...settings, ...named]),
  };
}

function itemsOf(items: readonly (readonly [name: string, what: unknown])[]): Items {
  return Object.fromEntries(
    items.flatMap(([name, what]) => (what === undefined ? [] : [[name, digestOf(what)] as const])),
  );
}

/** Short: it tells two states of one file apart, and proves nothing. */
const digestOf = (what: unknown): string =>
  createHash("sha256").update(JSON.stringify(what)).digest("hex").slice(0, 12);

/** What is known once these generations are, too. */
export function withIngredients(
  known: KnownIngredients,
  generations: readonly string[],
  ingredients: Ingredients,
): KnownIngredients {
  const added = (decider: Explained): Readonly<Record<string, Items>> =>
    Object.fromEntries(generations.map((generation) => [shareOf(generation, decider) ?? "", ingredients[decider]]));
  return { files: { ...known.files, ...added("files") }, settings: { ...known.settings, ...added("settings") } };
}

/** What is known of these generations alone. */
export function ingredientsFor(known: KnownIngredients, generations: readonly string[]): KnownIngredients {
  const kept = (decider: Explained): Readonly<Record<string, Items>> => {
    const shares = new Set(generations.map((generation) => shareOf(generation, decider)));
    return Object.fromEntries(Object.entries(known[decider]).filter(([share]) => shares.has(share)));
  };
  return { files: kept("files"), settings: kept("settings") };
}

/** Which files and settings differ between two generations, as far as it is known what they are made of. */
export function differencesBetween(known: KnownIngredients, before: string, now: string): Differences {
  return Object.fromEntries(
    explained.flatMap((decider) => {
      const [was, is] = [before, now].map((generation) => known[decider][shareOf(generation, decider) ?? ""]);
      const found = was && is ? differencesOf(was, is, SEPARATOR[decider]) : [];
      return found.length === 0 ? [] : [[decider, found] as const];
    }),
  );
}

function differencesOf(was: Items, is: Items, separator: string): Difference[] {
  const found = [...new Set([...Object.keys(was), ...Object.keys(is)])].sort().flatMap((name): Difference[] => {
    if (was[name] === is[name]) return [];
    return [{ name, how: was[name] === undefined ? "added" : is[name] === undefined ? "removed" : "changed" }];
  });
  // What comes or goes with the whole folder or section that it is in is told by that.
  const whole = new Set(found.flatMap(({ name, how }) => (how === "changed" ? [] : [name])));
  return found.filter(({ name }) => !whole.has(name.slice(0, Math.max(0, name.lastIndexOf(separator)))));
}
