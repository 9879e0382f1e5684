import { AwsError } from "../protocol/call";
import { isUsable } from "../model/regions";
import { before, type Rule } from "../model/rule";

/** Launches are judged by the rules and by moto, which honours DryRun for them. */
const judged: ReadonlySet<string> = new Set(["RunInstances", "TerminateInstances"]);

/**
 * EC2 judges the permission of a dry run alone, which has been done when it comes here. moto makes things in spite of
 * DryRun (CreateVpc and others), and answers some looks as if there were none.
 */
export const dryRunRules: Rule[] = [
  before("ec2:*", (call) => {
    if (call.params.get("DryRun") !== "true" || judged.has(call.action)) return;
    // What is wrong with the region is said before (rules/regions.ts).
    if (!isUsable(call.region)) return;
    throw new AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412);
  }),
];
