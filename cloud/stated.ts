/**
 * A field that AWS always answers with, although the SDK's types say of every field that it may be missing.
 * @throws Error for an answer without it: AWS never sends one
 */
export function stated<T, K extends keyof T & string>(answer: T, field: K): NonNullable<T[K]> {
  const value = answer[field];
  if (value === undefined || value === null) throw new Error(`AWS answered without ${field}`);
  return value;
}
