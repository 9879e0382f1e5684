import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { parseConfig } from "../fleet/config";
import type { ConfigProblem, FleetConfig, Locate } from "../fleet/config";
import { SpotError } from "../fleet/errors";
import { again, outside } from "../fleet/steps";
import { deadLinkOf } from "../system/absent";

export interface ConfigFile {
  /** Every path in it is absolute. */
  config: FleetConfig;
  warnings: ConfigProblem[];
  /** Where a value stands in the file, for problems that only AWS or the disk can find. */
  locate: Locate;
  /** The file's content, as it was read. */
  text: string;
}

/**
 * Reads a configuration file. Its relative paths are relative to its own folder; `~/` is the user's home.
 * @throws SpotError E_CONFIG_MISSING; E_CONFIG_SYNTAX or E_CONFIG_INVALID with every fault in `problems`
 */
export function readConfig(file: string): ConfigFile {
  return configOf(readText(file), file);
}

/**
 * `readConfig` for a text that was read before.
 * @param file where it was read; it need not be there any more
 * @throws SpotError E_CONFIG_SYNTAX or E_CONFIG_INVALID
 */
export function configOf(text: string, file: string): ConfigFile {
  const parsed = parseConfig(text, file);
  if (parsed.config === undefined) {
    const syntax = parsed.problems.some(({ code }) => code === "E_CONFIG_SYNTAX");
    const count = parsed.problems.length === 1 ? "a problem" : `${parsed.problems.length} problems`;
    throw new SpotError(syntax ? "E_CONFIG_SYNTAX" : "E_CONFIG_INVALID", {
      message: `${file} has ${count}`,
      location: parsed.problems[0]?.location,
      problems: parsed.problems,
    });
  }
  const folder = path.dirname(path.resolve(file));
  const absolute = (given: string | undefined): string | undefined =>
    given === undefined ? undefined : path.resolve(folder, expandHome(given));
  const { config, warnings, locate } = parsed;
  return {
    config: {
      ...config,
      ssh: {
        ...config.ssh,
        privateKeyPath: absolute(config.ssh.privateKeyPath),
        publicKeyPath: absolute(config.ssh.publicKeyPath),
      },
      filesDirectory: absolute(config.filesDirectory),
      scriptsDirectory: absolute(config.scriptsDirectory),
      bacalhau: config.bacalhau && {
        ...config.bacalhau,
        program:
          config.bacalhau.program.binary === undefined
            ? config.bacalhau.program
            : { binary: path.resolve(folder, expandHome(config.bacalhau.program.binary)) },
        tokenFile: absolute(config.bacalhau.tokenFile),
      },
    },
    warnings,
    locate,
    text,
  };
}

/** `readConfig` for those who need the configuration alone. */
export function loadConfig(file: string): FleetConfig {
  return readConfig(file).config;
}

/** `~` and `~/…` as a shell would read them. */
function expandHome(given: string): string {
  return given === "~" || given.startsWith("~/") ? path.join(homedir(), given.slice(1)) : given;
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    const link = deadLinkOf(cause);
    throw new SpotError("E_CONFIG_MISSING", {
      message: `${file} cannot be read`,
      ...(link === undefined
        ? { cause }
        : {
            cause: `it is a link to ${link}, which is not there`,
            next: "Mount or restore what the link leads to, or name another file with --config FILE.",
            step: outside("correct-file", again()),
          }),
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new SpotError("E_CONFIG_SYNTAX", {
      message: `${file} is not UTF-8 text`,
      cause,
      next: "Save the file as UTF-8.",
      step: outside("correct-file", again()),
    });
  }
}
