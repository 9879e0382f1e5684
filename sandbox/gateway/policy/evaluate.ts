import { normalKey, type Condition, type Statement } from "./statement";

/** What is to be judged: an action on a resource, with the values of the condition keys. */
export interface Context {
  /** `ec2:RunInstances`. */
  action: string;
  /** An ARN, or `*` for an action that knows no resources. */
  resource: string;
  keys: ReadonlyMap<string, readonly string[]>;
}

export type Verdict = "allowed" | "explicit-deny" | "implicit-deny";

/** "Policy evaluation logic" (IAM User Guide): a deny wins over every allow, and what nothing allows is denied. */
export function evaluate(statements: readonly Statement[], context: Context): Verdict {
  const keys = new Map([...context.keys].map(([key, values]) => [normalKey(key), values]));
  const matching = statements.filter(
    (statement) => concerns(statement, context) && statement.conditions.every((condition) => holds(condition, keys)),
  );
  if (matching.some(({ effect }) => effect === "Deny")) return "explicit-deny";
  return matching.length > 0 ? "allowed" : "implicit-deny";
}

/** Does the statement speak of the action and the resource, whatever its conditions? */
export function concerns({ actions, resources }: Statement, { action, resource }: Omit<Context, "keys">): boolean {
  return (
    actions.some((pattern) => like(pattern.toLowerCase(), action.toLowerCase())) &&
    resources.some((pattern) => pattern === "*" || arnLike(pattern, resource))
  );
}

/** `*` stands for any characters, `?` for one. */
function like(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[\\^$.|+()[\]{}]/g, "\\$&")
    .replace(/\*+/g, ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s").test(text);
}

/** Part by part: a wildcard does not reach over a colon of the first five ("IAM JSON policy elements: Resource"). */
function arnLike(pattern: string, arn: string): boolean {
  const [of, given] = [partsOf(pattern), partsOf(arn)];
  return of.length === given.length && of.every((part, index) => like(part, given[index] as string));
}

function partsOf(arn: string): string[] {
  const parts = arn.split(":");
  return parts.length <= 6 ? parts : [...parts.slice(0, 5), parts.slice(5).join(":")];
}

type Compare = (wanted: string, given: string) => boolean;
const equal: Compare = (wanted, given) => wanted === given;

const comparisons: Record<Exclude<Condition["operator"], "Null">, { compare: Compare; negated?: true }> = {
  StringEquals: { compare: equal },
  StringNotEquals: { compare: equal, negated: true },
  StringLike: { compare: like },
  StringNotLike: { compare: like, negated: true },
  Bool: { compare: (wanted, given) => wanted.toLowerCase() === given.toLowerCase() },
  ArnLike: { compare: arnLike },
};

/**
 * "IAM JSON policy elements: Condition operators" and "Set operators for multivalued context keys": values of one key
 * are alternatives, of a negated operator exclusions. Where the request has no such key, a negated operator, `IfExists`
 * and `ForAllValues` hold, and all others do not.
 */
function holds(
  { operator, ifExists, quantifier, key, values }: Condition,
  keys: ReadonlyMap<string, readonly string[]>,
): boolean {
  const given = keys.get(key) ?? [];
  const absent = given.length === 0;
  if (operator === "Null") return values.some((value) => (value.toLowerCase() === "true") === absent);
  const { compare, negated = false } = comparisons[operator];
  if (absent) return negated || ifExists || quantifier === "ForAllValues";
  const matches = (one: string): boolean => values.some((value) => compare(value, one));
  if (quantifier === "ForAllValues") return given.every(matches);
  return given.some(matches) !== negated;
}
