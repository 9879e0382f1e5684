const MASK = "***";

/** Whatever looks like a secret, and how much of the match may stay. */
const PATTERNS: [RegExp, string][] = [
  [/-----BEGIN ([A-Z ]*)PRIVATE KEY-----[\s\S]*?(-----END \1PRIVATE KEY-----|$)/g, MASK],
  // Access key ids of AWS (IAM User Guide, "Understanding unique ID prefixes").
  [/\b(AKIA|ASIA)[A-Z0-9]{16}\b/g, `$1${MASK}`],
  [/\b(authorization:\s*(?:basic|bearer)\s+)\S+/gi, `$1${MASK}`],
  // A setting; what begins with a dollar sign is a shell's variable.
  [
    /((?:password|passwd|secret|token|api[-_]?key|access[-_]?key)[\w-]*["']?\s*[:=]\s*["']?)(?!\$)[^\s"',;\\]{4,}/gi,
    `$1${MASK}`,
  ],
  // Credentials in a URL.
  [/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]+:)[^\s@/]+@/gi, `$1${MASK}@`],
];

/** The text without the secrets that are known. */
export function withoutKnown(text: string, secrets: readonly string[]): string {
  return secrets.filter((secret) => secret !== "").reduce((shown, secret) => shown.replaceAll(secret, MASK), text);
}

/** The text without the secrets that are known, and without what looks like one. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return PATTERNS.reduce(
    (shown, [pattern, replacement]) => shown.replace(pattern, replacement),
    withoutKnown(text, secrets),
  );
}

/** A value with every text in it changed; anything else stays. */
export function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapTexts(item, change)]));
}
