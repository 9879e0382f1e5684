/** A number with its noun: `1 node`, `3 nodes`. */
export function pluralize(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}

/** Words as the beginning of a sentence. */
export function capitalized(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
}

/** Compares names as people read them: `us-west-2-2` comes before `us-west-2-10`. */
export function naturalCompare(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** What stands before the first line break. */
export function headLine(text: string): string {
  return text.split("\n", 1).join();
}

/** A line of somebody else's output as it can be shown: without a terminal's control sequences and control characters. */
export function plainLine(text: string): string {
  return text.replace(/\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]/g, "").trim();
}
