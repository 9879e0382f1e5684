import { main } from "@pulumi/pulumi/provider";
import { configure, configureWith } from "./configure";
import { sandboxEndpoint } from "./guard";
import { SandboxProvider } from "./provider";
import { Work } from "./work";

/**
 * The plugin's process. The engine reads the port from the first line of standard output, and ends the plugin by
 * SIGINT after the last step: a plugin that lingers then costs five seconds on every command.
 */
async function serve(): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(0));
  const work = new Work();
  work.endWithParent();
  const endpoint = await sandboxEndpoint(process.env);
  configureWith((args) => configure(endpoint, args));
  await main(new SandboxProvider(endpoint, work), process.argv.slice(2));
}

serve().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
