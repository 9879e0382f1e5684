import contract from "../instance/layout.json";
import placedFiles from "../instance/placed.json";

/**
 * What a node's layout is: paths, directories and units, as the node's own scripts read them too (instance/README.md
 * says what each key means). It stands in instance/layout.json and nowhere else.
 */
export const layout = contract;

/** Where things are on a node, absolute. */
export const { paths } = contract;

/** The names of our units. */
export const units = Object.fromEntries(
  Object.entries(contract.units).map(([role, { name }]) => [role, name]),
) as Record<keyof typeof contract.units, string>;

/** Whether a unit of ours is started by somebody who asks for it, ends when its work is done, or lasts. */
export const isOfKind = (kind: "asked" | "ending" | "lasting", unit: string): boolean =>
  Object.values(contract.units).some((ours) => ours.kind === kind && ours.name === unit);

/** A row of instance/placed.json: a file that a deployment or the start of a node puts there (instance/README.md). */
export interface PlacedRow {
  /** Key of `paths`. */
  place: keyof typeof paths;
  /** As `stat -c %a` shows it. */
  mode: string;
  /** Id of the check that compares mode and owner, and the content where that is a file of the payload. */
  check: string;
  /** Path in the payload, with `*` for each file of a folder; id of the check that knows the content; null: it grows. */
  content: string | null;
  /** The place is a folder, and each file in it is meant. */
  below?: boolean;
}

/** Every file that is put on a node outside the upload root, and who owns all of them. */
export const placed = placedFiles as { owner: string; files: PlacedRow[] };
