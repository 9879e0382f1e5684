/**
 * Property values as the engine sends them: plain JSON, with two kinds of envelope for what is secret and what is
 * not known yet.
 */
export type Properties = Record<string, unknown>;

/** How Pulumi's wire format marks a secret: an object with this key and value, and the content under `value`. */
const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";

/** What stands in a preview for a value that is known only after the update. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

export function isObject(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSecret(value: unknown): value is { value: unknown } {
  return isObject(value) && value[SIGNATURE_KEY] === SECRET_SIGNATURE;
}

/** The value without its secret envelopes, at any depth, and without `undefined`, which the wire cannot carry. */
export function plain(value: unknown): unknown {
  if (isSecret(value)) return plain(value.value);
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .map(([key, each]) => [key, plain(each)]),
  );
}

/**
 * `live` with every property secret that is secret, in whole or in part, in `known`. What came back from AWS has no
 * envelopes, and without this a refresh would write a secret to the state in the clear.
 */
export function keepSecrets(known: Properties, live: Properties): Properties {
  return Object.fromEntries(
    Object.entries(live).map(([key, value]) => [
      key,
      containsSecret(known[key]) ? { [SIGNATURE_KEY]: SECRET_SIGNATURE, value } : value,
    ]),
  );
}

function containsSecret(value: unknown): boolean {
  if (isSecret(value)) return true;
  if (Array.isArray(value)) return value.some(containsSecret);
  return isObject(value) && Object.values(value).some(containsSecret);
}

/**
 * Does `actual` fulfil `wanted`? Objects may hold more than what is wanted (values that AWS chose); lists count as
 * sets, because AWS returns them in any order. An unknown is never fulfilled: it may turn out to be anything.
 */
export function fulfils(actual: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) {
    return (
      Array.isArray(actual) &&
      actual.length === wanted.length &&
      wanted.every((each) => actual.some((other) => fulfils(other, each)))
    );
  }
  if (isObject(wanted)) {
    return isObject(actual) && Object.entries(wanted).every(([key, each]) => fulfils(actual[key], each));
  }
  return actual === wanted;
}

/** Does the value say nothing? Providers of Terraform's kind do not tell such values from absent ones. */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "" || value === false) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}

/** The value at a path of names joined by dots. */
export function at(properties: Properties, path: string): unknown {
  return path.split(".").reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), properties);
}
