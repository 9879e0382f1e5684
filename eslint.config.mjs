import tseslint from "typescript-eslint";

/** What the pure model does not touch: it is given what it computes from. What it imports is in .dependency-cruiser.cjs. */
const OUTSIDE = [
  "fetch",
  "process",
  "console",
  "globalThis",
  "global",
  "performance",
  "require",
  "WebSocket",
  "EventSource",
  "XMLHttpRequest",
];
const TIMERS = [
  "setTimeout",
  "setInterval",
  "setImmediate",
  "clearTimeout",
  "clearInterval",
  "clearImmediate",
  "queueMicrotask",
];
const CLOCK = [
  "NewExpression[callee.name='Date'][arguments.length=0]",
  "CallExpression[callee.name='Date']",
  "MemberExpression[object.name='Date'][property.name='now']",
];

export default tseslint.config(
  { ignores: ["dist/**", "node_modules/**", "**/*.js", "**/*.cjs", "eslint.config.mjs"] },
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
  {
    files: ["system/**/*.ts", "fleet/**/*.ts", "project/**/*.ts", "infra/**/*.ts", "automation/**/*.ts"],
    rules: { "no-console": "error" },
  },
  {
    files: ["fleet/**/*.ts"],
    rules: {
      "no-restricted-globals": [
        "error",
        ...[...OUTSIDE, ...TIMERS].map((name) => ({
          name,
          message: "fleet/ is pure: it is given what it computes from",
        })),
      ],
      "no-restricted-syntax": [
        "error",
        ...CLOCK.map((selector) => ({ selector, message: "fleet/ is pure: it is given the time" })),
      ],
    },
  },
);
