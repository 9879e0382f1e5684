import Module from "node:module";
import path from "node:path";

const span = { addEvent: () => span, end: () => undefined, setAttribute: () => span };

/**
 * Loaded before the Pulumi SDK in processes that are this program's alone, and keeps it from loading what they never use
 * (docs/decisions/0004-lean-sdk.md):
 * - what turns JavaScript functions into deployable code, a TypeScript compiler and npm's own package manager, which are
 *   470 of its 770 modules and two thirds of its time to load;
 * - source maps of its own files, which it reads to say where in them each resource was registered;
 * - what sends traces to the address of `pulumi --tracing`, 160 modules.
 */
const unused: Record<string, Record<string, unknown>> = {
  "@pulumi/pulumi/typescript-shim": {},
  "@pulumi/pulumi/runtime/closure/codePaths": {
    computeCodePaths: () =>
      Promise.reject(
        new Error(
          "this program runs the Pulumi SDK without its serialisation of functions (automation/engine/lean-sdk/preload.ts)",
        ),
      ),
  },
  "source-map-support/register": {},
  "@pulumi/pulumi/cmd/run/tracing": { newSpan: () => span, start: () => undefined, stop: () => undefined },
};

leaveOut(unused);

/** Puts what is given in the place of modules of the SDK, unless they are loaded already. */
export function leaveOut(modules: Record<string, Record<string, unknown>>): void {
  for (const [name, content] of Object.entries(modules)) {
    const file = resolved(name);
    if (file === undefined || require.cache[file]) continue;
    const stub = new Module(file);
    stub.filename = file;
    stub.loaded = true;
    stub.exports = content;
    require.cache[file] = stub;
  }
}

/** As the SDK finds it. Undefined where the SDK is laid out differently: then it loads as it always does. */
function resolved(name: string): string | undefined {
  try {
    return require.resolve(name, { paths: [path.dirname(require.resolve("@pulumi/pulumi")), __dirname] });
  } catch {
    return undefined;
  }
}
