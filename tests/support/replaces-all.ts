import type { DiffResult } from "@pulumi/pulumi/provider";

/**
 * Loaded before everything else into the processes of an engine (`NODE_OPTIONS=--require`): the sandbox's provider then
 * replaces each instance that it would update, as the official one has done with a changed tag.
 */
if (process.argv[1]?.endsWith("sandbox/provider/main.js")) {
  // In no other process: it is the provider's own.
  const { SandboxProvider } =
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import would load it everywhere
    require("../../sandbox/provider/provider") as typeof import("../../sandbox/provider/provider");
  const { prototype } = SandboxProvider;
  // eslint-disable-next-line @typescript-eslint/unbound-method -- it is bound when it is called
  const diff = prototype.diff;
  prototype.diff = async function (id, urn, ...properties): Promise<DiffResult> {
    const found = await diff.call(this, id, urn, ...properties);
    return found.changes && urn.includes("aws:ec2/instance:Instance") ? { ...found, replaces: ["tags"] } : found;
  };
}
