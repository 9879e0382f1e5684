"use strict";
const { existsSync, readdirSync } = require("node:fs");
const path = require("node:path");

const root = path.resolve(__dirname, "../..");

/** Integration tests that take minutes each: whole matrices, every option, every mistake. */
const THOROUGH =
  /^(cleanup-vpcs|command-line|completion|config-keys|ctrl-c|fault-sample|host-key-token|lost-state|options|orphans|ownership|parts|recovery|report-page|terminal|troubleshooting|two-configurations)\.test\.js$/;

/**
 * What there is to run. `standard`: part of `npm test`. `together`: many short files, which share one process.
 * `booted`: needs real hosts, so where they can boot a skipped test is a failure. `apart`: by its name only. `anyNode`: runs
 * on the Node that is here, which may be the oldest that is supported, whatever else is run.
 */
const SUITES = [
  { name: "unit", mocha: "unit", together: true, standard: true, anyNode: true },
  { name: "instance", python: "tests/instance", standard: true },
  { name: "integration", mocha: "integration", except: THOROUGH, needsSetUp: true, standard: true },
  {
    name: "sample",
    mocha: "e2e",
    only: /^sample\.test\.js$/,
    needsSetUp: true,
    booted: true,
    standard: true,
    anyNode: true,
  },
  { name: "thorough", mocha: "integration", only: THOROUGH, needsSetUp: true },
  { name: "kill", mocha: "kill", needsSetUp: true },
  { name: "owners", mocha: "owners", needsSetUp: true },
  { name: "e2e", mocha: "e2e", except: /^(sample|images)\.test\.js$/, needsSetUp: true, booted: true },
  // Builds a root image of each Ubuntu from Ubuntu's archive, which not every machine reaches.
  { name: "images", mocha: "e2e", only: /^images\.test\.js$/, needsSetUp: true, booted: true, apart: true },
];

const USAGE = `suites: ${SUITES.map(({ name }) => name).join(", ")}; --all is all but what stands apart, --rest what of it \`npm test\` leaves out`;

/** Words that choose more than one suite. */
const CHOICES = {
  "--all": ({ apart }) => !apart,
  "--rest": ({ apart, standard }) => !apart && !standard,
};

/**
 * The suites that a command line asks for; none named: those of `npm test`.
 * @throws Error with the words that there are, for one that there is not
 */
function chosen(args) {
  if (args.length === 0) return SUITES.filter(({ standard }) => standard);
  const unknown = args.filter((arg) => !(arg in CHOICES) && !SUITES.some(({ name }) => name === arg));
  if (unknown.length > 0) throw new Error(`no suite ${unknown.join(", ")}; ${USAGE}`);
  return SUITES.filter((suite) => args.some((arg) => (arg in CHOICES ? CHOICES[arg](suite) : arg === suite.name)));
}

/** The compiled test files of a suite, from all its folders, in the order of their names. */
function filesOf({ mocha: folder, only = /\.test\.js$/, except = /^$/ }) {
  const directory = path.join(root, "dist/tests", folder);
  return (existsSync(directory) ? readdirSync(directory, { recursive: true }).sort() : [])
    .filter((file) => file.endsWith(".test.js") && only.test(file) && !except.test(file))
    .map((file) => path.join(directory, file));
}

/** A process of its own each: a suite's Python folder, its files together, or one of its files. */
function jobsOf(suite) {
  if (suite.python) return [{ suite, title: suite.name, python: suite.python }];
  const files = filesOf(suite);
  if (suite.together) return [{ suite, title: suite.name, files }];
  return files.map((file) => ({ suite, title: `${suite.name}: ${path.basename(file, ".test.js")}`, files: [file] }));
}

module.exports = { chosen, jobsOf, root };
