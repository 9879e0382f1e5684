import { spawnSync } from "node:child_process";
import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { findMoto } from "../../sandbox/moto/install";
import { testCacheDir } from "./sandbox";

/*
 * Readers of reports that are not ours: libxml2 with the JUnit schema, Python's jsonschema (moto needs it, so its
 * environment has it) with the published schema, Perl's own harness for TAP.
 */

/** Of Debian's package libxml2-utils, which the set-up installs. */
const XMLLINT = "xmllint";
export const hasXmllint = (): boolean => spawnSync(XMLLINT, ["--version"]).status === 0;

const VALIDATE_JSON = `
import json, sys
from jsonschema import Draft202012Validator
schema, document = (json.load(open(name)) for name in sys.argv[1:])
Draft202012Validator.check_schema(schema)
for error in Draft202012Validator(schema).iter_errors(document):
    print(error.json_path, error.message)
`;

const COUNT_CASES = `
import sys, xml.etree.ElementTree as tree
cases = list(tree.parse(sys.argv[1]).getroot().iter("testcase"))
print(len(cases), sum(case.find("failure") is not None for case in cases), sum(case.find("skipped") is not None for case in cases))
`;

const PARSE_TAP =
  'use TAP::Parser; my $p = TAP::Parser->new({source => $ARGV[0]}); $p->run; print join(" ", $p->tests_run, scalar($p->failed), scalar($p->skipped)), "\\n"; print "$_\\n" for $p->parse_errors';

/** How many cases a reader counts, and how many of them failed and were skipped. */
export interface Counts {
  all: number;
  failed: number;
  skipped: number;
}

/** What is against docs/verification.schema.json in a JSON file, one line each; empty when it is as published. */
export async function jsonFaults(file: string): Promise<string> {
  const { python } = await findMoto(testCacheDir);
  return output(python, ["-c", VALIDATE_JSON, path.join(packageRoot(), "docs/verification.schema.json"), file]);
}

/** What is against the schema of JUnit files; empty when nothing is. */
export function junitFaults(file: string): string {
  const { status, stderr } = spawnSync(
    XMLLINT,
    ["--noout", "--nonet", "--schema", path.join(packageRoot(), "tests/support/junit.xsd"), file],
    { encoding: "utf8" },
  );
  return status === 0 ? "" : stderr;
}

export const junitCounts = (file: string): Counts => countsIn(output("python3", ["-c", COUNT_CASES, file]));

/** @throws Error with the harness's words when the file is no TAP */
export function tapCounts(file: string): Counts {
  const [counts = "", ...faults] = output("perl", ["-e", PARSE_TAP, file]).trim().split("\n");
  if (faults.length > 0) throw new Error(faults.join("\n"));
  return countsIn(counts);
}

function countsIn(line: string): Counts {
  const [all = NaN, failed = NaN, skipped = NaN] = line.trim().split(" ").map(Number);
  return { all, failed, skipped };
}

function output(program: string, args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr}${error?.message ?? ""}`);
  return stdout;
}
