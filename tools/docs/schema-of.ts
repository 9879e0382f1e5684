import type { z } from "zod";

/** A type as one flat object, so that of two only their fields are compared and not how they were put together. */
type Plain<T> = T extends readonly (infer Item)[]
  ? Plain<Item>[]
  : T extends object
    ? { [K in keyof T]: Plain<T[K]> }
    : T;

/** Whether two types have the same fields, each of the same type, and optional in both or in neither. */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the one comparison of types that sees "optional"
type Same<A, B> = (<T>() => T extends Plain<A> ? 1 : 2) extends <T>() => T extends Plain<B> ? 1 : 2 ? true : false;

/**
 * The published schema of a type, unchanged. It does not compile where the two differ: not even by one optional field,
 * which neither `satisfies` nor an annotation sees. So the type stays free of a library that no command loads.
 */
export function schemaOf<T>() {
  return <S extends z.ZodType>(schema: S & (Same<z.infer<S>, T> extends true ? unknown : { differsFrom: T })): S =>
    schema;
}
