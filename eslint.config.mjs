import { readFileSync } from "node:fs";
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

/** What stands in the contract of a node's layout, and therefore nowhere else in the sources. */
const layout = JSON.parse(readFileSync(new URL("instance/layout.json", import.meta.url), "utf8"));
const isRecord = (path) =>
  [layout.paths.state, layout.paths.runtime].some((folder) => path.startsWith(`${folder}/`) && path.endsWith(".json"));
const OF_THE_LAYOUT = [
  ...layout.roots.map((root) => `(^|[^\\w.-])${root}(?![\\w-])`),
  ...Object.values(layout.units).map(({ name }) => `(^|[^\\w-])${name}`),
  ...Object.values(layout.paths)
    .filter((path) => isRecord(path))
    .map((path) => `(^|[^\\w-])${path.split("/").at(-1)}`),
].join("|");
const IN_WORDS = OF_THE_LAYOUT.replaceAll("/", "\\/");
const LAYOUT = [`Literal[value=/${IN_WORDS}/]`, `TemplateElement[value.raw=/${IN_WORDS}/]`].map((selector) => ({
  selector,
  message: "a node's paths, units and records stand in instance/layout.json: take them from fleet/layout.ts",
}));

export default tseslint.config(
  { ignores: ["dist/**", "node_modules/**", "**/*.js", "**/*.cjs", "eslint.config.mjs"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: false, allowNullish: false, allowAny: false },
      ],
      eqeqeq: "error",
    },
  },
  {
    // A test that meets undefined where it expects a value fails, which is right.
    files: ["tests/**/*.ts", "bench/**/*.ts"],
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  {
    files: [
      "system/**/*.ts",
      "fleet/**/*.ts",
      "project/**/*.ts",
      "infra/**/*.ts",
      "automation/**/*.ts",
      "cloud/**/*.ts",
    ],
    // What runs in a process of its own writes where whoever started it reads.
    ignores: ["automation/engine/pulumi-cli/install-main.ts"],
    rules: {
      "no-console": "error",
      "no-restricted-properties": [
        "error",
        ...["stdout", "stderr"].map((property) => ({
          object: "process",
          property,
          message: "the library never prints",
        })),
      ],
    },
  },
  {
    files: [
      ...["system", "fleet", "project", "infra", "automation", "cloud", "cli", "sandbox", "tools", "bench"].map(
        (folder) => `${folder}/**/*.ts`,
      ),
    ],
    rules: { "no-restricted-syntax": ["error", ...LAYOUT] },
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
        ...LAYOUT,
        ...CLOCK.map((selector) => ({ selector, message: "fleet/ is pure: it is given the time" })),
      ],
    },
  },
);
