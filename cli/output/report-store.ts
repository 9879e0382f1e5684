import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { tryWriteFile } from "../../system/atomic-file";
import { knownAfter, type VerificationReport } from "../../automation/verify/report";

const PREFIX = "last-verification-";
const fileOf = (folder: string, stack: string, kind: "html" | "json"): string =>
  path.join(folder, `${PREFIX}${stack.replaceAll("/", "_")}.${kind}`);

/** What is known of a stack's fleet, and the path of its page. */
export interface KeptReport {
  report: VerificationReport;
  page: string;
}

/**
 * Keeps what a run told of the nodes on which it went through the whole list; of the others what was known of them stays.
 * As the page of `--report`, and as the document of `--json`, one of each a stack.
 * @param fleet all nodes that the stack has now: what is known of others is forgotten
 * @returns the page's path; undefined when nothing is known, or it cannot be kept
 */
export async function keepReport(
  folder: string,
  report: VerificationReport,
  fleet: readonly { name: string; instanceId: string }[],
): Promise<string | undefined> {
  const { stack } = report;
  const known = knownAfter(read(fileOf(folder, stack, "json"))?.report, report, fleet);
  if (known === undefined) return undefined;
  const { html } = await import("./formats/html.js");
  const page = fileOf(folder, stack, "html");
  const isKept =
    tryWriteFile(page, html(known), 0o600) &&
    tryWriteFile(fileOf(folder, stack, "json"), `${JSON.stringify(known)}\n`, 0o600);
  return isKept ? page : undefined;
}

/** What is kept in a folder of the stack that was looked at last; undefined when nothing is. */
export function keptReport(folder: string): KeptReport | undefined {
  return documentsIn(folder)
    .flatMap((file) => read(file) ?? [])
    .reduce<KeptReport | undefined>((a, b) => (a === undefined || b.report.at > a.report.at ? b : a), undefined);
}

function documentsIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.startsWith(PREFIX) && name.endsWith(".json"))
      .map((name) => path.join(folder, name));
  } catch {
    return [];
  }
}

function read(file: string): KeptReport | undefined {
  try {
    const report = JSON.parse(readFileSync(file, "utf8")) as VerificationReport;
    return { report, page: file.replace(/json$/, "html") };
  } catch {
    return undefined;
  }
}
