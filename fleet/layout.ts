import contract from "../instance/layout.json";

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
