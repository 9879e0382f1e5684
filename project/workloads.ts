import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import type { BacalhauConfig } from "../fleet/config";
import { again, outside } from "../fleet/steps";
import {
  architectureOfProgram,
  PROGRAM_FILE,
  TOKEN_FILE,
  WORKLOADS_FILE,
  workloadsText,
} from "../fleet/node/workloads";
import { contentOf, reason, tryTo, type PayloadFile, type PayloadProblem } from "./payload-files";

/**
 * What the configuration of workloads adds to a payload: their settings, the program and the token that it names on
 * this machine. Faults go to `problems`.
 */
export function workloadFiles(bacalhau: BacalhauConfig | undefined, problems: PayloadProblem[]): PayloadFile[] {
  const read = <T>(key: string, file: string, action: (file: string) => T): T | undefined => {
    const result = tryTo(() => action(file));
    if (!(result instanceof Error)) return result;
    problems.push({ message: `bacalhau.${key}: ${file} ${reason(result)}`, key: ["bacalhau", key] });
    return undefined;
  };
  const binary = bacalhau?.program.binary;
  const program = binary === undefined ? undefined : read("binary", binary, programAt);
  const token =
    bacalhau?.tokenFile === undefined
      ? undefined
      : read("token_file", bacalhau.tokenFile, (file) => tokenAt(file, problems));
  return [
    ...(binary === undefined || program === undefined
      ? []
      : [{ entry: { path: PROGRAM_FILE, type: "file", mode: "0755", ...program.content } as const, source: binary }]),
    ...(token === undefined ? [] : [inMemory(TOKEN_FILE, "0600", token)]),
    inMemory(
      WORKLOADS_FILE,
      "0644",
      workloadsText(bacalhau, program && { sha256: program.content.sha256, architecture: program.architecture }),
    ),
  ];
}

function inMemory(path: string, mode: "0600" | "0644", text: string): PayloadFile {
  const source = Buffer.from(text);
  return { entry: { path, type: "file", mode, ...contentOf(source) }, source };
}

function programAt(file: string) {
  const header = Buffer.alloc(20);
  const descriptor = openSync(file, "r");
  try {
    readSync(descriptor, header);
  } finally {
    closeSync(descriptor);
  }
  return { content: contentOf(file), architecture: architectureOfProgram(header) };
}

/** The token as it is uploaded: one line. Nothing, with a problem, when it is no secret or no token. */
function tokenAt(file: string, problems: PayloadProblem[]): string | undefined {
  const key = ["bacalhau", "token_file"];
  const mode = statSync(file).mode & 0o777;
  const token = readFileSync(file, "utf8").trim();
  if ((mode & 0o007) !== 0) {
    problems.push({
      key,
      message: `bacalhau.token_file: ${file} can be read by every user of this machine (mode ${mode.toString(8).padStart(4, "0")})`,
      advice: { next: `Run \`chmod 600 ${file}\`.`, step: outside("free-file", again()) },
    });
  } else if (!/^\S+$/.test(token)) {
    problems.push({
      key,
      message: `bacalhau.token_file: ${file} ${token === "" ? "is empty" : "holds more than a token: it has spaces or several lines"}`,
    });
  } else {
    return `${token}\n`;
  }
  return undefined;
}
