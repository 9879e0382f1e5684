import assert from "node:assert/strict";
import { chooseCredentials } from "../../../cloud/credentials";

const KEYS = { AWS_ACCESS_KEY_ID: "AKIA1", AWS_SECRET_ACCESS_KEY: "secret", AWS_SESSION_TOKEN: "token" };
const WEB = { AWS_WEB_IDENTITY_TOKEN_FILE: "/token", AWS_ROLE_ARN: "arn:aws:iam::123456789012:role/r" };

describe("whose credentials a run uses", () => {
  const chosen = (env: NodeJS.ProcessEnv, profile?: string) => {
    const { credentials, env: left, warning } = chooseCredentials({ PATH: "/bin", ...env }, profile);
    assert.equal(left.PATH, "/bin", "what is no setting of AWS stays");
    return {
      kind: credentials.kind,
      profile: "profile" in credentials ? credentials.profile : undefined,
      left: Object.keys(left)
        .filter((name) => name !== "PATH")
        .sort(),
      warning,
    };
  };

  const rows: [
    what: string,
    env: NodeJS.ProcessEnv,
    option: string | undefined,
    expected: ReturnType<typeof chosen>,
  ][] = [
    [
      "--profile beats keys and AWS_PROFILE",
      { ...KEYS, AWS_PROFILE: "b" },
      "a",
      {
        kind: "profile",
        profile: "a",
        left: ["AWS_PROFILE"],
        warning:
          "--profile a decides whose credentials are used; ignored: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN",
      },
    ],
    [
      "--profile over AWS_PROFILE surprises nobody",
      { AWS_PROFILE: "b" },
      "a",
      { kind: "profile", profile: "a", left: ["AWS_PROFILE"], warning: undefined },
    ],
    [
      "keys beat AWS_PROFILE, as in the AWS CLI",
      { ...KEYS, AWS_PROFILE: "b" },
      undefined,
      {
        kind: "keys",
        profile: undefined,
        left: Object.keys(KEYS).sort(),
        warning: "AWS_ACCESS_KEY_ID decides whose credentials are used; ignored: AWS_PROFILE",
      },
    ],
    [
      "keys beat a web identity",
      { ...KEYS, ...WEB },
      undefined,
      {
        kind: "keys",
        profile: undefined,
        left: Object.keys(KEYS).sort(),
        warning:
          "AWS_ACCESS_KEY_ID decides whose credentials are used; ignored: AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN",
      },
    ],
    [
      "half a key is none",
      { AWS_ACCESS_KEY_ID: "AKIA1", AWS_PROFILE: "b" },
      undefined,
      {
        kind: "profile",
        profile: "b",
        left: ["AWS_PROFILE"],
        warning: "AWS_PROFILE=b decides whose credentials are used; ignored: AWS_ACCESS_KEY_ID",
      },
    ],
    [
      "AWS_PROFILE beats a web identity",
      { ...WEB, AWS_PROFILE: "b" },
      undefined,
      {
        kind: "profile",
        profile: "b",
        left: ["AWS_PROFILE"],
        warning: "AWS_PROFILE=b decides whose credentials are used; ignored: AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN",
      },
    ],
    [
      "AWS_DEFAULT_PROFILE is AWS_PROFILE's older name",
      { AWS_DEFAULT_PROFILE: "c" },
      undefined,
      { kind: "profile", profile: "c", left: ["AWS_PROFILE"], warning: undefined },
    ],
    [
      "AWS_PROFILE beats AWS_DEFAULT_PROFILE",
      { AWS_PROFILE: "b", AWS_DEFAULT_PROFILE: "c" },
      undefined,
      {
        kind: "profile",
        profile: "b",
        left: ["AWS_PROFILE"],
        warning: "AWS_PROFILE=b decides whose credentials are used; ignored: AWS_DEFAULT_PROFILE",
      },
    ],
    [
      "an empty AWS_PROFILE names none",
      { AWS_PROFILE: "" },
      undefined,
      { kind: "default", profile: undefined, left: ["AWS_PROFILE"], warning: undefined },
    ],
    [
      "a web identity alone",
      WEB,
      undefined,
      { kind: "web identity", profile: undefined, left: Object.keys(WEB).sort(), warning: undefined },
    ],
    ["nothing said", {}, undefined, { kind: "default", profile: undefined, left: [], warning: undefined }],
  ];
  for (const [what, env, option, expected] of rows) it(what, () => assert.deepEqual(chosen(env, option), expected));
});
