import path from "node:path";

/** Loads the SDK without what the program does not use of it. */
const PRELOADED = path.join(__dirname, "preload-program.js");

/** NODE_OPTIONS for the engine: its Node processes load the SDK lean, beside what the user has there already. */
export function leanSdk(nodeOptions: string | undefined): string {
  return [nodeOptions, `--require=${JSON.stringify(PRELOADED)}`].filter(Boolean).join(" ");
}
