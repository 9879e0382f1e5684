import { SpotError } from "../../fleet/errors";
import { outside } from "../../fleet/steps";
import { checks, phases, type Check } from "../../fleet/checks";

/** What names are of, and the command that shows which there are. */
const SHOWN_BY = {
  node: "Run `list` to see which nodes there are.",
  check: "Run `verify --list` to see which checks there are.",
  phase: "Run `verify --list` to see which phases there are.",
} as const;

/**
 * A list of patterns as a predicate over names. `*` stands for anything, case does not matter, several are separated by
 * commas: `D2,E*`.
 * @returns the names that any pattern fits, in their own order
 * @throws SpotError E_USAGE for a pattern that fits nothing: a typing error must not look like "all passed".
 */
export function selectNames(patterns: string, names: readonly string[], what: keyof typeof SHOWN_BY): string[] {
  const given = patterns
    .split(",")
    .map((pattern) => pattern.trim())
    .filter((pattern) => pattern !== "");
  const chosen = new Set(
    given.flatMap((pattern) => {
      const expression = new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`, "i");
      const fitting = names.filter((name) => expression.test(name));
      if (fitting.length === 0)
        throw new SpotError("E_USAGE", {
          message: `No ${what} fits "${pattern}".`,
          next: SHOWN_BY[what],
          step: outside("correct-command-line"),
        });
      return fitting;
    }),
  );
  if (chosen.size === 0)
    throw new SpotError("E_USAGE", {
      message: `No ${what} was named.`,
      next: SHOWN_BY[what],
      step: outside("correct-command-line"),
    });
  return names.filter((name) => chosen.has(name));
}

/** Patterns of ids and of phases; a check is chosen when it fits both. Absent: all. */
export interface CheckChoice {
  only?: string;
  phase?: string;
}

/**
 * The checks to run: those chosen and, because a check means nothing without them, all that they need or come after.
 * @throws SpotError E_USAGE when nothing is chosen
 */
export function selectChecks({ only, phase }: CheckChoice = {}, from: readonly Check[] = checks): Check[] {
  if (only === undefined && phase === undefined) return [...from];
  const ids = new Set(
    only === undefined
      ? from.map(({ id }) => id)
      : selectNames(
          only,
          from.map(({ id }) => id),
          "check",
        ),
  );
  const inPhase = new Set<string>(phase === undefined ? phases : selectNames(phase, phases, "phase"));
  const chosen = from.filter((check) => ids.has(check.id) && inPhase.has(check.phase));
  if (chosen.length === 0)
    throw new SpotError("E_USAGE", {
      message: `No check fits ${[only, phase].filter(Boolean).join(" and ")} together.`,
      next: SHOWN_BY.check,
      step: outside("correct-command-line"),
    });
  const byId = new Map(from.map((check) => [check.id, check]));
  const wanted = new Set<string>();
  const want = (id: string): void => {
    if (wanted.has(id)) return;
    wanted.add(id);
    const { needs = [], after = [] } = byId.get(id) ?? {};
    [...needs, ...after].forEach(want);
  };
  chosen.forEach(({ id }) => want(id));
  return from.filter(({ id }) => wanted.has(id));
}
