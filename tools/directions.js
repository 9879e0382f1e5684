#!/usr/bin/env node
/** Checks the directions of imports: the rules of .dependency-cruiser.cjs, and that no two folders import each other. */
"use strict";
const { spawnSync } = require("node:child_process");
const path = require("node:path");

const root = path.resolve(__dirname, "..");
const PROGRAM = ["system", "fleet", "project", "infra", "automation", "cloud", "cli", "sandbox", "tools"];
const OTHERS = ["tests", "bench"];

/** A folder and those that it lies in, the innermost first. */
const withParents = (folder) =>
  folder.split("/").map((_, depth, names) => names.slice(0, names.length - depth).join("/"));
const holds = (folder, other) => other === folder || other.startsWith(`${folder}/`);

/**
 * Which folders an import leads from and to: its two folders, whichever may hold the other, and of those around them each
 * pair of which neither does.
 */
function pairsOf(from, to) {
  const [source, target] = [path.posix.dirname(from), path.posix.dirname(to)];
  if (source === target) return [];
  const around = withParents(source).flatMap((a) =>
    withParents(target).flatMap((b) => (holds(a, b) || holds(b, a) ? [] : [`${a} ${b}`])),
  );
  return [...new Set([`${source} ${target}`, ...around])];
}

/** Pairs of folders that import each other, with an import each way. */
function mutual(imports) {
  const seen = new Map();
  for (const [from, to] of imports)
    for (const pair of pairsOf(from, to)) if (!seen.has(pair)) seen.set(pair, `${from} -> ${to}`);
  return [...seen].flatMap(([pair, example]) => {
    const [a, b] = pair.split(" ");
    const back = seen.get(`${b} ${a}`);
    return a < b && back !== undefined ? [`${a} and ${b} import each other: ${example}, and ${back}`] : [];
  });
}

function main() {
  const depcruise = path.join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  const args = ["--config", ".dependency-cruiser.cjs", "--output-type", "json", ...PROGRAM, ...OTHERS];
  const { stdout, stderr } = spawnSync(process.execPath, [depcruise, ...args], {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (!stdout.startsWith("{")) throw new Error(`dependency-cruiser failed: ${stderr}`);
  const { modules, summary } = JSON.parse(stdout);
  const ours = (file) => PROGRAM.some((folder) => holds(folder, file));
  const imports = modules.flatMap(({ source, dependencies }) =>
    dependencies.flatMap(({ resolved }) => (ours(source) && ours(resolved) ? [[source, resolved]] : [])),
  );
  if (imports.length === 0) throw new Error("no import was found: that is a failure");
  const comments = new Map(summary.ruleSetUsed.forbidden.map(({ name, comment }) => [name, comment]));
  const faults = [
    ...summary.violations.map(({ rule, from, to }) =>
      from === to ? `${from}: ${comments.get(rule.name)}` : `${rule.name}: ${from} -> ${to}`,
    ),
    ...mutual(imports),
  ];
  for (const fault of faults) console.error(fault);
  console.log(`${imports.length} imports, ${faults.length} against the directions (docs/architecture.md)`);
  process.exitCode = faults.length > 0 ? 1 : 0;
}

if (require.main === module) main();

module.exports = { mutual };
