import { z } from "zod";
import {
  multivalued,
  noPolicies,
  normalKey,
  operators,
  suppliedKeys,
  suppliedTagKeys,
  type Condition,
  type Operator,
  type Policies,
} from "./statement";

/*
 * The grammar is that of "IAM JSON policy elements reference" (IAM User Guide). What AWS knows and the gateway does not
 * is refused: to pass over it could allow what AWS forbids.
 */

const oneOrMore = <T extends z.ZodType>(item: T) =>
  z
    .union([item, z.array(item).min(1)])
    .transform((value): z.output<T>[] => (Array.isArray(value) ? value : [value]) as z.output<T>[]);

const plain = z.string().refine((text) => !text.includes("${"), {
  error: ({ input }) => `the sandbox does not know policy variables: ${String(input)}`,
});

const action = plain.refine((text) => text === "*" || /^[a-z][a-z0-9-]*:[a-z0-9*?]+$/i.test(text), {
  error: ({ input }) => `not an action: ${String(input)}`,
});

/** An ARN has six parts, and a wildcard stays within its own. */
const resource = plain.refine((text) => text === "*" || (text.startsWith("arn:") && text.split(":").length >= 6), {
  error: ({ input }) => `neither an ARN nor *: ${String(input)}`,
});

const value = z.union([plain, z.boolean(), z.number()]).transform(String);

const known: ReadonlySet<string> = new Set(operators);
const withQuantifier: ReadonlySet<Operator> = new Set(["StringEquals", "StringLike"]);

function readOperator(name: string): Omit<Condition, "key" | "values"> | string {
  const parts = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/.exec(name);
  const operator = parts?.[2] as Operator | undefined;
  if (operator === undefined || !known.has(operator)) return `the sandbox does not know the operator ${name}`;
  const quantifier = parts?.[1] as Condition["quantifier"];
  const ifExists = parts?.[3] !== undefined;
  if (quantifier !== undefined && !withQuantifier.has(operator))
    return `the sandbox does not know the operator ${name}`;
  if (operator === "Null" && ifExists) return "Null has no form with IfExists";
  return { operator, ifExists, quantifier };
}

function isSupplied(key: string): boolean {
  return (
    suppliedKeys.has(key) || suppliedTagKeys.some((prefix) => key.startsWith(prefix) && key.length > prefix.length)
  );
}

function problemOf({ operator, quantifier, key, values }: Condition): string | undefined {
  if (!isSupplied(key)) return `the sandbox does not supply the condition key ${key}`;
  if (multivalued.has(key) && quantifier === undefined && operator !== "Null")
    return `${key} has several values: it needs ForAllValues: or ForAnyValue:`;
  if ((operator === "Null" || operator === "Bool") && values.some((text) => !/^(true|false)$/i.test(text)))
    return `${operator} compares with true or false`;
  return undefined;
}

const conditions = z
  .record(z.string(), z.record(z.string(), oneOrMore(value)))
  .transform((blocks, context): Condition[] =>
    Object.entries(blocks).flatMap(([name, keys]) => {
      const read = readOperator(name);
      const found = Object.entries(keys).map(([key, values]): Condition | string =>
        typeof read === "string" ? read : { ...read, key: normalKey(key), values },
      );
      return found.flatMap((condition) => {
        const problem = typeof condition === "string" ? condition : problemOf(condition);
        if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
        return typeof condition === "string" ? [] : [condition];
      });
    }),
  );

const statement = z
  .strictObject({
    Sid: z
      .string()
      .regex(/^[A-Za-z0-9]*$/)
      .optional(),
    Effect: z.enum(["Allow", "Deny"]),
    Action: oneOrMore(action),
    Resource: oneOrMore(resource),
    Condition: conditions.optional(),
  })
  .transform(({ Effect, Action, Resource, Condition }) => ({
    effect: Effect,
    actions: Action,
    resources: Resource,
    conditions: Condition ?? [],
  }));

const document = z.strictObject({
  Version: z.literal("2012-10-17"),
  Id: z.string().optional(),
  Statement: oneOrMore(statement),
});

/**
 * Reads policy documents: one, or a list. An empty list, or null, is no policy. Throws an Error whose message names
 * what is wrong, or what the sandbox does not know.
 */
export function parsePolicies(value: unknown): Policies {
  if (value === null) return noPolicies;
  const documents: unknown[] = Array.isArray(value) ? value : [value];
  const parsed = z.array(document).safeParse(documents);
  if (!parsed.success) throw new Error(z.prettifyError({ issues: parsed.error.issues.flatMap(innermost) }));
  return { documents, statements: parsed.data.flatMap(({ Statement }) => Statement) };
}

/** What is wrong inside the likeliest form of what has two: a union tells only that none fits. */
function innermost(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const forms = issue.errors.map((form) => form.flatMap(innermost));
  const best = forms.find((form) => form.some(({ code, path }) => path.length > 0 || code !== "invalid_type"));
  return (best ?? forms[0] ?? [issue]).map((inner) =>
    inner === issue ? issue : { ...inner, path: [...issue.path, ...inner.path] },
  );
}
