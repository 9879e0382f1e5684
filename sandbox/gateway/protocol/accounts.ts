/** The account of the sandbox's own credentials: moto's default one. */
export const DEFAULT_ACCOUNT = "123456789012";

const ADMINISTRATOR = "-admin";

/**
 * The access key of an account of the sandbox, subject to the policies in force. The default one has a plain name,
 * which is what a shell shows.
 */
export const accessKeyOf = (account: string): string =>
  account === DEFAULT_ACCOUNT ? "sandbox" : `sandbox-${account}`;

/** The access key of the same account that no policy binds. */
export const administratorKeyOf = (account: string): string => `${accessKeyOf(account)}${ADMINISTRATOR}`;

/** The account whose credentials an access key belongs to; undefined for a key that no account has. */
export function accountOfKey(accessKeyId: string): string | undefined {
  const parts = /^sandbox(?:-(\d{12}))?(?:-admin)?$/.exec(accessKeyId);
  return parts === null ? undefined : (parts[1] ?? DEFAULT_ACCOUNT);
}

export const isAdministrator = (accessKeyId: string): boolean =>
  accountOfKey(accessKeyId) !== undefined && accessKeyId.endsWith(ADMINISTRATOR);
