/** The account of the sandbox's own credentials: moto's default one. */
export const DEFAULT_ACCOUNT = "123456789012";

/** The access key of an account of the sandbox. The default one has a plain name, which is what a shell shows. */
export const accessKeyOf = (account: string): string =>
  account === DEFAULT_ACCOUNT ? "sandbox" : `sandbox-${account}`;

/** The account whose credentials an access key belongs to; undefined for a key that no account has. */
export function accountOfKey(accessKeyId: string): string | undefined {
  if (accessKeyId === "sandbox") return DEFAULT_ACCOUNT;
  return /^sandbox-(\d{12})$/.exec(accessKeyId)?.[1];
}
