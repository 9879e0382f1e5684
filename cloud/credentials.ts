/**
 * Which credentials a run uses, for our own calls and for the engine's provider alike. `default`: what AWS's SDKs find
 * by themselves (the profile `default`, then the machine's role).
 */
export type Credentials =
  | { kind: "keys"; accessKeyId: string; secretAccessKey: string; sessionToken?: string }
  | { kind: "profile"; profile: string }
  | { kind: "web identity" }
  | { kind: "default" };

const KEYS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"];
const WEB_IDENTITY = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME"];
const PROFILES = ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"];

/** The source that counts, and the variables of those that it beats. */
interface Choice {
  credentials: Credentials;
  /** As a message names it. */
  title: string;
  beaten: string[];
}

/**
 * The credentials that count, and the environment without those that lost: AWS's SDKs do not agree on who wins, and a
 * run must not act in two accounts. `--profile` wins; otherwise keys in the environment beat AWS_PROFILE, as in the
 * AWS CLI; AWS_PROFILE beats a web identity, which a platform sets without being asked.
 */
export function chooseCredentials(
  env: NodeJS.ProcessEnv,
  profile: string | undefined,
): { credentials: Credentials; env: NodeJS.ProcessEnv; warning?: string } {
  const { credentials, title, beaten } = choice(env, profile);
  // An option that overrides its own variable surprises nobody, and what says the same loses nothing.
  const same = credentials.kind === "profile" ? credentials.profile : undefined;
  const named = beaten.filter(
    (name) => env[name] && env[name] !== same && !(profile !== undefined && PROFILES.includes(name)),
  );
  const kept = Object.fromEntries(Object.entries(env).filter(([name]) => !beaten.includes(name)));
  return {
    credentials,
    env: credentials.kind === "profile" ? { ...kept, AWS_PROFILE: credentials.profile } : kept,
    ...(named.length > 0
      ? { warning: `${title} decides whose credentials are used; ignored: ${named.join(", ")}` }
      : {}),
  };
}

function choice(env: NodeJS.ProcessEnv, option: string | undefined): Choice {
  if (option !== undefined)
    return {
      credentials: { kind: "profile", profile: option },
      title: `--profile ${option}`,
      beaten: [...KEYS, ...WEB_IDENTITY, ...PROFILES],
    };
  const {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_SESSION_TOKEN: sessionToken,
  } = env;
  if (accessKeyId && secretAccessKey) {
    return {
      credentials: { kind: "keys", accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) },
      title: "AWS_ACCESS_KEY_ID",
      beaten: [...PROFILES, ...WEB_IDENTITY],
    };
  }
  const profile = env.AWS_PROFILE || env.AWS_DEFAULT_PROFILE;
  if (profile)
    return {
      credentials: { kind: "profile", profile },
      title: `AWS_PROFILE=${profile}`,
      beaten: [...KEYS, ...WEB_IDENTITY, "AWS_DEFAULT_PROFILE"],
    };
  if (env.AWS_WEB_IDENTITY_TOKEN_FILE && env.AWS_ROLE_ARN)
    return { credentials: { kind: "web identity" }, title: "AWS_WEB_IDENTITY_TOKEN_FILE", beaten: KEYS };
  return { credentials: { kind: "default" }, title: "the default profile", beaten: [] };
}
