import Module from "node:module";

/**
 * Loaded before the Pulumi SDK in processes that are this program's alone: keeps it from loading what turns JavaScript
 * functions into deployable code. That is a TypeScript compiler and npm's own package manager, 470 of its 770 modules
 * and two thirds of its time to load, and this program never asks for it (docs/decisions/0004-lean-sdk.md).
 */
const unused: Record<string, Record<string, unknown>> = {
  "@pulumi/pulumi/typescript-shim": {},
  "@pulumi/pulumi/runtime/closure/codePaths": {
    computeCodePaths: () => Promise.reject(new Error("this program runs the Pulumi SDK without its serialisation of functions (project/lean-sdk.ts)")),
  },
};

for (const [name, content] of Object.entries(unused)) {
  const file = resolved(name);
  if (file === undefined || require.cache[file]) continue;
  const stub = new Module(file);
  stub.filename = file;
  stub.loaded = true;
  stub.exports = content;
  require.cache[file] = stub;
}

/** Undefined where the SDK is laid out differently: then it loads as it always does. */
function resolved(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}
