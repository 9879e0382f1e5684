import { AwsError, filtersOf, listOf } from "../protocol/call";
import { regions } from "../model/regions";
import { before, instead, type Rule } from "../model/rule";
import { ec2Answer } from "../protocol/xml";

const REFUSALS: Record<string, { code: string; message: string; status: number }> = {
  ec2: { code: "AuthFailure", message: "AWS was not able to validate the provided access credentials", status: 401 },
  sts: { code: "InvalidClientTokenId", message: "The security token included in the request is invalid", status: 403 },
};
const JSON_REFUSAL = {
  code: "UnrecognizedClientException",
  message: "The security token included in the request is invalid.",
  status: 400,
};

/** How a service refuses credentials that it does not know. */
export function unknownCredentials(service: string): AwsError {
  const { code, message, status } = REFUSALS[service] ?? JSON_REFUSAL;
  return new AwsError(code, message, status);
}

/** moto answers in every region that it has data for, with HTTP 500 in all others, and lists other partitions' regions. */
export const regionRules: Rule[] = [
  // A region that is not enabled does not know the account's credentials (docs: "Enable or disable AWS Regions"). One
  // that does not exist has no address at AWS; here every region has the same one, so the refusal must say it.
  before("*", (call) => {
    const status = regions.get(call.region);
    if (status === undefined) throw new AwsError("InvalidRegion", `The region ${call.region} does not exist.`, 400);
    if (status === "not-opted-in") throw unknownCredentials(call.service);
  }),
  // Without AllRegions only enabled regions are told (API reference, DescribeRegions).
  instead("ec2:DescribeRegions", (call) => {
    const named = listOf(call.params, "RegionName");
    for (const name of named)
      if (!regions.has(name)) throw new AwsError("InvalidParameterValue", `Invalid region(s): [${name}]`);
    const filters = filtersOf(call.params);
    const all = call.params.get("AllRegions") === "true";
    const item = [...regions]
      .filter(([name, status]) => (named.length === 0 ? all || status !== "not-opted-in" : named.includes(name)))
      .filter(
        ([name, status]) =>
          (filters.get("region-name")?.includes(name) ?? true) &&
          (filters.get("opt-in-status")?.includes(status) ?? true),
      )
      .map(([name, status]) => ({
        regionName: name,
        regionEndpoint: `ec2.${name}.amazonaws.com`,
        optInStatus: status,
      }));
    return ec2Answer("DescribeRegions", { regionInfo: { item } });
  }),
];
