import type { SandboxMode } from "../../sandbox/control";
import type { Terminal } from "../ui/console";

/** The options as given, checked; names as in the table. */
export interface ParsedOptions {
  sandbox?: SandboxMode;
  config?: string;
  stack?: string;
  profile?: string;
  only?: string;
  node?: string;
  list?: boolean;
  "no-wait"?: boolean;
  yes: boolean;
  json: boolean;
  verbose: boolean;
  debug: boolean;
}

export interface CommandContext {
  options: ParsedOptions;
  positionals: string[];
  terminal: Terminal;
  env: NodeJS.ProcessEnv;
}
