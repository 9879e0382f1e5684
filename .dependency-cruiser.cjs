/**
 * The dependency directions of docs/architecture.md, checked on every kind of import: of values, of types, and those that
 * are made while the program runs. That no two folders import each other is tools/directions.js's, which runs these too.
 */

/** What each top-level folder may import of the others. */
const MAY_IMPORT = {
  system: [],
  fleet: [],
  project: ["fleet", "system"],
  cloud: ["fleet", "project", "system"],
  infra: ["cloud", "fleet", "project"],
  sandbox: ["fleet", "system"],
  automation: ["cloud", "fleet", "project", "system", "sandbox"],
  cli: ["automation", "cloud", "fleet", "project", "sandbox", "system"],
  tools: ["automation", "cli", "cloud", "fleet", "project"],
};

/** What the user's project and its tests are made of, in the order of package.json's sources. */
const FOLDERS = [...Object.keys(MAY_IMPORT), "tests", "bench"];

/** Libraries with one home. */
const HOMES = [
  { packages: "@pulumi/aws", home: "infra" },
  { packages: "@pulumi/pulumi/automation", home: "automation/engine" },
  { packages: "(node-ssh|ssh2)", home: "automation/ssh" },
  { packages: "@aws-sdk", home: "(cloud|sandbox/provider)" },
];

/** Where processes begin, and what others import: all of the program is reached from here. */
const BEGINNINGS = [
  "cli/main",
  "automation/index",
  "automation/engine/lean-sdk/preload-program",
  "automation/engine/pulumi-cli/install-main",
  "infra/index",
  "infra/program",
  "sandbox/daemon/main",
  "sandbox/provider/main",
  "tools/docs/generated",
];

/** What computes only, of Node's own modules. */
const PURE_MODULES = ["crypto", "path", "url", "util"];

/** What fleet/ uses of libraries: they compute only, too. */
const PURE_LIBRARIES = ["fastest-levenshtein", "yaml", "zod"];

const forbidden = [
  ...Object.entries(MAY_IMPORT).map(([folder, others]) => ({
    name: `${folder}-imports`,
    comment: `${folder}/ may import ${others.join(", ") || "no other folder"}`,
    severity: "error",
    from: { path: `^${folder}/` },
    to: { path: `^(${FOLDERS.filter((other) => other !== folder && !others.includes(other)).join("|")})/` },
  })),
  {
    name: "sandbox-by-its-door",
    comment: "the sandbox is used only through sandbox/control.ts",
    severity: "error",
    from: { path: "^(automation|cli|cloud|infra|project|tools)/" },
    to: { path: "^sandbox/", pathNot: "^sandbox/control[.]ts$" },
  },
  {
    name: "fleet-is-pure",
    comment: "fleet/ computes: no input or output",
    severity: "error",
    // Of node:net only what tells addresses apart.
    from: { path: "^fleet/", pathNot: "^fleet/config/cidr[.]ts$" },
    to: { dependencyTypes: ["core"], pathNot: `^(node:)?(${PURE_MODULES.join("|")})$` },
  },
  {
    name: "fleet-uses-pure-libraries",
    comment: "fleet/ computes: libraries that do no more",
    severity: "error",
    from: { path: "^fleet/" },
    to: { path: "node_modules/", pathNot: `node_modules/(${PURE_LIBRARIES.join("|")})/` },
  },
  ...HOMES.map(({ packages, home }) => ({
    name: `home-of-${packages.replace(/[^a-z]+/g, "-")}`,
    comment: `only ${home} imports ${packages}`,
    severity: "error",
    from: { path: `^(${Object.keys(MAY_IMPORT).join("|")})/`, pathNot: `^${home}/` },
    to: { path: `^(node_modules/)?${packages}(/|$)` },
  })),
  {
    name: "reached",
    comment: "a file that nothing leads to is not run: it is missing in the table of its folder",
    severity: "error",
    from: { path: `^(${BEGINNINGS.join("|")})[.]ts$` },
    to: {
      path: `^(${Object.keys(MAY_IMPORT).join("|")})/.*[.]ts$`,
      pathNot: `^(${BEGINNINGS.join("|")})[.]ts$`,
      reachable: false,
    },
  },
  { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
];

module.exports = {
  forbidden,
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["node", "require", "import", "types", "default"],
      mainFields: ["main", "types"],
    },
  },
};
