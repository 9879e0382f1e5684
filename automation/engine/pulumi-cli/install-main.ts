import { PulumiCommand } from "@pulumi/pulumi/automation";

/** A process of its own for `PulumiCommand.install`, which can be stopped only by ending its process. */
type Version = NonNullable<NonNullable<Parameters<typeof PulumiCommand.install>[0]>["version"]>;

const [root, version] = process.argv.slice(2);

// The API asks for a SemVer object and uses it only where its text does as well.
PulumiCommand.install({ root, version: version as unknown as Version }).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
