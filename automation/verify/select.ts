import { SpotError } from "../../fleet/errors";
import { checks, type Check } from "../../fleet/checks";

/**
 * A list of patterns as a predicate over names. `*` stands for anything, case does not matter, several are separated by
 * commas: `D2,E*`.
 * @returns the names that any pattern fits, in their own order
 * @throws SpotError E_USAGE for a pattern that fits nothing: a typing error must not look like "all passed".
 */
export function selectNames(patterns: string, names: readonly string[], what: string): string[] {
  const given = patterns.split(",").map((pattern) => pattern.trim()).filter((pattern) => pattern !== "");
  const chosen = new Set(
    given.flatMap((pattern) => {
      const expression = new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`, "i");
      const fitting = names.filter((name) => expression.test(name));
      if (fitting.length === 0) throw new SpotError("E_USAGE", `No ${what} fits "${pattern}".`);
      return fitting;
    }),
  );
  if (chosen.size === 0) throw new SpotError("E_USAGE", `No ${what} was named.`);
  return names.filter((name) => chosen.has(name));
}

/** The checks to run for `--only`: those named and, because a check means nothing without them, all that they need. */
export function selectChecks(only: string | undefined, from: readonly Check[] = checks): Check[] {
  if (only === undefined) return [...from];
  const byId = new Map(from.map((check) => [check.id, check]));
  const wanted = new Set<string>();
  const want = (id: string): void => {
    if (wanted.has(id)) return;
    wanted.add(id);
    byId.get(id)?.needs.forEach(want);
  };
  selectNames(only, from.map(({ id }) => id), "check").forEach(want);
  return from.filter(({ id }) => wanted.has(id));
}
