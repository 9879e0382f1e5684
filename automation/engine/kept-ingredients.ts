import { NOTHING_KNOWN, type Items, type KnownIngredients } from "../../fleet/plan/ingredients";
import { keepText, keptText } from "./kept-state";

/** As it is on disk: of a hundred nodes that are alike in all but their name, what they are made of stands there once. */
type Kept = Record<keyof KnownIngredients, { shares: string[]; items: Items }[]>;

/**
 * What the nodes of a stack are made of, by file and by setting, beside the stack's record. It explains a plan and
 * decides nothing: where it is missing, the plan says that files changed, and not which.
 */
export class KeptIngredients {
  /** @param file of this stack's */
  constructor(readonly file: string) {}

  /** Keeps this in the place of what was kept before. @throws SpotError E_BACKEND where it cannot be written */
  keep(known: KnownIngredients): void {
    const text = JSON.stringify({ files: grouped(known.files), settings: grouped(known.settings) } satisfies Kept);
    keepText(this.file, text, "what the nodes are made of");
  }

  /** What is kept; nothing where there is nothing that can be read. */
  read(): KnownIngredients {
    try {
      const kept = JSON.parse(keptText(this.file) ?? "") as Kept;
      return { files: byShare(kept.files), settings: byShare(kept.settings) };
    } catch {
      return NOTHING_KNOWN;
    }
  }
}

const byShare = (groups: Kept["files"]): Record<string, Items> =>
  Object.fromEntries(groups.flatMap(({ shares, items }) => shares.map((share) => [share, items] as const)));

function grouped(known: Readonly<Record<string, Items>>): Kept["files"] {
  const groups = new Map<string, Kept["files"][number]>();
  for (const [share, items] of Object.entries(known)) {
    const key = JSON.stringify(items);
    const group = groups.get(key);
    if (group) group.shares.push(share);
    else groups.set(key, { shares: [share], items });
  }
  return [...groups.values()];
}
