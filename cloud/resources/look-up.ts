import type { Lookup } from "../../fleet/checks";
import { wordsWithCause } from "../../fleet/errors";
import { awsError } from "../errors";

/** The most values that one filter takes (EC2 API reference, "Filtering"). */
const FILTER_VALUES = 200;

/** Ids in as many parts as filters need. */
export function filterParts(ids: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(ids.length / FILTER_VALUES) }, (_, n) =>
    ids.slice(n * FILTER_VALUES, (n + 1) * FILTER_VALUES),
  );
}

/**
 * Asks for ids in as many calls as filters need; for none it asks nothing. What AWS refuses is a fact as well.
 * @param call its name, and where it is made
 */
export async function lookUp<T>(
  call: string,
  ids: readonly string[],
  ask: (ids: string[]) => Promise<T[]>,
): Promise<Lookup<T[]>> {
  try {
    return { value: (await Promise.all(filterParts(ids).map(ask))).flat() };
  } catch (error) {
    return { failure: wordsWithCause(awsError(error, call)) };
  }
}
