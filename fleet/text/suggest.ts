import { distance } from "fastest-levenshtein";

/**
 * The candidate that was probably meant by `word`, or nothing when none is near. Case, dashes and underscores do not
 * count, so that `totalInstances` finds `total_instances`; and `machine` finds `machine_type`.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const bare = (text: string): string => text.toLowerCase().replace(/[-_\s]/g, "");
  let best: string | undefined;
  let bestDistance = Math.ceil(word.length / 4) + 1;
  for (const candidate of candidates) {
    const d = distance(bare(word), bare(candidate));
    if (d < bestDistance) [best, bestDistance] = [candidate, d];
  }
  return best ?? candidates.find((candidate) => word.length > 2 && bare(candidate).startsWith(bare(word)));
}

/** ` (did you mean X?)`, or nothing: made to stand behind a sentence without its full stop. */
export function didYouMean(word: string, candidates: readonly string[]): string {
  const guess = nearest(word, candidates);
  return guess === undefined ? "" : ` (did you mean ${guess}?)`;
}
