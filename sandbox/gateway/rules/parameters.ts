import { imageIdByParameter } from "../model/images";
import { amending, type Rule } from "../model/rule";
import { jsonAnswer } from "../protocol/xml";
import type { Call } from "../protocol/call";

interface Parameter {
  Name: string;
  Type: string;
  Value: string;
  Version: number;
  LastModifiedDate: number;
  ARN: string;
  DataType: string;
}

function parameter(call: Call, name: string): Parameter | undefined {
  const value = imageIdByParameter(name, call.region);
  return value === undefined
    ? undefined
    : {
        Name: name,
        Type: "String",
        Value: value,
        Version: 1,
        LastModifiedDate: 1_761_120_000,
        ARN: `arn:aws:ssm:${call.region}::parameter${name}`,
        DataType: "aws:ec2:image",
      };
}

/** The public parameters that name Ubuntu's and Debian's images; moto has Amazon Linux's only. */
export const parameterRules: Rule[] = [
  {
    on: "ssm:GetParameter",
    run: async (call, next) => {
      const found = parameter(call, String(call.json["Name"]));
      return found === undefined ? next() : jsonAnswer({ Parameter: found });
    },
  },
  amending("ssm:GetParameters", (call, answer) => {
    const names = Array.isArray(call.json["Names"]) ? call.json["Names"].map(String) : [];
    const found = names.flatMap((name) => parameter(call, name) ?? []);
    const rest = JSON.parse(answer.body) as { Parameters: Parameter[]; InvalidParameters: string[] };
    return jsonAnswer({
      Parameters: [...rest.Parameters, ...found],
      InvalidParameters: rest.InvalidParameters.filter((name) => !found.some(({ Name }) => Name === name)),
    });
  }),
];
