import tseslint from "typescript-eslint";

/**
 * The dependency directions of docs/architecture.md, as data: a folder, and what may not be imported from it.
 * `fleet` is pure; `infra` and `automation` never see each other; the sandbox knows AWS's protocols only.
 */
const directions = [
  { from: "system", never: ["fleet", "project", "infra", "automation", "cli", "sandbox"] },
  { from: "fleet", never: ["project", "infra", "automation", "cli", "sandbox"] },
  { from: "project", never: ["infra", "automation", "cli", "sandbox"] },
  { from: "infra", never: ["automation", "cli", "sandbox"] },
  { from: "automation", never: ["infra", "cli"] },
  { from: "cli", never: ["infra"] },
  { from: "sandbox", never: ["automation", "cli", "infra", "project"] },
];

/** Libraries with one home: everywhere else they are refused. */
const homes = [
  { packages: ["@pulumi/aws", "@pulumi/aws/*"], home: ["infra"] },
  { packages: ["@pulumi/pulumi/automation", "@pulumi/pulumi/automation/*"], home: ["automation/engine"] },
  { packages: ["node-ssh", "ssh2"], home: ["automation/ssh"] },
  { packages: ["@aws-sdk/*"], home: ["automation/cloud", "sandbox/provider"] },
];

/** What does I/O and so has no place in the pure model. node:crypto computes only. */
const io = ["node:fs", "node:fs/*", "node:net", "node:http", "node:https", "node:child_process", "node:os", "@pulumi/*"];

const message = "against the dependency directions (docs/architecture.md)";
const inside = (folder, pattern) => ({
  files: [`${folder}/**/*.ts`],
  rules: { "@typescript-eslint/no-restricted-imports": ["error", { patterns: pattern }] },
});

const folders = ["system", "fleet", "project", "infra", "automation", "cli", "automation/engine", "automation/ssh", "automation/cloud", "sandbox", "sandbox/provider"];
const restrictions = folders.map((folder) => {
  const top = folder.split("/")[0];
  const never = directions.find((d) => d.from === top)?.never ?? [];
  return inside(folder, [
    ...never.map((other) => ({ group: [`**/${other}/**`, `**/${other}`], message })),
    ...homes
      .filter(({ home }) => !home.includes(folder))
      .map(({ packages }) => ({ group: packages, message })),
    ...(folder === "fleet" ? [{ group: io, message: "fleet/ is pure: no I/O" }] : []),
  ]);
});

export default tseslint.config(
  { ignores: ["dist/**", "node_modules/**", "tools/**/*.js", "eslint.config.mjs"] },
  ...tseslint.configs.recommended,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      eqeqeq: "error",
    },
  },
  ...restrictions,
  {
    files: ["system/**/*.ts", "fleet/**/*.ts", "project/**/*.ts", "infra/**/*.ts", "automation/**/*.ts"],
    rules: { "no-console": "error" },
  },
);
