import { AwsError } from "../protocol/call";
import { before, type Rule } from "../model/rule";

const services = new Set(["ec2", "sts", "ssm", "servicequotas", "iam"]);

export const serviceRules: Rule[] = [
  before("*", (call) => {
    if (!services.has(call.service))
      throw new AwsError(
        "UnknownService",
        `The sandbox has no service "${call.service}"; it has ${[...services].join(", ")}.`,
        404,
      );
  }),
];
