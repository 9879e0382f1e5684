// First of all lines: with source maps on, Node's error formatting can loop for 20-45 s on the SDK's stack frames
// (docs/decisions/0003-pulumi-program.md). Everything else is loaded after it.
(Error as { prepareStackTrace?: unknown }).prepareStackTrace = undefined;

// eslint-disable-next-line @typescript-eslint/no-require-imports -- an import would be hoisted above the line that must come first
const { program } = require("./program") as typeof import("./program");

export = program;
