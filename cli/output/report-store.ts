import { readFileSync } from "node:fs";
import path from "node:path";
import { tryWriteFile } from "../../system/atomic-file";
import type { VerificationReport } from "../../automation/verify/report";

const pageIn = (folder: string): string => path.join(folder, "last-verification.html");
const documentIn = (folder: string): string => path.join(folder, "last-verification.json");

/**
 * Keeps a report in the place of the one before: as the page of `--report`, and as the document of `--json`.
 * @returns the page's path; undefined when it cannot be kept
 */
export async function keepReport(folder: string, report: VerificationReport): Promise<string | undefined> {
  const { html } = await import("./formats/html.js");
  const isKept =
    tryWriteFile(pageIn(folder), html(report), 0o600) &&
    tryWriteFile(documentIn(folder), `${JSON.stringify(report)}\n`, 0o600);
  return isKept ? pageIn(folder) : undefined;
}

/** The last report that was kept in a folder, and the path of its page; undefined when there is none. */
export function keptReport(folder: string): { report: VerificationReport; page: string } | undefined {
  try {
    return { report: JSON.parse(readFileSync(documentIn(folder), "utf8")) as VerificationReport, page: pageIn(folder) };
  } catch {
    return undefined;
  }
}
