import { readFileSync } from "node:fs";
import path from "node:path";
import { packageRoot } from "../../project/package-root";
import { python } from "./remote-shell";

/**
 * A command line that runs one of the client's own programs on a node. They lie in instance/client as files, and are no
 * part of the payload: a node that has nothing yet must run them too.
 * @param args what the program's main takes, in that order
 */
export function nodeProgram(name: "receive_upload" | "read_records", ...args: string[]): string {
  return python(readFileSync(path.join(packageRoot(), "instance/client", `${name}.py`), "utf8"), ...args);
}
