"use strict";
const { existsSync, readdirSync, statSync } = require("node:fs");
const path = require("node:path");

const root = path.resolve(__dirname, "../..");

/** Integration tests that take minutes each: whole matrices, every option, every mistake. */
const THOROUGH =
  /^(backends|cleanup-vpcs|command-line|completion|config-keys|ctrl-c|drift|fault-sample|half-made|host-key-token|image-choice|inspect|lost-state|network-change|options|orphans|ownership|parts|permissions|plain-pulumi|plain-stack|plan|recovery|report-page|rollback|sandbox-provider|shapes|terminal|troubleshooting|two-configurations)\.test\.js$/;

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
  { name: "plan", mocha: "plan", needsSetUp: true },
  { name: "pairs", mocha: "pairs", needsSetUp: true },
  { name: "steps", mocha: "steps", needsSetUp: true, booted: true },
  { name: "e2e", mocha: "e2e", except: /^(sample|images)\.test\.js$/, needsSetUp: true, booted: true },
  // Builds a root image of each Ubuntu from Ubuntu's archive, which not every machine reaches.
  { name: "images", mocha: "e2e", only: /^images\.test\.js$/, needsSetUp: true, booted: true, apart: true },
];

const USAGE = `suites: ${SUITES.map(({ name }) => name).join(", ")}; --all is all but what stands apart, --rest what of it \`npm test\` leaves out; or the path of a test`;

/** Words that choose more than one suite. */
const CHOICES = {
  "--all": ({ apart }) => !apart,
  "--rest": ({ apart, standard }) => !apart && !standard,
};

const EXAMPLE = "such as tests/unit/fleet/plan/slots.test.ts or tests/instance/test_node.py";

/**
 * What a command line asks for: suites by name, by default those of `npm test`, or test files by the paths of their
 * sources; `-g WORDS`: of these the tests in whose title the words stand.
 * @returns { suites, jobs }; `jobs` reads what was built
 * @throws Error with what there is, for what there is not
 */
function chosen(args) {
  const { words, grep } = parsed(args);
  const isPath = (word) => /[/\\]|\.(ts|js|py)$/.test(word);
  if (words.some(isPath)) {
    const files = words.map(jobOfFile);
    return { suites: files.map(({ suite }) => suite), jobs: () => files.map((job) => ({ ...job, grep })) };
  }
  const suites = suitesNamed(words);
  return { suites, jobs: () => suites.flatMap(jobsOf).map((job) => ({ ...job, grep })) };
}

function parsed(args) {
  const at = args.indexOf("-g");
  if (at < 0) return { words: args };
  const grep = args[at + 1];
  if (!grep) throw new Error("-g needs words that stand in the title of a test");
  return { words: args.toSpliced(at, 2), grep };
}

function suitesNamed(words) {
  if (words.length === 0) return SUITES.filter(({ standard }) => standard);
  const unknown = words.filter((word) => !(word in CHOICES) && !SUITES.some(({ name }) => name === word));
  if (unknown.length > 0) throw new Error(`no suite ${unknown.join(", ")}; ${USAGE}`);
  return SUITES.filter((suite) => words.some((word) => (word in CHOICES ? CHOICES[word](suite) : word === suite.name)));
}

/** The one test file at this path, in its suite. */
function jobOfFile(given) {
  const source = path.relative(root, path.resolve(root, given)).replaceAll(path.sep, "/");
  if (!existsSync(path.join(root, source)))
    throw new Error(`${given}: there is no such file in ${root}; name a test by the path of its source, ${EXAMPLE}`);
  const script = path.basename(source);
  const python = SUITES.find((suite) => suite.python === path.dirname(source) && /^test_.*\.py$/.test(script));
  if (python) return { suite: python, title: `${python.name}: ${script}`, python: python.python, pattern: script };
  const compiled = source.replace(/\.ts$/, ".js");
  const suite = SUITES.find(
    ({ mocha, ...rest }) =>
      mocha && compiled.startsWith(`tests/${mocha}/`) && holds(rest, compiled.slice(`tests/${mocha}/`.length)),
  );
  if (!suite || statSync(path.join(root, source)).isDirectory())
    throw new Error(`${given} is not a test; name one by the path of its source, ${EXAMPLE}`);
  return { suite, title: `${suite.name}: ${source}`, files: [path.join(root, "dist", compiled)] };
}

/** Whether a suite runs this compiled file; its path is relative to the suite's folder. */
function holds({ only = /^/, except = /^$/ }, file) {
  return file.endsWith(".test.js") && only.test(file) && !except.test(file);
}

/** The compiled test files of a suite, from all its folders, in the order of their names. */
function filesOf(suite) {
  const directory = path.join(root, "dist/tests", suite.mocha);
  return (existsSync(directory) ? readdirSync(directory, { recursive: true }).sort() : [])
    .filter((file) => holds(suite, file))
    .map((file) => path.join(directory, file));
}

/** A process of its own each: a suite's Python folder, its files together, or one of its files. */
function jobsOf(suite) {
  if (suite.python) return [{ suite, title: suite.name, python: suite.python }];
  const files = filesOf(suite);
  if (suite.together) return [{ suite, title: suite.name, files }];
  return files.map((file) => ({ suite, title: `${suite.name}: ${path.basename(file, ".test.js")}`, files: [file] }));
}

module.exports = { chosen, root };
