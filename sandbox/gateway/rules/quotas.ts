import { AwsError } from "../call";
import { instead, type Rule } from "../rule";
import { jsonAnswer } from "../xml";

/** vCPU quotas of EC2 (console "Service Quotas"); standard families are A, C, D, H, I, M, R, T and Z. */
const quotas = [
  { code: "L-34B43A08", name: "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", value: 256 },
  { code: "L-1216C47A", name: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", value: 256 },
  { code: "L-3819A6DF", name: "All G and VT Spot Instance Requests", value: 0 },
];

const shown = (region: string) =>
  quotas.map(({ code, name, value }) => ({
    ServiceCode: "ec2",
    ServiceName: "Amazon Elastic Compute Cloud (Amazon EC2)",
    QuotaArn: `arn:aws:servicequotas:${region}:123456789012:ec2/${code}`,
    QuotaCode: code,
    QuotaName: name,
    Value: value,
    Unit: "None",
    Adjustable: true,
    GlobalQuota: false,
  }));

export const quotaRules: Rule[] = [
  instead("servicequotas:GetServiceQuota", (call) => {
    const found = shown(call.region).find(({ ServiceCode, QuotaCode }) => ServiceCode === call.json["ServiceCode"] && QuotaCode === call.json["QuotaCode"]);
    if (found === undefined) throw new AwsError("NoSuchResourceException", "The request failed because the specified service or quota does not exist.");
    return jsonAnswer({ Quota: found });
  }),
  instead("servicequotas:ListServiceQuotas", (call) => jsonAnswer({ Quotas: call.json["ServiceCode"] === "ec2" ? shown(call.region) : [] })),
];
