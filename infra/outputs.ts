import * as pulumi from "@pulumi/pulumi";

/** What an output has beside `apply`, whose callback never runs while the value is unknown (the SDK's output.ts). */
interface Inside {
  promise(): Promise<unknown>;
  isKnown: Promise<boolean>;
}

const inside = (output: pulumi.Output<unknown>): Inside => output as unknown as Inside;

/** The value of an output, where it is needed to go on; undefined for one that is not known. */
export function valueOf(output: pulumi.Output<unknown>): Promise<unknown> {
  return inside(output).promise();
}

/**
 * There is something that others can be declared in. Where it could not be made, or was skipped because of something else,
 * its id is unknown, and what is declared with an unknown id reaches the provider without it: a required argument that
 * is missing ends the whole program, all regions with it. In a preview whatever is new is unknown, and can be declared in.
 */
export async function isMade(resource: pulumi.CustomResource): Promise<boolean> {
  return pulumi.runtime.isDryRun() || (await inside(resource.id).isKnown);
}
