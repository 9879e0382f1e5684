/** How many nodes are enough, as config.yaml and `--min-healthy` have it: a number, or a percentage such as `75%`. */
export type MinHealthy = number | string;

/**
 * How many nodes of so many are enough: a number as it stands, a percentage rounded up. A number above `nodes` is never
 * reached; whoever takes it from a user refuses it.
 */
export function enoughNodes(min: MinHealthy, nodes: number): number {
  return typeof min === "number" ? min : Math.ceil((nodes * Number.parseInt(min, 10)) / 100);
}
