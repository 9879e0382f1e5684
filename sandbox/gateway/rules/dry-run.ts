import { AwsError } from "../protocol/call";
import { before, type Rule } from "../model/rule";

const changes =
  /^(Create|Delete|Attach|Detach|Associate|Disassociate|Authorize|Revoke|Modify|Import|Allocate|Release|Replace|Enable|Disable|Request|Cancel)/;

/** moto makes things in spite of DryRun (CreateVpc and others); it honours it for launch, terminate and Describe calls. */
export const dryRunRules: Rule[] = [
  before("ec2:*", (call) => {
    if (call.params.get("DryRun") === "true" && changes.test(call.action)) {
      throw new AwsError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412);
    }
  }),
];
