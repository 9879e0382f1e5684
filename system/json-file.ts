import { readFileSync, rmSync } from "node:fs";
import { writeFileWhole } from "./atomic-file";

/** Undefined when the file is missing or not JSON: such a file is as good as none. */
export function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** Writes the file whole or not at all (`writeFileWhole`), for its owner's eyes only. */
export function writeJson(file: string, value: unknown): void {
  writeFileWhole(file, `${JSON.stringify(value, undefined, 2)}\n`, 0o600);
}

export function removeFile(file: string): void {
  rmSync(file, { force: true });
}
